"""Registered models: registration from files or a run, look-up, download."""
