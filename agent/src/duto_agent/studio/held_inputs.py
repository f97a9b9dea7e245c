"""What inputs this host has in its cache, told by few words: for each source the bytes of it, not its files."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from duto_agent.files import read_json, write_json
from duto_protocol.messages import SOURCES_MOST

# Of a source so many files stand for all: whether the cache still has them is looked up, and how often (seconds).
SAMPLED, LOOKED_EVERY_S = 8, 30.0


class HeldInputs:
    """The last sources whose files went through the cache. `place` tells where the cache has a name."""

    def __init__(self, file: Path, place: Callable[[str], Path]) -> None:
        self._file, self._place, self._turn = file, place, threading.Lock()
        known = read_json(file)
        found = known if isinstance(known, dict) else {}
        self._sources: dict[str, dict[str, Any]] = {key: each for key, each in found.items() if _is_whole(each)}
        self._told: dict[str, int] = {}
        self._looked_at: float | None = None

    def note(self, source: str, files: Iterable[tuple[str, int]]) -> None:
        """A step has taken these files (name in the cache, bytes) of the source. What was noted longest ago is forgotten."""
        held = list(files)
        if not held:
            return
        names = [name for name, _size in held[:: max(1, len(held) // SAMPLED)]][:SAMPLED]
        with self._turn:
            self._sources.pop(source, None)
            self._sources[source] = {"bytes": sum(size for _name, size in held), "names": names}
            while len(self._sources) > SOURCES_MOST:
                del self._sources[next(iter(self._sources))]
            self._looked_at = None
            with contextlib.suppress(OSError):  # a full disk: the next agent begins anew
                write_json(self._file, self._sources)

    def by_source(self) -> dict[str, int]:
        """Bytes that are here by source, as far as the files that stand for them tell."""
        with self._turn:
            if self._looked_at is None or time.monotonic() - self._looked_at > LOOKED_EVERY_S:
                self._looked_at = time.monotonic()
                here = {key: self._held(each) for key, each in self._sources.items()}
                self._told = {key: size for key, size in here.items() if size}
            return self._told

    def _held(self, source: dict[str, Any]) -> int:
        there = sum(self._place(name).exists() for name in source["names"])
        return int(source["bytes"] * there / len(source["names"]))


def _is_whole(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("bytes"), int):
        return False
    names = entry.get("names")
    return isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)
