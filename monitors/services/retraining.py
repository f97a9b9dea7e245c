"""What drift and a degraded model start: a run of a published pipeline, once a window."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from core import words
from core.clock import iso, now
from core.errors import Conflict, StudioError
from monitors import stored_messages
from monitors.models import MonitorWindow
from monitors.services.queueing import notify_pages
from runs.models import Run
from runs.services.submission import publish
from runs.services.submission.submit import submit_all
from workspaces.access import WorkspaceContext, authorize
from workspaces.models import Role

log = logging.getLogger(__name__)
SOURCE = "monitor"
PAUSE = timedelta(seconds=10)
MOST_TRIES = 5
ERROR_LENGTH = 500


def start_due() -> None:
    """Start the runs that are due. A fault is tried again, later each time, and then told."""
    rows = MonitorWindow.objects.filter(trigger_at__lte=now(), monitor__workspace__archived_at__isnull=True)
    related = ("monitor__workspace", "monitor__pipeline", "monitor__created_by")
    for window in rows.select_related(*related).defer("features").order_by("trigger_at"):
        try:
            with words.stored():
                _start(window)
        except StudioError as refusal:
            if refusal.code == "triggered":
                continue
            if refusal.status >= 500 or refusal.status == 429:
                _later(window, PAUSE)
            else:
                _give_up(window, stored_messages.of_trigger(refusal))
        except Exception as error:
            log.exception("the run of window %s could not be started", window)
            if window.trigger_tries + 1 < MOST_TRIES:
                _later(window, PAUSE * 3**window.trigger_tries, window.trigger_tries + 1)
            else:
                what = f"{type(error).__name__}: {error}"[:ERROR_LENGTH].replace("\0", "\ufffd")
                _give_up(window, stored_messages.keep("fault", tries=MOST_TRIES, error=what))


def _start(window: MonitorWindow) -> None:
    monitor = window.monitor
    if monitor.pipeline is None:
        MonitorWindow.objects.filter(pk=window.pk).update(trigger_at=None)
        return
    context = _context(window)
    if context is None:
        _give_up(window, stored_messages.keep("nobody"))
        return

    def record(runs: Sequence[Run]) -> None:
        """In the transaction in which the run appears: of two workers the second is undone."""
        mine = MonitorWindow.objects.filter(pk=window.pk, trigger_at__isnull=False, triggered_at__isnull=True)
        if not mine.update(run=runs[0], triggered_at=now(), trigger_at=None, trigger_error={}):
            raise Conflict("The run of this window is there already.", code="triggered")
        notify_pages(monitor)

    tags = {"monitor": monitor.name, "window": iso(window.start_at)}
    ready = publish.ready_to_trigger(
        context, monitor.pipeline, experiment=monitor.experiment_name, tags=tags, source=SOURCE, name=monitor.name
    )
    submit_all(context, [ready], record)


def _context(window: MonitorWindow) -> WorkspaceContext | None:
    """The rights of who made the monitor or changed it last, as they are now; None where they may start no run any more."""
    user = window.monitor.created_by
    if user is None or not user.is_active:
        return None
    try:
        return authorize(user, window.monitor.workspace.name, needs=Role.CONTRIBUTOR)
    except Conflict:  # an archived workspace, which says nothing about rights
        raise
    except StudioError:
        return None


def _later(window: MonitorWindow, pause: timedelta, tries: int | None = None) -> None:
    more = {} if tries is None else {"trigger_tries": tries}
    MonitorWindow.objects.filter(pk=window.pk, trigger_at__isnull=False).update(trigger_at=now() + pause, **more)


def _give_up(window: MonitorWindow, why: dict[str, object]) -> None:
    MonitorWindow.objects.filter(pk=window.pk, trigger_at__isnull=False).update(trigger_at=None, trigger_error=why)
    notify_pages(window.monitor)
