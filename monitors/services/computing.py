"""Windows are looked at here, in a worker. Every call may be repeated, doubled or lost."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from core import slices, words
from core.clock import now
from core.errors import ConcurrentUpdate, StudioError
from datasets import child, tables
from datasets.models import DatasetVersion
from datasets.services import files, inspection
from monitors import hooks, stored_messages
from monitors.models import Monitor, MonitorWindow
from monitors.services import measuring, retraining
from monitors.services.queueing import waiting

log = logging.getLogger(__name__)
CHILD = Path(__file__).parent.parent / "drift_child.py"
# As in Azure ML: fewer rows say too little.
LEAST_ROWS = 50
# Longer than anything that gives no sign of life.
LEASE = timedelta(seconds=60)
RENEW_SECONDS = 10.0
# After a fault, or when too many tables are being read.
AGAIN = timedelta(seconds=10)
MOST_TRIES = 5
# What a window says when there is nothing to compare, which is no fault.
NOTHING = frozenset({"no_rows", "few_rows", "few_baseline_rows"})
ERROR_LENGTH = 500
Status = MonitorWindow.Status

_LOOKING = threading.BoundedSemaphore(1)


def look_at_all() -> None:
    """Look at the windows that wait, oldest first, also where labels have come for them, and start the runs that are due. In one thread of a process: each window has a
    process of its own that may take gigabytes."""
    if not _LOOKING.acquire(blocking=False):
        return
    try:
        measuring.look_for_labels()
        seen: set[UUID] = set()
        while (
            key := waiting(now()).exclude(pk__in=seen).order_by("id").values_list("pk", flat=True).first()
        ) is not None:
            seen.add(key)
            look_safely(key)
            retraining.start_due()
        retraining.start_due()
    finally:
        _LOOKING.release()


def look_safely(key: UUID) -> None:
    """Look at one window. One fault must not keep the others from being looked at: it is tried again, and then told."""
    related = ("monitor__workspace", "monitor__target__dataset", "monitor__labels__dataset")
    window = MonitorWindow.objects.select_related(*related).filter(pk=key).first()
    if window is None or window.status in MonitorWindow.ENDS:
        return
    lease = _Lease(window)
    try:
        lease.take()
        _look(window, lease)
    except ConcurrentUpdate:
        return  # another worker has it
    except Exception as error:
        log.exception("window %s could not be looked at", window)
        if window.tries < MOST_TRIES:
            lease.give_back()
            return
        what = f"{type(error).__name__}: {error}"[:ERROR_LENGTH].replace("\0", "\ufffd")
        _fail(window, stored_messages.keep("fault", tries=window.tries, error=what))


def _fail(window: MonitorWindow, reason: dict[str, Any]) -> None:
    """It could not be looked at; of one that was only to be measured again what was compared stays."""
    facts = {"performance": {"reason": reason}} if window.resumes else {"reason": reason}
    _end(window, window.resumes or Status.FAILED, **facts)


def _look(window: MonitorWindow, lease: _Lease) -> None:
    if window.tries > MOST_TRIES:
        _fail(window, stored_messages.keep("interrupted", tries=MOST_TRIES))
        return

    def alive(_done: int, _total: int) -> None:
        lease.renew()

    try:
        with words.stored():
            to, found = (window.resumes, {}) if window.resumes else _compared(window, alive)
            found |= measuring.measured(window, alive)
    except StudioError as error:
        if isinstance(error, ConcurrentUpdate):
            raise
        lease.give_back(window.tries - 1)  # busy: no fault of this window
        return
    _end(window, to, **found)


def _compared(window: MonitorWindow, alive: child.Alive) -> tuple[str, dict[str, Any]]:
    """How a window ends, and what was found. Raises Busy, ConcurrentUpdate."""
    try:
        target = measuring.newest_of(window.monitor.target, "not_tabular")
        found = compare(window, target, alive)
    except StudioError as error:
        if isinstance(error, ConcurrentUpdate) or error.status >= 500:
            raise
        return Status.FAILED, {"reason": stored_messages.of_reading(error)}
    if "problem" not in found:
        facts = {name: found[name] for name in ("magnitude", "rows", "features", "excluded")}
        return Status.COMPLETED, {"target": target, "threshold": window.monitor.threshold, **facts}
    code, facts = found["problem"], found["facts"]
    return (Status.SKIPPED if code in NOTHING else Status.FAILED), {
        "target": target,
        "rows": {"target": facts["rows"]} if code in ("no_rows", "few_rows") else {},
        "excluded": facts.pop("excluded", []),
        "reason": stored_messages.keep(code, **facts),
    }


def compare(window: MonitorWindow, target: DatasetVersion, alive: child.Alive) -> dict[str, Any]:
    """What the process says that compares: `magnitude`, `rows`, `features` and `excluded`, or `problem` with its `facts`.

    Raises Unprocessable where a table cannot be read, Busy.
    """
    monitor = window.monitor
    questions = {
        name: inspection.question(version, files.files_of(version), tables.AT_LENGTH)
        for name, version in (("baseline", monitor.baseline), ("target", target))
    }
    more = {
        "timestamp": monitor.timestamp_column, "features": monitor.features, "least": LEAST_ROWS,
        "start": measuring.naive(window.start_at), "end": measuring.naive(window.end_at),
    }  # fmt: skip
    with tables.asked_of(CHILD, questions, more, alive) as answers:
        return dict(next(answers)["compared"])


def _end(window: MonitorWindow, to: str, **facts: Any) -> None:
    """Write what was found instead of what an earlier look has found; drift and a degraded model are told, and what they start is
    due, with it."""
    nothing: dict[str, Any] = {"performance": {}, "labels_seen": "", "resumes": ""}
    is_measured_alone = bool(window.resumes)
    if not is_measured_alone:
        nothing |= {
            "target": None, "threshold": None, "magnitude": None, "rows": {}, "features": [], "excluded": [], "reason": {}
        }  # fmt: skip
    moment = now()
    with slices.writing():
        window.move(to, finished_at=moment, lease_until=None, **{**nothing, **facts})
        measuring.await_labels(window)
        has_drifted = bool(window.has_drifted) and not is_measured_alone
        if has_drifted:
            hooks.drifted(window)
        if window.has_degraded:
            hooks.degraded(window)
        if not (has_drifted or window.has_degraded):
            return
        monitor = Monitor.objects.only("pipeline").get(pk=window.monitor_id)
        if monitor.pipeline_id is not None and window.triggered_at is None:
            MonitorWindow.objects.filter(pk=window.pk).update(trigger_at=moment, trigger_tries=0, trigger_error={})


class _Lease:
    """The right to look at a window: changed only by who last wrote it, so that of two workers one gives way."""

    def __init__(self, window: MonitorWindow) -> None:
        self._window, self._until = window, window.lease_until
        self._next = 0.0

    def take(self) -> None:
        """Raises ConcurrentUpdate."""
        window = self._window
        until = now() + LEASE
        if window.status == Status.QUEUED:
            window.move(Status.RUNNING, lease_until=until, tries=window.tries + 1)
        else:
            self._write(until, tries=window.tries + 1)
            window.tries += 1
        self._until, self._next = until, time.monotonic() + RENEW_SECONDS
        window.lease_until = until

    def renew(self) -> None:
        """Say that the work goes on, every few seconds. Raises ConcurrentUpdate, also where the monitor is deleted."""
        if time.monotonic() >= self._next:
            self._write(now() + LEASE)

    def give_back(self, tries: int | None = None) -> None:
        """Have it looked at again in a while."""
        with suppress(ConcurrentUpdate):
            self._write(now() + AGAIN, **({} if tries is None else {"tries": tries}))

    def _write(self, until: datetime, **more: int) -> None:
        mine = MonitorWindow.objects.filter(pk=self._window.pk, status=Status.RUNNING, lease_until=self._until)
        if not mine.update(lease_until=until, **more):
            raise ConcurrentUpdate("Another worker looks at this window.")
        self._until, self._next = until, time.monotonic() + RENEW_SECONDS
