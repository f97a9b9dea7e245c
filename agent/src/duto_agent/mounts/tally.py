"""What came through the mounts of an attempt, in a file that outlives whoever counts: the agent reads it at the end."""

from __future__ import annotations

import mmap
import struct
import threading
import time
from pathlib import Path

from duto_protocol.messages import Transfer

# Bytes that came, files that were read, bytes and files of these that the host had, and nanoseconds in which something came.
_FORM = struct.Struct("=5Q")


class Tally:
    """Used by many threads of one process; without a path nobody reads it."""

    def __init__(self, path: Path | None = None) -> None:
        self._turn, self._coming, self._since = threading.Lock(), 0, 0
        self._numbers = [0] * 5
        self._file: mmap.mmap | bytearray = bytearray(_FORM.size)
        if path is not None:
            with path.open("wb+") as file:
                file.truncate(_FORM.size)
                self._file = mmap.mmap(file.fileno(), _FORM.size)

    def began(self) -> None:
        """A request is on its way."""
        with self._turn:
            if not self._coming:
                self._since = time.monotonic_ns()
            self._coming += 1

    def ended(self) -> None:
        with self._turn:
            self._coming -= 1
            self._pass()

    def came(self, size: int) -> None:
        """So many bytes came over the network."""
        with self._turn:
            self._numbers[0] += size
            self._pass()

    def read(self, cached: int | None) -> None:
        """A file is read for the first time; `cached`: its bytes, where the host has all of them already."""
        with self._turn:
            self._numbers[1] += 1
            if cached is not None:
                self._numbers[2] += cached
                self._numbers[3] += 1
            self._keep()

    def _pass(self) -> None:
        moment = time.monotonic_ns()
        self._numbers[4] += moment - self._since
        self._since = moment
        self._keep()

    def _keep(self) -> None:
        _FORM.pack_into(self._file, 0, *self._numbers)


def transfer_in(path: Path) -> Transfer:
    """What was counted in a file; nothing where there is none."""
    try:
        came, files, cached, files_cached, busy = _FORM.unpack(path.read_bytes())
    except (OSError, struct.error):
        return Transfer()
    return Transfer(
        done=came + cached, total=came + cached, files=files, files_total=files, cached=cached,
        files_cached=files_cached, seconds=round(busy / 1e9, 3),
    )  # fmt: skip
