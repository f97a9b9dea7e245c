"""Wiring only: settings, addresses, processes. Imports all, imported by none."""
