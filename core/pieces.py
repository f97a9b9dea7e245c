"""Readers of bytes that come in pieces, whose length nobody chooses here."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any


class PieceReader(io.RawIOBase):
    """A seekable reader, which holds the piece that it is in."""

    def __init__(self) -> None:
        super().__init__()
        self._at, self._held, self._held_at = 0, b"", 0

    @property
    @abstractmethod
    def size(self) -> int:
        """How many bytes there are."""

    @abstractmethod
    def _next(self) -> bytes:
        """Some bytes from `_at` on, none at the end."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = self._at if whence == io.SEEK_CUR else self.size if whence == io.SEEK_END else 0
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        if not self._held_at <= self._at < self._held_at + len(self._held):
            self._held, self._held_at = self._next(), self._at
        start = self._at - self._held_at
        data = self._held[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
