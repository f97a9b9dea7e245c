"""Experiments, runs and attempts: what was asked, what happened, and what came of it."""
