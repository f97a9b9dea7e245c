"""Lies at the root of the source directory, beside the folder of the scripts."""

WORD = "seven"
