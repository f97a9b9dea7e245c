"""Ticks: how they are made of a timetable, and how they are settled; pages and the apps above are notified of it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from core import outbox, sentences
from core.clock import iso, now
from schedules import hooks, stored_messages, timetable
from schedules.models import Schedule, Tick
from schedules.timetable import Timetable

Status = Tick.Status
OPEN = (Status.DUE, Status.QUEUED)
# A tick that is late by more was missed: the studio was away.
GRACE = timedelta(minutes=1)
# Of missed ticks so many, the newest, are counted and made up for at most; a studio that was away for a year begins anew.
MOST_MISSED = 1000


def write_due(schedule: Schedule, moment: datetime) -> None:
    """Write the ticks of a locked schedule that is about to change, so that what was due by then is not lost. Files that it watches
    are compared with the last scan in any case."""
    if (
        schedule.watch is None
        and schedule.trigger is None
        and schedule.next_at is not None
        and schedule.next_at <= moment
    ):
        ticks, schedule.next_at = of_times(schedule, timetable.read(schedule.timetable), moment)
        write(ticks)


def write(ticks: Sequence[Tick]) -> None:
    """Write new ticks, and announce those that were skipped from the first."""
    Tick.objects.bulk_create(ticks, ignore_conflicts=True)
    hooks.ticks_missed([each for each in ticks if each.status == Status.SKIPPED])


def of_times(schedule: Schedule, found: Timetable, moment: datetime) -> tuple[list[Tick], datetime | None]:
    """The ticks from `next_at` to `moment`, and what is due after them."""
    assert schedule.next_at is not None
    anchor = schedule.created_at
    until = moment if schedule.end_at is None else min(moment, schedule.end_at)
    start, since = schedule.next_at, moment - GRACE
    # One more than is made up for: where it is there, older ones may be as well, and are not counted.
    missed = timetable.newest(found, start, min(until, since), anchor, MOST_MISSED + 1) if start <= since else []
    fresh = [start] if since < start <= until else []
    fresh += timetable.between(found, max(start, since), until, anchor)
    following = before_end(schedule, found.after(moment, anchor))
    most = MOST_MISSED if schedule.catch_up is None else min(schedule.catch_up, MOST_MISSED)
    kept = missed[max(0, len(missed) - most) :]
    ticks = [_due(schedule, each) for each in (*kept, *fresh)]
    if dropped := missed[: len(missed) - len(kept)]:
        why = stored_messages.keep("missed")
        if missed[0] != start:
            why = stored_messages.keep("missed_more", count=MOST_MISSED)
        elif len(dropped) > 1:
            why = stored_messages.keep("missed_many", count=len(dropped) - 1)
        ticks.insert(0, _settled(schedule, dropped[-1], Status.SKIPPED, why))
    return ticks, following


def before_end(schedule: Schedule, at: datetime | None) -> datetime | None:
    return None if at is None or (schedule.end_at is not None and at > schedule.end_at) else at


def _due(schedule: Schedule, at: datetime) -> Tick:
    parameters = from_facts(schedule, {"due_at": iso(at)})
    return Tick(schedule=schedule, due_at=at, fires_at=at + jitter(schedule), parameters=parameters)


def jitter(schedule: Schedule) -> timedelta:
    """By how much a tick is put off, another time for each."""
    return timedelta(seconds=random.uniform(0, schedule.jitter)) if schedule.jitter else timedelta()  # noqa: S311


def from_facts(schedule: Schedule, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the parameters that get facts of what starts a run."""
    return {name: facts[fact] for name, fact in schedule.values.items() if fact in facts}


def _settled(schedule: Schedule, at: datetime, status: str, reason: dict[str, Any]) -> Tick:
    return Tick(schedule=schedule, due_at=at, fires_at=at, status=status, settled_at=now(), reason=reason)


def settle(tick: Tick, status: str, reason: dict[str, Any]) -> None:
    mine = Tick.objects.filter(pk=tick.pk, status__in=OPEN)
    with transaction.atomic():
        if mine.update(status=status, settled_at=now(), reason=reason):
            hooks.ticks_missed([tick])
        notify_pages(tick.schedule)


def stop(schedule: Schedule, reason: dict[str, Any]) -> None:
    """The schedule cannot go on by itself."""
    Schedule.objects.filter(pk=schedule.pk).update(
        status=Schedule.Status.DISABLED,
        next_at=None,
        pause_reason=reason["text"],
        pause_parts=sentences.parts_of(reason),
    )
    notify_pages(schedule)


def notify_pages(*schedules: Schedule) -> None:
    """Pages of these schedules look again."""
    for workspace in {schedule.workspace.name for schedule in schedules}:
        outbox.hint(f"list:{workspace}:schedules")
