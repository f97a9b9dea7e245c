"""The program that stands at the entry of every step.

Standard library only, Python 3.8 and later, and nothing else of the agent: it also
runs where the agent is not installed.
"""
