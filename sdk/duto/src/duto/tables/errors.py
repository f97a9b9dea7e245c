"""What goes wrong when files are read as a table."""

from __future__ import annotations


class TableError(ValueError):
    """The files are not the table that was said; the text says where and why, and never a path of this machine."""


class Misfit(ValueError):
    """A value is not of the type that its column is to have."""
