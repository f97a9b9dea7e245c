"""Counts the bytes of a step on their way: in the agent those to and from its host, in the studio those to a far store."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from duto_protocol.messages import Transfer

# Seconds from one word to the next, and those over which the rate is taken.
TOLD_EVERY_S, RATE_OVER_S = 1.0, 5.0
Tell = Callable[[Transfer], None]


def nobody(transfer: Transfer) -> None:
    """For whom nobody watches."""


class Meter:
    """One direction of one attempt; used by many threads. `tell` hears of it once a second at most, while bytes come."""

    def __init__(self, tell: Tell = nobody, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._clock, self._turn = tell, clock, threading.Lock()
        self._done = self._total = self._cached = 0
        self._files = self._files_total = self._files_cached = 0
        self._began = self._ended = self._told = clock()
        self._lately: deque[tuple[float, int]] = deque([(self._began, 0)])

    def expect(self, files: int, size: int) -> None:
        """So many files and bytes more are to come. The first time is when it begins."""
        with self._turn:
            if not self._files_total:
                self._began = self._ended = self._told = self._clock()
                self._lately = deque([(self._began, 0)])
            self._files_total += files
            self._total += size

    def include(self, other: Transfer) -> None:
        """What somebody else has brought the same way: it counts as done, and not for the rate."""
        with self._turn:
            self._files += other.files
            self._files_total += other.files_total
            self._files_cached += other.files_cached
            self._done += other.done
            self._total += other.total
            self._cached += other.cached
            moment, before = self._lately[-1]
            self._lately[-1] = (moment, before + other.done - other.cached)

    def add(self, size: int) -> None:
        """Bytes that came; fewer than none where they are to come once more."""
        with self._turn:
            self._done += size
            found = self._due()
        if found is not None:
            self._tell(found)

    def file(self, cached: int | None = None) -> None:
        """A file is through; `cached`: its bytes, where they were here already and so were not added."""
        with self._turn:
            self._files += 1
            if cached is not None:
                self._files_cached += 1
                self._cached += cached
                self._done += cached
            found = self._due()
        if found is not None:
            self._tell(found)

    @property
    def transfer(self) -> Transfer:
        """How far it is."""
        with self._turn:
            return self._found()

    def _due(self) -> Transfer | None:
        moment = self._ended = self._clock()
        if moment - self._told < TOLD_EVERY_S:
            return None
        self._told = moment
        self._lately.append((moment, self._done - self._cached))
        while len(self._lately) > 2 and moment - self._lately[1][0] >= RATE_OVER_S:
            self._lately.popleft()
        return self._found()

    def _found(self) -> Transfer:
        (since, before), moved = self._lately[0], self._done - self._cached
        lasted = self._ended - since
        return Transfer(
            done=max(0, self._done),
            total=max(self._total, self._done),
            files=self._files,
            files_total=max(self._files_total, self._files),
            cached=self._cached,
            files_cached=self._files_cached,
            seconds=round(self._ended - self._began, 3),
            rate=max(0, round((moved - before) / lasted)) if lasted > 0 else 0,
        )
