"""Figures of the studio, each measured beside its floor in the same run.

`manage.py bench NAME` calls it. It starts its own studio and never touches a running one.
"""
