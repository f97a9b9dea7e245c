"""How a script is to run: the run configuration with its sections, its `.runconfig` files, arguments.

Steps and script runs take one; it names environments and data, and knows no step.
"""
