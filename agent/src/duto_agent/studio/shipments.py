"""Ships a file that only grows, by byte offset; the studio's stored size is the truth."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from duto.spec.sentences import Said, said
from duto_agent.files import open_plain
from duto_agent.studio.client import PATIENCE_S, Refused, StudioFaulty

WINDOW = 1 << 20
Put = Callable[[int, bytes], int]
# Answers that say what becomes of the attempt, or of this file, rather than what is wrong with these bytes.
GONE = ("stale_epoch", "not_found")
CAPS = ("log_cap", "samples_cap")


class Stale(Exception):
    """The studio gave this attempt to another epoch, or forgot it: stop."""


class Shipment:
    """One growing file. `ship` sends at most one window, so that its caller stays awake for other things.

    A studio that is away, busy or full raises Away out of `ship`: the caller waits and calls again. A studio that
    stumbles over these very bytes (500, or a refusal) is asked again for some minutes; then the rest of the file stays
    here, and `problem` says so.
    """

    def __init__(self, path: Path, put: Put, offset: int = 0) -> None:
        self.path, self._put, self.offset = path, put, offset
        self.full = False
        self.hurried = False  # a cancel waits: what the studio stumbles over is not sent again
        self.problem: Said | None = None
        self._stumbled_at: float | None = None

    def ship(self) -> bool:
        """Send what is new; whether there may be more. Raises Away, Stale."""
        data = b"" if self.full else self._window()
        return self._deliver(lambda: self._put(self.offset, data), data) if data else False

    def _deliver(self, action: Callable[[], int], data: bytes) -> bool:
        """Tell the studio of these bytes, and go on from the size that it has then."""
        try:
            stored = action()
        except Refused as error:
            if error.code in GONE:
                raise Stale(str(error)) from error
            if error.code in CAPS:
                self.full = True
                return False
            if error.status != 409 or error.size is None:
                return self._stumble(data, error)
            stored = error.size
        except StudioFaulty as error:
            return self._stumble(data, error)
        self._stumbled_at = None
        self._stored(stored)
        return True

    def _stored(self, size: int) -> None:
        self.offset = size

    def _stumble(self, data: bytes, error: Exception) -> bool:
        """The studio could not take these bytes: once more, for as long as there is patience."""
        if self._has_patience(PATIENCE_S):
            raise StudioFaulty(str(error)) from error
        self.full = True
        self.problem = said("rest_not_taken", byte=self.offset, file=self.path.name, error=str(error))
        return False

    def _has_patience(self, seconds: float) -> bool:
        """Whether the studio began to stumble less than so long ago."""
        moment = time.monotonic()
        self._stumbled_at = moment if self._stumbled_at is None else self._stumbled_at
        return not self.hurried and moment - self._stumbled_at < seconds

    def _window(self) -> bytes:
        try:
            with open_plain(self.path) as file:
                return self._read(file.fileno())
        except OSError:
            return b""

    def _read(self, number: int) -> bytes:
        return os.pread(number, WINDOW, self.offset)
