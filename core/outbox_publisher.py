"""The publisher of the outbox: one thread a process that sends events the moment they are committed.

A message through the broker costs more than the delivery itself. The ticker still looks for what a dead process left
behind, so nothing depends on this thread.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import connection

from core import frames, work
from core.clock import now, stamp
from core.models import Event
from core.prepared import Prepared

log = logging.getLogger(__name__)
# The end of one step and the start of the next are told together.
GATHER_SECONDS = 0.008
BATCH = 500
_wake = threading.Event()
_thread: threading.Thread | None = None


def start() -> None:
    """Let this process deliver by itself. Called once by long-lived processes: web and worker."""
    global _thread
    if _thread is None:
        frames.start()
        _thread = threading.Thread(target=_run, name="outbox-publisher", daemon=True)
        _thread.start()


def wake() -> None:
    """There is something to deliver: wake the thread, or ask a worker where this process has none."""
    if _thread is None:
        work.send("core.deliver")
    else:
        _wake.set()


_PENDING: Prepared[Event] = Prepared(lambda: Event.objects.filter(delivered_at__isnull=True).order_by("id")[:BATCH])


def deliver() -> int:
    """Send what is undelivered: read, commit, send, mark. A crash in between sends twice; frames carry versions."""
    pending = _PENDING.all()
    if not pending:
        return 0
    frames_by_topic = [(event.topic, {"version": event.version, **event.payload}) for event in pending]
    frames_by_topic += [(name, {"version": stamp()}) for name in {name for event in pending for name in event.lists}]
    if not frames.publish([frames.of(topic, frame) for topic, frame in frames_by_topic]):
        return 0
    Event.objects.filter(pk__in=[event.pk for event in pending]).update(delivered_at=now())
    return len(pending)


def _run() -> None:
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
