"""Pipelines: the graph of steps, its submission, runs of it, and published ones."""
