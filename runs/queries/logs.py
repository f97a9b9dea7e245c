"""Windows of a log by byte offset, and a search that never loads more than a piece of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from core.errors import Invalid, NotFound
from core.storage import artifact_store, data_dir
from runs.models import Attempt, Run

WINDOW = 256 * 1024
WINDOW_MAX = 4 * 1024 * 1024
PIECE = 1 << 20
# A line without an end must not grow without one either.
LINE_MAX = 64 * 1024
SHOWN = 400
MATCHES = 200
SCANNED = 128 * 1024 * 1024


@dataclass(frozen=True)
class Window:
    """Bytes of a log. `size` is what the studio has stored; `final` says that no more will come."""

    offset: int
    data: bytes
    size: int
    final: bool


@dataclass
class Found:
    """Lines that hold what was looked for, and the offset to continue from or None."""

    matches: list[dict[str, Any]] = field(default_factory=list)
    next: int | None = None

    def as_document(self) -> dict[str, Any]:
        return {"matches": self.matches, "next": self.next}


def open_path(attempt_id: object) -> Path:
    """Where the bytes lie while the attempt is under way."""
    return data_dir() / "logs" / str(attempt_id)


def sealed_key(attempt_id: object) -> str:
    """Where they lie afterwards, in the workspace's artifact store."""
    return f"logs/{attempt_id}"


def attempt_of(run: Run, number: int | None = None) -> Attempt:
    """The attempt with this number, or the last one. Raises NotFound."""
    # A reused step has the log of its source.
    source = run.step.reused_from_id if hasattr(run, "step") else None
    attempts = Attempt.objects.filter(run_id=source or run.pk).select_related("run").defer("run__graph")
    found = attempts.order_by("-number").first() if number is None else attempts.filter(number=number).first()
    if found is None:
        told = _("This run has no attempt yet.") if number is None else _("This run has no attempt %(number)s.")
        raise NotFound(told % {"number": number})
    return found


def window(attempt: Attempt, offset: int = 0, limit: int = WINDOW) -> Window:
    """Up to `limit` bytes from `offset`; a negative offset counts from the end."""
    if not 0 < limit <= WINDOW_MAX:
        raise Invalid(_("'limit' is a number of bytes from 1 to %(window_max)s.") % {"window_max": WINDOW_MAX})
    size = attempt.log_size
    start = min(size, offset) if offset >= 0 else max(0, size + offset)
    length = min(limit, size - start)
    final = attempt.log_sealed_at is not None
    if not length:
        return Window(start, b"", size, final)
    with reader(attempt) as source:
        source.seek(start)
        return Window(start, source.read(length), size, final)


def reader(attempt: Attempt) -> BinaryIO:
    """A seekable reader of the log. It may hold more bytes than `log_size`; those are not part of it yet."""
    try:
        return open_path(attempt.pk).open("rb")
    except FileNotFoundError:
        if attempt.log_removed_at is not None:
            raise NotFound(
                _("The log was removed on %(log_removed_at)s by the workspace's retention.")
                % {"log_removed_at": f"{attempt.log_removed_at:%Y-%m-%d}"},
                code="removed",
            ) from None
        # Sealed, perhaps since this row was read.
        return artifact_store(attempt.run.workspace_id).open(sealed_key(attempt.pk))


def search(attempt: Attempt, needle: str, *, start: int = 0) -> Found:
    """Lines from byte `start` on that hold `needle`, whatever the case. Stops after some, and says where."""
    wanted = needle.encode("utf-8", "surrogateescape").lower()
    if not wanted:
        raise Invalid(_("Say what to look for: 'q' is empty."))
    found = Found()
    if not attempt.log_size:
        return found
    with reader(attempt) as source:
        hunt = _Hunt(source, attempt.log_size, wanted, found)
        hunt.skip(max(0, start))
        hunt.run()
    return found


class _Hunt:
    """One pass over the log in pieces that end with a line; keeps the count of lines."""

    def __init__(self, source: BinaryIO, size: int, wanted: bytes, found: Found) -> None:
        self.source, self.size, self.wanted, self.found = source, size, wanted, found
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

    def run(self) -> None:
        end, rest = min(self.size, self.place + SCANNED), b""
        while self.place + len(rest) < end:
            piece = self.source.read(min(PIECE, end - self.place - len(rest)))
            if not piece:
                break
            text = rest + piece
            cut = text.rfind(b"\n") + 1 or (len(text) if len(text) > LINE_MAX else 0)
            text, rest = text[:cut], text[cut:]
            if not self.look(text):
                return
        if rest and not self.look(rest):
            return
        self.found.next = self.place if self.place < self.size else None

    def look(self, text: bytes) -> bool:
        """Note the matching lines of a piece; False when there are enough."""
        low, counted, line, at = text.lower(), 0, self.line, 0
        while (at := low.find(self.wanted, at)) >= 0:
            start = text.rfind(b"\n", 0, at) + 1
            end = text.find(b"\n", at)
            end = len(text) if end < 0 else end
            line += text.count(b"\n", counted, start)
            counted = start
            if len(self.found.matches) == MATCHES:
                self.found.next = self.place + start
                return False
            self.found.matches.append(self.match(text, line, start, end, at))
            at = end
        self.line += text.count(b"\n")
        self.place += len(text)
        return True

    def match(self, text: bytes, line: int, start: int, end: int, at: int) -> dict[str, Any]:
        """A match as it is told: long lines are cut around what was found."""
        first = start if end - start <= SHOWN else max(start, at - SHOWN // 4)
        shown = text[first : min(end, first + SHOWN)].decode("utf-8", "replace")
        return {"line": line, "offset": self.place + start, "text": shown}
