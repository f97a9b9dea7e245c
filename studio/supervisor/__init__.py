"""Starts the parts of a studio on one machine, keeps them up and stops them together.

`manage.py up` and `manage.py demo` call it. It knows processes, and nothing of what runs in them.
"""
