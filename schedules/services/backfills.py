"""Backfills: the times of a window are run, some at once, after a look at what that would be."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from core import once, slices
from core.clock import iso, now
from core.errors import Invalid
from core.prepared import Probe
from runs.models import Run
from schedules import stored_messages
from schedules.backfill_queries import plan
from schedules.models import Backfill, Schedule, Tick
from schedules.services.schedules import require_runnable
from schedules.services.ticks import OPEN, Status, from_facts, notify_pages
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.scopes import Act
from workspaces.services import audit

MOST_PARALLEL = 50


@transaction.atomic
def create(
    context: WorkspaceContext, schedule: Schedule, start: datetime, end: datetime, parallel: int = 1
) -> Backfill:
    """Have the times of a window run that have not, so many at once.

    Raises as `plan`, Invalid where all have run, Conflict and Unprocessable where none of them could run.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.SUBMIT)
    if not 1 <= parallel <= MOST_PARALLEL:
        raise Invalid(_("From 1 to %(most)s runs at once.") % {"most": MOST_PARALLEL}, code="bad_parallel")
    rows = Schedule.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace").defer("seen")
    locked = rows.get(pk=schedule.pk)  # two backfills of one window must not both find a time free
    times = [each.at for each in plan(locked, start, end) if each.is_made]
    if not times:
        raise Invalid(_("There is nothing to run: no time of this window is left."), code="nothing_to_run")
    require_runnable(locked)
    made = Backfill.objects.create(
        schedule=locked, start_at=start, end_at=end, parallel=parallel, created_by=context.user
    )
    Tick.objects.bulk_create(
        Tick(
            schedule=locked, due_at=at, fires_at=at, status=Status.HELD, backfill=made, cause=f"backfill:{made.pk}:{iso(at)}",
            parameters=from_facts(locked, {"due_at": iso(at)}),
        )
        for at in times
    )  # fmt: skip
    once.settle(made)
    audit.note(context, "schedule.backfilled", str(locked.pk), name=locked.name, count=len(times))
    notify_pages(locked)
    return made


@transaction.atomic
def cancel(context: WorkspaceContext, backfill: Backfill) -> Backfill:
    """Run nothing more of it. Runs that are under way go on. Canceled twice, it stays as it is."""
    context.require(Role.CONTRIBUTOR).require_act(Act.SUBMIT)
    locked = Backfill.objects.select_for_update(no_key=True).get(pk=backfill.pk)
    why = stored_messages.keep("backfill_canceled")
    rest = Tick.objects.filter(backfill=locked, status__in=(Status.HELD, *OPEN))
    count = rest.update(status=Status.SKIPPED, settled_at=now(), reason=why)
    if count:
        locked.canceled_at = now()
        locked.save(update_fields=["canceled_at"])
        audit.note(
            context, "schedule.backfill_canceled", str(backfill.schedule_id), name=backfill.schedule.name, count=count
        )
        notify_pages(backfill.schedule)
    return locked


_HELD = Probe(lambda: Tick.objects.filter(settled_at__isnull=True, status=Status.HELD))


def release() -> None:
    """A duty of the ticker, once a second: the next ticks of backfills that have fewer runs than they may become due."""
    if not _HELD():
        return
    held = Tick.objects.filter(settled_at__isnull=True, status=Status.HELD).order_by()
    held = held.filter(schedule__workspace__archived_at__isnull=True)
    for key in held.values_list("backfill", flat=True).distinct():
        if key is not None:
            _release(key)


def _release(key: UUID) -> None:
    with slices.writing():
        backfill = Backfill.objects.select_for_update(no_key=True).filter(pk=key).first()
        if backfill is None:
            return
        ticks = Tick.objects.filter(backfill=backfill)
        under_way = ticks.filter(Q(status__in=OPEN) | (Q(run__isnull=False) & ~Q(run__status__in=Run.ENDS))).count()
        room = backfill.parallel - under_way
        if room > 0:
            following = ticks.filter(status=Status.HELD).order_by("due_at").values_list("pk", flat=True)[:room]
            ticks.filter(pk__in=list(following), status=Status.HELD).update(status=Status.DUE, fires_at=now())
