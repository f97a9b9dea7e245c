"""The postman: one thread a process that delivers journaled events the moment they are committed.

A bell through the broker costs more than the delivery itself. The ticker still looks for what a dead process left
behind, so nothing depends on this thread.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import connection

from core import frames, work

log = logging.getLogger(__name__)
# The end of one step and the start of the next are told together.
GATHER_SECONDS = 0.008
_wake = threading.Event()
_thread: threading.Thread | None = None


def start() -> None:
    """Let this process deliver by itself. Called once by long-lived processes: web and worker."""
    global _thread
    if _thread is None:
        frames.start()
        _thread = threading.Thread(target=_run, name="postman", daemon=True)
        _thread.start()


def ring() -> None:
    """There is something to deliver: wake the thread, or ask a worker where this process has none."""
    if _thread is None:
        work.ring("core.deliver")
    else:
        _wake.set()


def _run() -> None:
    from core.journal import BATCH, deliver

    while True:
        _wake.wait()
        time.sleep(GATHER_SECONDS)
        _wake.clear()
        try:
            while deliver() == BATCH:
                pass
        except Exception:  # the database may be away; the ticker delivers what is late
            log.exception("events not delivered")
        finally:
            if connection.vendor != "sqlite":
                connection.close()
