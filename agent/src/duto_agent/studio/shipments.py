"""Ships files that only grow, by byte offset; the studio's stored size is the truth.

Of a file of lines only whole ones travel, and one that cannot be taken is left behind instead of stopping the others.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from duto.spec.sentences import Said, foreign, said
from duto_agent.files import open_plain
from duto_agent.studio.client import PATIENCE_S, Refused, StudioFaulty

WINDOW = 1 << 20
Put = Callable[[int, bytes], int]
# Answers that say what becomes of the attempt, or of this file, rather than what is wrong with these bytes.
GONE = ("stale_epoch", "not_found")
CAPS = ("log_cap", "samples_cap", "ledger_cap")


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
                return self._retry_or_give_up(data, error)
            stored = error.size
        except StudioFaulty as error:
            return self._retry_or_give_up(data, error)
        self._stumbled_at = None
        self._stored(stored)
        return True

    def _stored(self, size: int) -> None:
        self.offset = size

    def _retry_or_give_up(self, data: bytes, error: Exception) -> bool:
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


# The longest line that travels (docs/wire.md, *Spool of a step*): what a script writes without an end is not read into memory.
LINE_MAX = 8 << 20
# So many bytes of such a line are looked at in one go.
LOOK = 64 << 20
HEAD = 4096
# A studio that stumbles over one line is asked this often, and for so many seconds, before the line is set aside. After
# the first such line each further one is tried once.
TRIES, TRY_FOR_S = 3, 3.0
MOST_LINES = WINDOW // 64

Skip = Callable[[int, int, bytes, Said], int]


class LineShipment(Shipment):
    """`skip(offset, length, head, why)` tells the studio which line stays behind; without it such a line ends the file."""

    def __init__(self, path: Path, put: Put, offset: int = 0, skip: Skip | None = None) -> None:
        super().__init__(path, put, offset)
        self._skip = skip
        self._looked = offset  # no line ends between the offset and here
        self._overlong: tuple[int, bytes] | None = None  # length and head of a line at the offset that may not travel
        self._lines = MOST_LINES  # that are sent at once: halved until the line is found that the studio stumbles over
        self._tries = self._set_aside = 0

    @property
    def rest(self) -> int:
        """Bytes at the end of the file that are no whole line."""
        try:
            return max(0, self.path.lstat().st_size - self.offset)
        except OSError:
            return 0

    def ship(self) -> bool:
        looked = self._looked
        more = super().ship()
        if self._overlong is not None:
            length, head = self._overlong
            self._overlong = None
            return self._leave(length, head, said("long_line", length=length, most=LINE_MAX))
        return more or self._looked - looked >= LOOK

    def _stored(self, size: int) -> None:
        super()._stored(size)
        self._looked, self._tries = size, 0
        self._lines = min(MOST_LINES, self._lines * 2)

    def _retry_or_give_up(self, data: bytes, error: Exception) -> bool:
        """Half of the lines at a time, down to the one that is at fault."""
        if not data or self._skip is None:
            return super()._retry_or_give_up(data, error)
        lines = data.count(b"\n")
        if lines > 1:
            self._lines = lines // 2
            return True
        self._tries += 1
        is_young = self._has_patience(TRY_FOR_S)
        if isinstance(error, StudioFaulty) and not self._set_aside and (is_young or self._tries < TRIES):
            raise StudioFaulty(str(error)) from error
        return self._leave(len(data), data[:HEAD], foreign(str(error)))

    def _leave(self, length: int, head: bytes, why: Said) -> bool:
        """The studio is told to go on behind a line. One that cannot even do that is at fault itself."""
        skip = self._skip
        if skip is None:
            self.full = True
            return False
        went_on = self._deliver(lambda: skip(self.offset, length, head, why), b"")
        self._set_aside += 1
        return went_on

    def _read(self, number: int) -> bytes:
        if self._looked - self.offset >= WINDOW:
            return self._long_line(number)
        data = super()._read(number)
        end = data.rfind(b"\n") + 1
        if not end:
            return self._long_line(number) if len(data) == WINDOW else b""
        if data.count(b"\n") > self._lines:
            end = len(b"\n".join(data.split(b"\n", self._lines)[: self._lines])) + 1
        return data[:end]

    def _long_line(self, number: int) -> bytes:
        """A line that is longer than the window: whole while it may travel."""
        until = self._looked + LOOK
        while self._looked < until:
            piece, at = _data(number, self._looked)
            self._looked = at
            end = piece.find(b"\n")
            if end < 0:
                self._looked += len(piece)
                if not piece:
                    break
                continue
            length = self._looked + end + 1 - self.offset
            if length <= LINE_MAX:
                return os.pread(number, length, self.offset)
            self._overlong = length, os.pread(number, HEAD, self.offset)
            break
        return b""


def _data(number: int, at: int) -> tuple[bytes, int]:
    """The next window of data from a place on, and where it begins: the holes of a sparse file are jumped over."""
    try:
        at = os.lseek(number, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing follows, or a hole only
            return b"", max(at, os.fstat(number).st_size)
    return os.pread(number, WINDOW, at), at
