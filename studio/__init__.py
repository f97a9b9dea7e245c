"""Wiring only: settings, addresses, processes.

`manage.py` and the servers start here. It imports all apps and is imported by none.
"""
