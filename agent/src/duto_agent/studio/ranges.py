"""One file by several answers at once: one connection to a store rarely gives what the line could carry."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from duto.spec.sentences import said
from duto_agent.worded import Worded

# A range is at least so large, and a file has at most so many.
LEAST, MOST = 32 << 20, 8
# How many ranges come at a time, of all files.
AT_ONCE = 16
# How often in a row a transfer may end without having brought a byte, and the seconds that it waits then, once more each time.
BREAKS, PAUSE_S = 4, 0.5


class StoreAway(Worded):
    """The data cannot be read now, or changed while they were: a later attempt may have them."""


class BrokenOff(StoreAway):
    """A transfer ended in its middle."""


class Changed(Exception):
    """What lies there is not what was listed."""


class _Left(Exception):
    """Another range of the file has failed."""


# The bytes from a place on, up to another one or to the end. Raises BrokenOff in the middle, Changed.
Download = Callable[[int, int | None], AbstractContextManager[Iterator[bytes]]]
Sink = Callable[[int, bytes], None]
_lines = threading.BoundedSemaphore(AT_ONCE)


def ranges_of(size: int | None) -> list[tuple[int, int | None]]:
    """The parts of a file, as (first, end): one to its end where it is small, or nobody knows how large it is."""
    count = min(MOST, (size or 0) // LEAST)
    if size is None or count < 2:
        return [(0, None)]
    step = -(-size // count)
    return [(start, min(start + step, size)) for start in range(0, size, step)]


def fetch(path: str, size: int | None, download: Download, sink: Sink, check: Callable[[], None]) -> int:
    """Have the sink write all of the file named `path`, and give how many bytes came. `check` may raise between pieces.

    Raises StoreAway, and what `download`, `sink` and `check` raise; of several ranges the first that failed.
    """
    parts = ranges_of(size)
    if len(parts) == 1:
        return _fetch(path, *parts[0], download, sink, check)
    failed: list[BaseException] = []

    def heed() -> None:
        if failed:
            raise _Left
        check()

    def fetch_one(start: int, end: int | None) -> int:
        with _lines:
            try:
                heed()
                return _fetch(path, start, end, download, sink, heed)
            except _Left:
                return 0
            except BaseException as error:
                failed.append(error)
                return 0

    with ThreadPoolExecutor(len(parts), "ranges") as threads:
        came = sum(threads.map(lambda part: fetch_one(*part), parts))
    if failed:
        raise failed[0]
    return came


def _fetch(path: str, start: int, end: int | None, download: Download, sink: Sink, check: Callable[[], None]) -> int:
    """Goes on where it broke off, as long as each try brings more."""
    at, breaks = start, 0
    while True:
        before = at
        try:
            with download(at, end) as chunks:
                for chunk in chunks:
                    check()
                    piece = chunk if end is None else chunk[: end - at]
                    sink(at, piece)
                    at += len(piece)
                    if end is not None and at >= end:
                        return at - start
            if end is not None:
                raise StoreAway(said("other_size", path=path, found=at, size=end))
            return at - start
        except Changed as error:
            raise StoreAway(said("changed_meanwhile", path=path)) from error
        except BrokenOff:
            breaks = 0 if at > before else breaks + 1
            if breaks >= BREAKS:
                raise
            time.sleep(PAUSE_S * breaks)


def writer(number: int) -> Sink:
    """Writes to an open file at a place of its own, whoever else does."""

    def write(at: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[(done := os.pwrite(number, view, at)) :]
            at += done

    return write
