"""A log by windows of bytes, and its lines: finding some, and telling which are errors, in pieces whose size does not
depend on the log's.

A line that is longer than `LINE_MAX` is none that anybody waits for the end of: it is judged by how it begins, and found in
where it matches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from core.errors import Invalid

# What one answer gives of a log, and at most.
WINDOW = 256 * 1024
WINDOW_MAX = 4 * 1024 * 1024
PIECE = 1 << 20
# As the pages have it (static/js/log-text.js): a line without an end must not grow without one.
LINE_MAX = 20_000
LETTER_MAX = 6  # bytes of the longest form of a letter
SHOWN = 400
MATCHES = 200
SCANNED = 128 * 1024 * 1024
# No error line is without one of these. Looking for bytes costs next to nothing where there are none.
SIGNS = (b"Traceback (most recent call last):", b"ERROR", b"CRITICAL", b"FATAL")
TRACEBACK = "Traceback (most recent call last):"
LEVEL = re.compile(r"(^|[\s\[|:])(ERROR|CRITICAL|FATAL)([\s\]|:]|$)")
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


@dataclass(frozen=True)
class Window:
    """Bytes of a log. `size` is what the studio has stored; `final` says that no more will come, `errors` how many
    the whole of it tells of, where they were counted."""

    offset: int
    data: bytes
    size: int
    final: bool
    errors: int | None


def window(
    opened: Callable[[], BinaryIO], size: int, final: bool, errors: int | None, offset: int = 0, limit: int = WINDOW
) -> Window:
    """Up to `limit` bytes from `offset`; a negative offset counts from the end. `opened` gives a reader of the log, and
    is not asked for one of nothing."""
    if not 0 < limit <= WINDOW_MAX:
        raise Invalid(_("'limit' is a number of bytes from 1 to %(window_max)s.") % {"window_max": WINDOW_MAX})
    start = min(size, offset) if offset >= 0 else max(0, size + offset)
    length = min(limit, size - start)
    if not length:
        return Window(start, b"", size, final, errors)
    with opened() as source:
        source.seek(start)
        return Window(start, source.read(length), size, final, errors)


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
    to the exception's own; elsewhere a line of a level that is an error. `judged` is the line that goes on at `place`.
    """

    count: int = 0
    place: int = 0
    inside: bool = False
    judged: bool = False

    def read(self, text: bytes, *, final: bool = False) -> list[int]:
        """Go on with the bytes from `place` on; where in them errors begin. A line that has not ended waits, unless it is
        long or `final` says that no more will come."""
        start = (text.find(b"\n") + 1 or len(text)) if self.judged else 0
        self.judged = self.judged and text[start - 1 : start] != b"\n"
        end = len(text) if final else self._end(text, start)
        found = list(self._begins(text, start, end))
        self.count += len(found)
        self.place += end
        return found

    def _end(self, text: bytes, start: int) -> int:
        """How far the text can be judged: up to its last whole line, and what a progress bar has overwritten; a long line
        at once."""
        end = max(start, text.rfind(b"\n", start) + 1)
        if len(text) - end <= LINE_MAX:
            return end
        again = text.rfind(b"\r", end + 1, -1)  # the last byte may be half of an end of a line
        if again >= 0:
            return again
        self.judged = True
        return len(text)

    def _begins(self, text: bytes, at: int, end: int) -> Iterator[int]:
        signs = dict.fromkeys(SIGNS, -1)
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
    """A line as it is read: without colours, what the last carriage return left of it, and its beginning if it is long."""
    text = line.rstrip(b"\r")
    text = text[text.rfind(b"\r") + 1 :][:LINE_MAX]
    return ANSI.sub("", text.decode("utf-8", "replace"))


