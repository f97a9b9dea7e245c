"""A window of a long list in a tab of the panel: what is left out is said, and one click away."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Entries `start` to `end` (not included) of `total`, at most `most` at once; `name` is its word in the address."""

    name: str
    start: int
    end: int
    total: int
    most: int

    @property
    def is_whole(self) -> bool:
        return self.end - self.start == self.total

    @property
    def first(self) -> int:
        """For people, who count from one."""
        return min(self.start + 1, self.total)

    @property
    def before(self) -> int | None:
        """Where the window before begins; None for the first."""
        return self.start - self.most if self.start else None

    @property
    def after(self) -> int | None:
        return self.end if self.end < self.total else None


def window(name: str, asked: str | None, total: int, most: int) -> Window:
    """The window that the address asks for, at most `most` entries; a number that is none, or too large, is the first."""
    digits = asked if asked and asked.isascii() and asked.isdigit() and len(asked) < 10 else "0"
    start = int(digits) - int(digits) % most
    start = start if start < total else 0
    return Window(name, start, min(start + most, total), total, most)
