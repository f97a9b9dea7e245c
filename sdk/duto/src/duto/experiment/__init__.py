"""Experiments: names that runs are gathered under, and what is submitted to them."""
