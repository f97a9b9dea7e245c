"""What goes wrong when files are read as a table."""

from __future__ import annotations

from duto.spec.sentences import Said


class TableError(ValueError):
    """The files are not the table that was said; the sentence says where and why, and never a path of this machine."""

    def __init__(self, message: Said) -> None:
        super().__init__(message)
        self.message = message


class Misfit(ValueError):
    """A value is not of the type that its column is to have."""

    def __init__(self, message: Said) -> None:
        super().__init__(message)
        self.message = message
