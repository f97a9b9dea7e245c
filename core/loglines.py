"""The lines of a log: finding some, and telling which are errors, in pieces whose size does not depend on the log's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from core.errors import Invalid

PIECE = 1 << 20
# A line without an end must not grow without one either.
LINE_MAX = 64 * 1024
SHOWN = 400
MATCHES = 200
SCANNED = 128 * 1024 * 1024
# No error line is without one of these. Looking for bytes costs next to nothing where there are none.
SIGNS = (b"Traceback (most recent call last):", b"ERROR", b"CRITICAL", b"FATAL")
TRACEBACK = "Traceback (most recent call last):"
LEVEL = re.compile(r"(^|[\s\[|:])(ERROR|CRITICAL|FATAL)([\s\]|:]|$)")
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


@dataclass
class Found:
    """Lines that hold what was looked for, and the offset to continue from or None."""

    matches: list[dict[str, Any]] = field(default_factory=list)
    next: int | None = None

    def as_document(self) -> dict[str, Any]:
        return {"matches": self.matches, "next": self.next}


@dataclass
class Errors:
    """How many errors a log tells of up to byte `place`, where a line begins, perhaps one of a traceback.

    The rules are those by which the pages draw a log (static/js/log-text.js): a traceback is one error, from its first line
    to the exception's own; elsewhere a line of a level that is an error.
    """

    count: int = 0
    place: int = 0
    inside: bool = False

    def read(self, text: bytes, *, final: bool = False) -> list[int]:
        """Go on with the bytes from `place` on; where in them errors begin. A line that has not ended waits, unless it is
        long or `final` says that no more will come."""
        end = text.rfind(b"\n") + 1
        if final or len(text) - end > LINE_MAX:
            end = len(text)
        found = list(self._begins(text, end))
        self.count += len(found)
        self.place += end
        return found

    def _begins(self, text: bytes, end: int) -> Iterator[int]:
        at, signs = 0, dict.fromkeys(SIGNS, -1)
        while at < end:
            if not self.inside:
                at = _next(text, at, end, signs)
                if at == end:
                    return
            stop = text.find(b"\n", at, end)
            stop = end if stop < 0 else stop
            if self._is_error(shown(text[at:stop])):
                yield at
            at = stop + 1

    def _is_error(self, line: str) -> bool:
        if line.startswith(TRACEBACK):
            self.inside = True
            return True
        if self.inside:
            self.inside = not line or line[0].isspace()
            return False
        return LEVEL.search(line) is not None


def counted(
    known: dict[str, Any] | None, opened: Callable[[], BinaryIO], size: int, data: bytes = b"", *, final: bool = False
) -> dict[str, Any] | None:
    """`Errors` as they are kept, gone on with up to byte `size` of the log, of which `data` are the last. A line that had
    not ended is read again from the log. None, a log that was not counted from its start on, stays None."""
    if known is None:
        return None
    errors = Errors(**known)
    missing = size - len(data) - errors.place
    if missing > 0:
        with opened() as source:
            source.seek(errors.place)
            data = source.read(missing) + data
    errors.read(data, final=final)
    return asdict(errors)


def count_of(known: dict[str, Any] | None) -> int | None:
    """How many errors the whole log tells of; None where it was not counted."""
    return None if known is None else Errors(**known).count


def _next(text: bytes, at: int, end: int, signs: dict[bytes, int]) -> int:
    """Where the next line with a sign begins; `signs` keeps where each was found last, so that none is looked for twice."""
    for sign, place in signs.items():
        if place < at:
            place = text.find(sign, at, end)
            signs[sign] = end if place < 0 else place
    first = min(signs.values())
    return end if first == end else text.rfind(b"\n", at, first) + 1 or at


def shown(line: bytes) -> str:
    """A line as it is read: without colours, and what the last carriage return left of it."""
    text = line.rstrip(b"\r")
    return ANSI.sub("", text[text.rfind(b"\r") + 1 :].decode("utf-8", "replace"))


def search(source: BinaryIO, size: int, needle: str, start: int) -> Found:
    """Lines from byte `start` on that hold `needle`, whatever the case. Stops after some, and says where."""
    wanted = needle.encode("utf-8", "surrogateescape").lower()
    if not wanted:
        raise Invalid(_("Say what to look for: 'q' is empty."))
    hunt = _Hunt(source, size, wanted)
    hunt.skip(max(0, start))
    return hunt.run(SCANNED)


def errors(source: BinaryIO, size: int, start: int) -> Found:
    """The lines from byte `start` on with which an error begins. Read from the log's start on: what is before may be the
    beginning of a traceback."""
    hunt = _ErrorHunt(source, size, start)
    return hunt.run(max(0, start) + SCANNED)


class _Hunt:
    """One pass over the log in pieces that end with a line; keeps the count of lines."""

    def __init__(self, source: BinaryIO, size: int, wanted: bytes = b"") -> None:
        self.source, self.size, self.wanted, self.found = source, size, wanted, Found()
        self.line, self.place = 1, 0

    def skip(self, until: int) -> None:
        """Count the lines before the place to begin at."""
        until = min(until, self.size)
        while self.place < until:
            piece = self.source.read(min(PIECE, until - self.place))
            if not piece:
                break
            self.line += piece.count(b"\n")
            self.place += len(piece)

    def run(self, most: int) -> Found:
        """Look at up to `most` bytes."""
        end, rest = min(self.size, self.place + most), b""
        while self.place + len(rest) < end:
            piece = self.source.read(min(PIECE, end - self.place - len(rest)))
            if not piece:
                break
            text = rest + piece
            cut = text.rfind(b"\n") + 1 or (len(text) if len(text) > LINE_MAX else 0)
            text, rest = text[:cut], text[cut:]
            if not self.look(text):
                return self.found
        if rest and not self.look(rest):
            return self.found
        self.found.next = self.place if self.place < self.size else None
        return self.found

    def look(self, text: bytes) -> bool:
        """Note the matching lines of a piece; False when there are enough."""
        counted, line = 0, self.line
        for start, at in self.hits(text):
            line += text.count(b"\n", counted, start)
            counted = start
            if len(self.found.matches) == MATCHES:
                self.found.next = self.place + start
                return False
            self.found.matches.append(self.match(text, line, start, at))
        self.line += text.count(b"\n")
        self.place += len(text)
        return True

    def hits(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Where matching lines begin, each with the place of what matches."""
        low, at = text.lower(), 0
        while (at := low.find(self.wanted, at)) >= 0:
            yield text.rfind(b"\n", 0, at) + 1, at
            at = end_of(text, at)

    def match(self, text: bytes, line: int, start: int, at: int) -> dict[str, Any]:
        """A match as it is told: long lines are cut around what was found."""
        end = end_of(text, at)
        first = start if end - start <= SHOWN else max(start, at - SHOWN // 4)
        said = text[first : min(end, first + SHOWN)].decode("utf-8", "replace")
        return {"line": line, "offset": self.place + start, "text": said}


class _ErrorHunt(_Hunt):
    """Of what is read it tells the errors that begin at `start` or later."""

    def __init__(self, source: BinaryIO, size: int, start: int) -> None:
        super().__init__(source, size)
        self.start, self.errors = start, Errors()

    def hits(self, text: bytes) -> Iterator[tuple[int, int]]:
        for begin in self.errors.read(text, final=True):  # pieces end with a line
            if self.place + begin >= self.start:
                yield begin, begin


def end_of(text: bytes, at: int) -> int:
    end = text.find(b"\n", at)
    return len(text) if end < 0 else end
