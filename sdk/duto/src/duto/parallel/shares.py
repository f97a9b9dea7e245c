"""What one node of a parallel step on several has of its mini-batches: the studio shares them out (docs/parallel.md, *Several nodes*).

The driver asks by a line in its ledger; the agent brings it to the studio with all lines before it, and leaves the answer in
a file beside the attempt's others, which only ever says more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Tuple

Range = Tuple[int, int]


@dataclass(frozen=True)
class Answer:
    """What the studio has said so far. `asked` is the number of the last question that it has heard."""

    asked: int = 0
    ranges: Sequence[Range] = ()
    # Nothing is left to do here, or all is done and this node writes the result, with the ledgers of the others.
    is_over: bool = False
    joins: bool = False
    ledgers: Sequence[Path] = ()
    fault: str = ""
    # Of the mini-batches of other nodes: how many were given up, and how many of their items have failed.
    failed: int = 0
    items_failed: int = 0


class Shares:
    """The file of answers, and what of it was taken."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder
        self._stamp: Optional[Tuple[int, int]] = None
        self._taken = self.asked = 0
        self.answer = Answer()

    @property
    def is_waiting(self) -> bool:
        """Whether a question is open."""
        return self.asked > self.answer.asked

    def look(self) -> List[Range]:
        """The ranges that are new since the last look."""
        try:
            found = self._path.stat()
            stamp = found.st_mtime_ns, found.st_ino
            if stamp != self._stamp:
                self.answer, self._stamp = self._read(json.loads(self._path.read_text(encoding="utf-8"))), stamp
        except (OSError, ValueError):
            return []
        fresh = list(self.answer.ranges[self._taken :])
        self._taken = len(self.answer.ranges)
        return fresh

    def _read(self, given: Mapping[str, Any]) -> Answer:
        return Answer(
            int(given["asked"]),
            [(int(first), int(end)) for first, end in given["ranges"]],
            bool(given["over"]),
            bool(given["join"]),
            [self._folder / str(name) for name in given["ledgers"]],
            str(given.get("fault") or ""),
            int(given["failed"]),
            int(given["items_failed"]),
        )
