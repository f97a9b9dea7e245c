"""What schedules have done on each day, and what is to come, in the zone of whoever looks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Case, Count, F, IntegerField, Min, Value, When, Window
from django.db.models.functions import RowNumber

from core.clock import now
from schedules import timetable
from schedules.models import Schedule, Tick
from schedules.timetable import Recurrence, Timetable
from workspaces.models import Workspace

# Coming times of one schedule on one day that are told one by one; what counts minutes or hours is counted at once.
MOST_A_DAY = 50
# Schedules whose coming times are reckoned, those that are due next first.
MOST_SCHEDULES = 100
# Entries of a day that anybody reads at once.
MOST_SHOWN = 200
# What is shown of several times of a day: the first of these that there is.
BY_SEVERITY = (
    "Failed",
    "NotResponding",
    "Skipped",
    "Canceled",
    "CancelRequested",
    "Running",
    "Queued",
    "NotStarted",
    "Completed",
)
# States of ticks without a run; one whose run was deleted has fired all the same.
STATE_OF_TICK = {
    Tick.Status.FAILED: "Failed", Tick.Status.SKIPPED: "Skipped", Tick.Status.QUEUED: "Queued",
    Tick.Status.HELD: "Queued", Tick.Status.DUE: "Queued", Tick.Status.FIRED: "Completed",
}  # fmt: skip
STATE_OF_RUN = {"Preparing": "Running", "Finalizing": "Running"}


@dataclass
class Entry:
    """The times of one schedule on one day: those that were, by their states, or those to come."""

    schedule: UUID
    name: str
    # The first of them.
    at: datetime
    states: dict[str, int] = field(default_factory=dict)
    is_coming: bool = False
    count: int = 0
    # Whether there are more than were counted.
    is_more: bool = False

    @property
    def state(self) -> str:
        """The one to look at first."""
        return next((each for each in BY_SEVERITY if self.states.get(each)), "NotStarted")


@dataclass
class OfDay:
    """What stands on a day: the first of its entries, in the order of their times, and how many there are."""

    entries: list[Entry] = field(default_factory=list)
    count: int = 0


def entries(
    workspace: Workspace,
    first: date,
    days: int,
    zone: ZoneInfo,
    schedule: Schedule | None = None,
    most: int = MOST_SHOWN,
) -> tuple[dict[date, OfDay], bool]:
    """What stands on so many days from `first` on, `most` entries of a day; and whether the coming times of some schedules were left
    out, since there are too many. A handful of queries, however much there is, and no more rows than are shown."""
    found = _past(workspace, first, days, zone, schedule, most)
    coming, is_cut = _coming(workspace, first, days, zone, schedule)
    for each in coming:
        of_day = found[each.at.astimezone(zone).date()]
        of_day.entries.append(each)
        of_day.count += 1
    for of_day in found.values():
        of_day.entries = sorted(of_day.entries, key=lambda each: (each.at, each.name))[:most]
    return found, is_cut


def midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _past(
    workspace: Workspace, first: date, days: int, zone: ZoneInfo, only: Schedule | None, most: int
) -> dict[date, OfDay]:
    edges = [midnight(first + timedelta(days=number), zone) for number in range(days + 1)]
    ticks = Tick.objects.filter(schedule__workspace=workspace, due_at__gte=edges[0], due_at__lt=edges[-1]).order_by()
    if only is not None:
        ticks = ticks.filter(schedule=only)
    # By its number: SQLite would call Python for the date of each tick.
    number = Case(
        *(When(due_at__lt=edge, then=Value(n)) for n, edge in enumerate(edges[1:])), output_field=IntegerField()
    )
    by_day = ticks.annotate(day=number)
    earliest = by_day.values("schedule", "day").annotate(earliest=Min("due_at"))
    turn = Window(RowNumber(), partition_by=F("day"), order_by=[F("earliest"), F("schedule")])
    ranked = earliest.annotate(turn=turn, of_day=Window(Count("*"), partition_by=F("day"))).filter(turn__lte=most)
    found: dict[date, OfDay] = defaultdict(OfDay)
    shown: dict[tuple[UUID, int], Entry] = {}
    rows: Any = ranked.values_list("schedule", "day", "earliest", "of_day")
    for key, day, at, count in rows:
        entry = shown[key, day] = Entry(key, "", at)
        of_day = found[first + timedelta(days=day)]
        of_day.entries.append(entry)
        of_day.count = count
    states: Any = by_day.filter(schedule__in={key for key, _ in shown})
    states = states.values_list("schedule", "schedule__name", "day", "status", "run__status").annotate(n=Count("pk"))
    for key, name, day, status, run_status, n in states:
        if (key, day) in shown:
            entry = shown[key, day]
            state = STATE_OF_RUN.get(run_status, run_status) if run_status else STATE_OF_TICK[Tick.Status(status)]
            entry.name, entry.count = name, entry.count + n
            entry.states[state] = entry.states.get(state, 0) + n
    return found


def _coming(
    workspace: Workspace, first: date, days: int, zone: ZoneInfo, only: Schedule | None
) -> tuple[list[Entry], bool]:
    end = midnight(first + timedelta(days=days), zone)
    if end <= now():
        return [], False
    rows = Schedule.objects.filter(workspace=workspace, next_at__lt=end, watch__isnull=True)
    if only is not None:
        rows = rows.filter(pk=only.pk)
    rows = rows.only("name", "timetable", "next_at", "end_at", "created_at", "workspace").order_by("next_at")
    found: list[Entry] = []
    schedules = list(rows[: MOST_SCHEDULES + 1])
    for each in schedules[:MOST_SCHEDULES]:
        table = timetable.read(each.timetable)
        assert each.next_at is not None
        for number in range(days):
            day = first + timedelta(days=number)
            begin, until = max(midnight(day, zone), each.next_at), midnight(day + timedelta(days=1), zone)
            if each.end_at is not None:
                until = min(until, each.end_at + timedelta(microseconds=1))
            if begin < until and (entry := _day(each, table, begin, until)) is not None:
                found.append(entry)
    return found, len(schedules) > MOST_SCHEDULES


def _day(schedule: Schedule, table: Timetable, begin: datetime, until: datetime) -> Entry | None:
    """The times from `begin` to before `until`. What is due next is `next_at`, whatever the timetable says since it was changed."""
    last = until - timedelta(microseconds=1)
    times = timetable.between(table, begin - timedelta(microseconds=1), last, schedule.created_at)
    some = list(islice(times, MOST_A_DAY + 1))
    if begin == schedule.next_at and (not some or some[0] != begin):
        some.insert(0, begin)
    if not some:
        return None
    count, is_more = len(some), len(some) > MOST_A_DAY
    if is_more and isinstance(table, Recurrence) and table.frequency in ("Minute", "Hour"):
        count, is_more = int((last - some[0]) / (some[-1] - some[-2])) + 1, False
    return Entry(schedule.pk, schedule.name, some[0], is_coming=True, count=min(count, MOST_A_DAY) if is_more else count, is_more=is_more)  # fmt: skip
