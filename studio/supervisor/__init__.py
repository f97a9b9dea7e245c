"""Starts the parts of a studio on one machine, keeps them up and stops them together."""
