"""Reading backfills, and what one would run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core.clock import iso, now
from core.errors import Conflict, Invalid, NotFound
from core.ids import as_key
from runs.models import Run
from schedules import timetable
from schedules.models import Backfill, Schedule, Tick

MOST_TIMES = 1000
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
# A time of which a tick has run, or is about to, is left alone.
RAN = frozenset({Tick.Status.FIRED, Tick.Status.DUE, Tick.Status.QUEUED, Tick.Status.HELD})


@dataclass(frozen=True)
class Planned:
    """One time of a window: the tick that it has, if any, and whether a backfill runs it."""

    at: datetime
    tick: Tick | None

    @property
    def is_made(self) -> bool:
        return self.tick is None or self.tick.status not in RAN


def plan(schedule: Schedule, start: datetime, end: datetime) -> list[Planned]:
    """The times of a window, the oldest first, with what has become of each. Writes nothing.

    Raises Conflict for a schedule without a timetable, Invalid for a window that is none, is not over, or has too many times.
    """
    if schedule.trigger is not None or schedule.watch is not None:
        text = _("Times of the past are those of a timetable, and '%(name)s' starts when something happens.")
        raise Conflict(text % {"name": schedule.name}, code="no_timetable")
    if not EARLIEST <= start <= end:
        raise Invalid(_("A backfill goes from a time after 1970 to a later one."), code="bad_window")
    if end > now():
        raise Invalid(_("A backfill is of the past: its end has not come yet."), code="bad_window")
    table = timetable.read(schedule.timetable)
    times = timetable.window(table, start, end, schedule.created_at, MOST_TIMES + 1)
    if len(times) > MOST_TIMES:
        text = _("There are more than %(most)s times in this window. Choose a shorter one.")
        raise Invalid(text % {"most": MOST_TIMES}, code="too_many_times")
    known: dict[datetime, Tick] = {}
    rows = Tick.objects.filter(schedule=schedule, due_at__gte=start, due_at__lte=end).select_related("run")
    for tick in rows.defer("run__graph").order_by("id"):
        # Of several ticks of one time the one that ran counts.
        if tick.due_at not in known or known[tick.due_at].status not in RAN:
            known[tick.due_at] = tick
    return [Planned(at, known.get(at)) for at in times]


def backfills_of(found: Schedule) -> QuerySet[Backfill]:
    return Backfill.objects.filter(schedule=found).select_related("created_by", "schedule__workspace")


def backfill(found: Schedule, backfill_id: object) -> Backfill:
    """A backfill of a schedule by its id. Raises NotFound."""
    row = backfills_of(found).filter(pk=as_key(backfill_id)).first()
    if row is None:
        text = _("There is no backfill %(backfill_id)s of the schedule '%(name)s'.")
        raise NotFound(text % {"backfill_id": backfill_id, "name": found.name})
    return row


def backfill_document(found: Backfill, count: dict[str, int]) -> dict[str, Any]:
    """A backfill as REST shows it."""
    return {
        "id": str(found.pk),
        "start": iso(found.start_at),
        "end": iso(found.end_at),
        "parallel": found.parallel,
        "status": state_of(found, count),
        "counts": count,
        "created_by": found.created_by.get_username() if found.created_by else None,
        "created_at": iso(found.created_at),
        "canceled_at": iso(found.canceled_at),
    }


def planned_document(found: Planned) -> dict[str, Any]:
    """A time of a window as REST shows it."""
    tick = found.tick
    return {
        "due_at": iso(found.at),
        "is_made": found.is_made,
        "status": tick.status if tick is not None else None,
        "run_id": str(tick.run_id) if tick is not None and tick.run_id else None,
    }


def counts(backfills: Iterable[Backfill]) -> dict[UUID, dict[str, int]]:
    """How many ticks of each are in which state; those that fired by how their run is: `running`, `completed`, `failed`, `canceled`.
    One query."""
    found: dict[UUID, dict[str, int]] = {each.pk: {} for each in backfills}
    rows = Tick.objects.filter(backfill__in=list(found)).values_list("backfill", "status", "run__status")
    for key, status, run in rows.order_by():
        state = status if run is None else run.lower() if run in Run.ENDS else "running"
        if key is not None:
            found[key][state] = found[key].get(state, 0) + 1
    return found


def state_of(backfill: Backfill, count: dict[str, int]) -> str:
    """`running`, `canceled` or `completed`."""
    if any(count.get(name) for name in ("running", Tick.Status.HELD, Tick.Status.DUE, Tick.Status.QUEUED)):
        return "running"
    return "canceled" if backfill.canceled_at is not None else "completed"
