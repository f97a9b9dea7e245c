"""Environments: the packages a step runs with, resolved once and shared."""
