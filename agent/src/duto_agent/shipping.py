"""Ships a file that only grows, by byte offset; the studio's stored size is the truth."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from duto_agent.files import open_plain
from duto_agent.studio_client import Refused

WINDOW = 1 << 20
Put = Callable[[int, bytes], int]


class Stale(Exception):
    """The studio gave this attempt to another epoch, or forgot it: stop."""


class Shipment:
    """One growing file. `ship` sends at most one window, so that its caller stays awake for other things."""

    def __init__(self, path: Path, put: Put, offset: int = 0, whole_lines: bool = False) -> None:
        self.path, self._put, self.offset, self._whole_lines = path, put, offset, whole_lines
        self.full = False

    def ship(self) -> bool:
        """Send what is new; whether there may be more."""
        data = b"" if self.full else self._window()
        if not data:
            return False
        try:
            stored = self._put(self.offset, data)
        except Refused as error:
            if error.status == 413:  # the studio's own cap: it wants no more of this file
                self.full = True
                return False
            if error.status != 409 or error.size is None or error.code == "stale_epoch":
                raise Stale(str(error)) from error
            stored = error.size
        self._stored(stored)
        return True

    def _stored(self, size: int) -> None:
        self.offset = size

    def _window(self) -> bytes:
        try:
            with open_plain(self.path) as file:
                if os.fstat(file.fileno()).st_size <= self.offset:
                    return b""
                data = os.pread(file.fileno(), WINDOW, self.offset)
                if self._whole_lines:
                    data = self._lines(file.fileno(), data)
        except OSError:
            return b""
        return data

    def _lines(self, number: int, data: bytes) -> bytes:
        """Up to the last line end; one line that is larger than the window goes whole."""
        size = WINDOW
        while b"\n" not in data and len(data) == size:
            size *= 2
            data = os.pread(number, size, self.offset)
        return data[: data.rfind(b"\n") + 1]
