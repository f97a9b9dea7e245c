"""Threads that serve all attempts of this host: none of them dies of what one attempt, or one answer, brings."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
log = logging.getLogger("duto.agent")


def start_loop(name: str, turn: Callable[[], object], stop: threading.Event) -> threading.Thread:
    """A started thread that repeats `turn` until `stop` is set. What a turn raises is told, and the next turn comes after
    a pause, which grows while turns fail."""

    def run() -> None:
        pause = backoff()
        while not stop.is_set():
            if succeeds(name, turn):
                pause = backoff()
            else:
                stop.wait(next(pause))

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def succeeds(name: str, action: Callable[[], object]) -> bool:
    """Whether the action was done; what it raises is told in the log and goes no further."""
    try:
        action()
        return True
    except (Exception, SystemExit):
        with contextlib.suppress(Exception):  # an error whose words cannot be had
            log.exception("a fault in '%s'; it goes on", name)
        return False


def backoff() -> Iterator[float]:
    """How long to wait before each next try."""
    pause = FIRST_PAUSE_S
    while True:
        yield pause
        pause = min(pause * 2, LONGEST_PAUSE_S)
