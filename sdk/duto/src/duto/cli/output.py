"""What a command prints: lines and tables for people, or one JSON document for programs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Mapping, Optional, Sequence, Tuple

from duto.run.watching import say
from duto.spec.units import duration_text


class Output:
    """One document, in the form that was asked for."""

    def __init__(self, is_json: bool) -> None:
        self.is_json = is_json

    def lines(self, document: Any, *lines: str) -> None:
        """The document, or these lines."""
        if self.is_json:
            say(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            for line in lines:
                say(_printable(line))

    def table(self, document: Any, headers: Sequence[str], rows: Sequence[Sequence[object]], nothing: str) -> None:
        """The document, or the rows below their headers."""
        self.lines(document, *(table(headers, rows) if rows else (nothing,)))


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> Tuple[str, ...]:
    """Lines whose columns stand below each other."""
    texts = [list(headers), *([_printable("" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(headers))]
    return tuple("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in texts)


def local_time(text: Optional[str]) -> str:
    """A time of the studio's in this machine's zone, to the second."""
    return _parsed(text).astimezone().strftime("%Y-%m-%d %H:%M:%S") if text else ""


def duration(item: Mapping[str, Any]) -> str:
    """How long a run took, if it is over."""
    first, last = item.get("started_at"), item.get("finished_at")
    return duration_text((_parsed(last) - _parsed(first)).total_seconds()) if first and last else ""


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _printable(text: str) -> str:
    """A name may hold anything; what steers a terminal is not sent to it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
