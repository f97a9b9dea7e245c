"""Python's garbage collector, held back where others wait.

A process that has read a long graph keeps millions of objects, and to look through all of them takes up to a second:
in the middle of a transaction that is a second in which nobody else writes.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

# However many transactions follow each other without a gap: after so long garbage is looked for in one of them.
MOST_S = 5.0


class _Hold:
    """How many threads hold the collector of the process, and since when one of them has."""

    def __init__(self) -> None:
        self.lock, self.count, self.since = Lock(), 0, 0.0

    def take(self) -> None:
        with self.lock:
            moment = time.monotonic()
            if not self.count:
                gc.disable()
                self.since = moment
            elif moment - self.since > MOST_S:
                gc.enable()
            self.count += 1

    def give_back(self) -> None:
        with self.lock:
            self.count -= 1
            if not self.count:
                gc.enable()


_hold = _Hold()


@contextmanager
def held() -> Iterator[None]:
    """No garbage is looked for during the block, in whatever thread. Blocks may overlap and stand in each other."""
    _hold.take()
    try:
        yield
    finally:
        _hold.give_back()


def settle() -> None:
    """Leave out of every later look what is there now: what a process has loaded to be able to start stays anyway."""
    gc.collect()
    gc.freeze()
