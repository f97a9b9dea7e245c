"""Automated machine learning: its settings, its run, and what runs in its step: the search, the trials, the model."""
