"""What of an attempt's outputs lies at their stores already: a line for each part, so that the next agent goes on from there."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from duto_agent.files import is_own, open_plain

LEDGER = "parts.jsonl"
Part = tuple[str, int, str]


class PartLedger:
    """Known by the name of the upload, the number of the part, and the digest of its whole file: one that the script's folder
    gives otherwise now is sent again. Used by many threads."""

    def __init__(self, directory: Path) -> None:
        self._path, self._turn = directory / LEDGER, threading.Lock()
        self._sent = set(_read(self._path))

    def has(self, part: Part) -> bool:
        """Whether the store has taken it."""
        return part in self._sent

    def note(self, part: Part) -> None:
        """It has. A disk that is full forgets it: then it is sent once more."""
        line = json.dumps(part, separators=(",", ":")).encode() + b"\n"
        with self._turn:
            self._sent.add(part)
            try:
                number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
                try:
                    os.write(number, line)
                finally:
                    os.close(number)
            except OSError:
                return


def _read(path: Path) -> list[Part]:
    """The lines that are whole; none of a file that a script has put there."""
    if not is_own(path):
        return []
    try:
        with open_plain(path) as file:
            lines = file.read().split(b"\n")
    except OSError:
        return []
    return [part for line in lines if (part := _part(line)) is not None]


def _part(line: bytes) -> Part | None:
    try:
        upload, number, digest = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return None
    is_part = isinstance(upload, str) and isinstance(number, int) and isinstance(digest, str)
    return (upload, number, digest) if is_part else None