def search(source: BinaryIO, size: int, needle: str, start: int) -> Found:
    """Lines from byte `start` on that hold `needle`, whatever the case. Stops after some, and says where."""
    if not needle:
        raise Invalid(_("Say what to look for: 'q' is empty."))
    wanted, longest = _pattern(needle), len(needle) * LETTER_MAX
    reading = _Reading(source, size)
    reading.skip(max(0, start))
    while reading.more(SCANNED):
        text, at, ripe = reading.text.lower(), 0, reading.ripe(longest)
        while (hit := wanted.search(text, at)) and hit.start() < ripe:
            if not reading.note(hit.start()):
                return reading.found
            at = min(end_of(text, hit.end()), hit.end() + LINE_MAX)
        reading.drop(max(at, ripe))
    return reading.ended()


def errors(source: BinaryIO, size: int, start: int) -> Found:
    """The lines from byte `start` on with which an error begins. Read from the log's start on: what is before may be the
    beginning of a traceback."""
    reading, errors = _Reading(source, size), Errors()
    while reading.more(max(0, start) + SCANNED):
        for begin in errors.read(reading.text, final=reading.is_last):
            if reading.place + begin >= start and not reading.note(begin):
                return reading.found
        reading.drop(errors.place - reading.place)
    return reading.ended()


def _pattern(needle: str) -> re.Pattern[bytes]:
    """What finds a text in bytes whose ASCII letters are small ones."""

    def either(letter: str) -> bytes:
        forms = dict.fromkeys(
            form.encode("utf-8", "surrogateescape").lower() for form in (letter, letter.lower(), letter.upper())
        )
        return b"(?:" + b"|".join(map(re.escape, forms)) + b")"

    return re.compile(b"".join(map(either, needle)))


class _Reading:
    """One pass over a log in pieces; keeps the count of lines, and what was found."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self.source, self.size, self.found = source, size, Found()
        self.line, self.place, self.text, self.begun, self.read = 1, 0, b"", False, 0

    @property
    def is_last(self) -> bool:
        """Whether the text reaches to the end of the log."""
        return self.place + len(self.text) >= self.size

    def skip(self, until: int) -> None:
        """Count the lines before the place to begin at."""
        until = min(until, self.size)
        while self.place < until and (piece := self.source.read(min(PIECE, until - self.place))):
            self.text = piece
            self.drop(len(piece))

    def more(self, most: int) -> bool:
        """Read on after what is left of the text, up to `most` bytes in all."""
        piece = self.source.read(min(PIECE, most - self.read, self.size - self.place - len(self.text)))
        self.text += piece
        self.read += len(piece)
        return bool(piece)

    def ripe(self, longest: int) -> int:
        """Where the last whole line of the text ends. A long line is looked at without its end: what may begin a match of
        up to so many bytes waits for the rest."""
        if self.is_last:
            return len(self.text)
        return self.text.rfind(b"\n") + 1 or (max(0, len(self.text) - longest) if len(self.text) > LINE_MAX else 0)

    def note(self, at: int) -> bool:
        """Tell the line that matches at this place of the text; False when there are enough."""
        start = self.text.rfind(b"\n", 0, at) + 1
        if at - start > LINE_MAX or (self.begun and not start):
            start = at
        if len(self.found.matches) == MATCHES:
            self.found.next = self.place + start
            return False
        end = end_of(self.text, at)
        first = start if end - start <= SHOWN else max(start, at - SHOWN // 4)
        said = self.text[first : min(end, first + SHOWN)].rstrip(b"\n").decode("utf-8", "replace")
        line = self.line + self.text.count(b"\n", 0, at)
        self.found.matches.append({"line": line, "offset": self.place + start, "text": said})
        return True

    def drop(self, count: int) -> None:
        """Be done with so much of the text."""
        if count:
            self.line += self.text.count(b"\n", 0, count)
            self.begun = self.text[count - 1 : count] != b"\n"
            self.place += count
            self.text = self.text[count:]

    def ended(self) -> Found:
        """What was found, and where to go on if that is not all."""
        self.found.next = self.place if self.place < self.size else None
        return self.found


def end_of(text: bytes, at: int) -> int:
    """Where the line ends that has this place."""
    return text.find(b"\n", at) + 1 or len(text)
