"""Runs the steps of a Duto studio on one host."""

__version__ = "0.1.0"
