"""Experiments, runs and attempts: what was asked, what happened, and what came of it.

The studio's addresses lead here. It stands above all other apps and answers their hooks; none of them imports it.
"""
