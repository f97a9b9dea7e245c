"""Addresses of stores' own for files that will be read soon: asked for many at a time, since a question each would take longer than a
small file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from itertools import islice

from duto_protocol.messages import ADDRESSES_MOST

# For how long one is used, of the fifteen minutes for which it is good.
GOOD_S = 600.0
Ask = Callable[[list[str]], list[str]]


class Addresses:
    """Of the files that were announced; used by many threads. `ask` gives an address for each of these, empty where there is none,
    and nothing at all where it cannot say."""

    def __init__(self, ask: Ask) -> None:
        self._ask, self._turn = ask, threading.Lock()
        self._announced: dict[str, None] = {}
        self._given: dict[str, tuple[str, float]] = {}

    def announce(self, files: Iterable[str]) -> None:
        """These are read soon, in this order. What was announced before and not read is forgotten."""
        with self._turn:
            self._announced = dict.fromkeys(files)
            self._given = {}

    def take(self, file: str) -> str | None:
        """Its address, once: who needs it again asks for that file alone. Empty where it comes through the studio, None where nothing
        is known of it."""
        with self._turn:
            if file in self._announced:
                self._fill(file)
            address, until = self._given.pop(file, (None, 0.0))
            return address if time.monotonic() < until else None

    def _fill(self, file: str) -> None:
        """Ask for this one and for those that follow."""
        del self._announced[file]
        wanted = [file, *islice(self._announced, ADDRESSES_MOST - 1)]
        until = time.monotonic() + GOOD_S
        found = self._ask(wanted)
        for name in wanted:
            self._announced.pop(name, None)
        if len(found) == len(wanted):
            self._given |= {name: (address, until) for name, address in zip(wanted, found, strict=True)}
