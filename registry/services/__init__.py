"""Registers models and their versions, changes what is said of them, removes them.

Called by the pages and REST of models. It copies the files it is given and never reads a run's by itself.
"""
