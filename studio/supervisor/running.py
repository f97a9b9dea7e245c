"""One studio per data directory: who holds it, and where that one is."""

from __future__ import annotations

import fcntl
import json
import os
from typing import IO, Any

from studio.supervisor.layout import Layout, write_private


class AlreadyRunning(Exception):
    """Another supervisor holds this data directory."""

    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__("already running")
        self.state = state


def hold(layout: Layout) -> IO[str]:
    """Take the directory for the life of this process; the kernel gives it back, however that ends."""
    file = (layout.run / "lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise AlreadyRunning(read_state(layout)) from None
    # What a killed supervisor left says where nothing is any more.
    clear_state(layout)
    return file


def read_state(layout: Layout) -> dict[str, Any]:
    """What the running studio said of itself; empty while it is still starting."""
    try:
        state = json.loads(layout.state.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def write_state(layout: Layout, url: str, parts: dict[str, int]) -> None:
    """Say where this studio is, for a second `up` and for other commands."""
    state = {"pid": os.getpid(), "url": url, "parts": parts}
    write_private(layout.state, json.dumps(state))


def clear_state(layout: Layout) -> None:
    """Nothing runs here any more."""
    layout.state.unlink(missing_ok=True)
    layout.broker.unlink(missing_ok=True)
