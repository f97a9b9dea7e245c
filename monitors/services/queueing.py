"""Which windows are to be looked at: those that have become due, and those whose worker is gone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from core import outbox, slices
from core.clock import now
from core.prepared import Probe
from core.work import send
from monitors import windows
from monitors.models import Monitor, MonitorWindow
from monitors.queries import zone_of

log = logging.getLogger(__name__)
TASK = "monitors.look"
# As in Azure ML: windows that are asked for at once; after a time in which the studio was away, the newest are made up for.
MOST_WINDOWS = 31
# Monitors of which one look writes the windows that are due.
BATCH = 100

_DUE = Probe(lambda moment: Monitor.objects.filter(next_at__lte=moment), datetime)
_OPEN = Probe(lambda: MonitorWindow.objects.filter(status__in=["queued", "running"]))
_LABELS = Probe(lambda moment: Monitor.objects.filter(labels_at__lte=moment), datetime)
_TRIGGERS = Probe(lambda moment: MonitorWindow.objects.filter(trigger_at__lte=moment), datetime)


def check_due() -> None:
    """A duty of the ticker: write the windows that are due, and have a worker look at those that wait."""
    moment = now()
    if _DUE(moment):
        due = Monitor.objects.filter(next_at__lte=moment, workspace__archived_at__isnull=True)
        for key in due.order_by("next_at").values_list("pk", flat=True)[:BATCH]:
            try:
                _advance(key, moment)
            except Exception:  # one monitor's fault must not keep the others from being due
                log.exception("monitor %s could not be advanced", key)
    if (_OPEN() and waiting(moment).exists()) or _TRIGGERS(moment) or (_LABELS(moment) and awaiting(moment).exists()):
        send(TASK)


def _advance(key: UUID, moment: datetime) -> None:
    with slices.writing():
        rows = Monitor.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace")
        found = rows.filter(pk=key, next_at__lte=moment).first()
        if found is not None:
            write_due(found, moment)
            notify_pages(found)


def waiting(moment: datetime) -> QuerySet[MonitorWindow]:
    """Windows that nobody looks at, and those whose worker is gone. In an archived workspace they rest."""
    left = Q(status="queued") | Q(status="running", lease_until__lt=moment)
    return MonitorWindow.objects.filter(left, monitor__workspace__archived_at__isnull=True)


def awaiting(moment: datetime) -> QuerySet[Monitor]:
    """Monitors of which it is to be seen whether labels have come. In an archived workspace they rest."""
    return Monitor.objects.filter(labels_at__lte=moment, workspace__archived_at__isnull=True)


def write(monitor: Monitor, found: Sequence[windows.Window]) -> None:
    """The rows of these windows, each once."""
    MonitorWindow.objects.bulk_create(
        [
            MonitorWindow(monitor=monitor, start_at=each.start, end_at=each.end, status=MonitorWindow.Status.QUEUED)
            for each in found
        ],
        ignore_conflicts=True,
    )


def write_due(monitor: Monitor, moment: datetime) -> None:
    """The rows of the windows of a locked monitor that have become due, and when the next one is."""
    assert monitor.next_start is not None
    latency, zone = timedelta(hours=monitor.latency_hours), zone_of(monitor)
    found, following = windows.due(monitor.frequency, zone, monitor.next_start, latency, moment, MOST_WINDOWS)
    write(monitor, found)
    monitor.next_start = following
    monitor.next_at = windows.window_of(monitor.frequency, zone, following).end + latency
    monitor.save(update_fields=["next_start", "next_at"])


def notify_pages(monitor: Monitor) -> None:
    """Pages of monitors look again."""
    outbox.hint(f"list:{monitor.workspace.name}:monitors")
