"""Figures of the studio, each measured beside its floor in the same run: `manage.py bench NAME`."""
