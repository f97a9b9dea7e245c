"""The calendar: what schedules have done in a week or a month, and what is to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.clock import now
from runs.models import Run
from schedules import calendar, queries, timetable
from schedules.models import Schedule
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

WEEK, MONTH = "week", "month"
# Of a day; what is beyond stands in the week, or on the schedule's page.
SHOWN = {WEEK: 40, MONTH: 4}
OFFERED = 200
EARLIEST, LATEST = date(1971, 1, 1), date(9000, 1, 1)


@dataclass(frozen=True)
class EntryRow:
    """The times of a schedule on a day."""

    # Its id.
    schedule: str
    name: str
    at: str
    state: str
    # How many, and how they went, in words; empty for a single one.
    count_text: str
    summary: str
    is_coming: bool


@dataclass(frozen=True)
class Day:
    """One day of the calendar."""

    date: date
    rows: list[EntryRow]
    # Schedules that are not shown.
    more: int
    is_today: bool
    # Whether it is of the month that is shown.
    is_inside: bool


@dataclass(frozen=True)
class CalendarPage:
    """What schedules/calendar.html may show."""

    view: str
    days: list[Day]
    first: date
    last: date
    # The days that links lead to.
    before: date
    after: date
    today: date
    zone: str
    is_asked: bool
    schedule: Schedule | None
    schedules: list[tuple[str, str]]
    is_empty: bool
    is_cut: bool
    topic: str

    @property
    def weeks(self) -> list[list[Day]]:
        return [self.days[place : place + 7] for place in range(0, len(self.days), 7)]

    @property
    def entered(self) -> date:
        """The day that the keyboard comes to first."""
        return self.today if any(day.is_today for day in self.days) else self.first


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """A week or a month of all schedules, or of one."""
    given = request.GET.get("zone", "")
    zone = timetable.zone_of(given[:80]) or ZoneInfo("UTC")
    view = MONTH if request.GET.get("view") == MONTH else WEEK
    today = now().astimezone(zone).date()
    at = _day(request.GET.get("at", ""), today)
    only = queries.schedule(context.workspace, request.GET["schedule"]) if request.GET.get("schedule") else None
    begin = at.replace(day=1) if view == MONTH else at - timedelta(days=at.weekday())
    end = (begin + timedelta(days=32)).replace(day=1) if view == MONTH else begin + timedelta(days=7)
    first = begin - timedelta(days=begin.weekday())
    count = (end - first).days + (-(end - first).days % 7)
    found, is_cut = calendar.entries(context.workspace, first, count, zone, only, SHOWN[view])
    words, days = dict(Run.Status.choices), []
    for number in range(count):
        day = first + timedelta(days=number)
        of_day = found.get(day, calendar.OfDay())
        shown = [_row(each, zone, words) for each in of_day.entries]
        days.append(Day(day, shown, of_day.count - len(shown), day == today, begin <= day < end))
    names = Schedule.objects.filter(workspace=context.workspace).order_by("name").values_list("pk", "name")
    facts = CalendarPage(
        view=view,
        days=days,
        first=begin,
        last=end - timedelta(days=1),
        before=begin - timedelta(days=1),
        after=end,
        today=today,
        zone=zone.key,
        is_asked=bool(given),
        schedule=only,
        schedules=[(str(key), name) for key, name in names[:OFFERED]],
        is_empty=not any(day.rows for day in days),
        is_cut=is_cut,
        topic=f"list:{context.workspace.name}:schedules",
    )
    return responses.show(request, "schedules/calendar.html", facts, section="schedules", parts=("calendar",))


def _day(text: str, today: date) -> date:
    """The day that an address names; what is none is today."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return today
    return min(max(found, EARLIEST), LATEST)


def _row(entry: calendar.Entry, zone: ZoneInfo, words: Mapping[str, object]) -> EntryRow:
    if entry.is_coming:
        summary = ngettext("%(n)s time to come", "%(n)s times to come", entry.count) % {"n": entry.count}
        if entry.is_more:
            summary = _("more than %(n)s times to come") % {"n": entry.count}
    else:
        summary = ", ".join(f"{n} {str(words.get(state, state)).lower()}" for state, n in sorted(entry.states.items()))
    count_text = f"{entry.count}{'+' if entry.is_more else ''}" if entry.count > 1 else ""
    at = f"{entry.at.astimezone(zone):%H:%M}"
    return EntryRow(str(entry.schedule), entry.name, at, entry.state, count_text, summary, entry.is_coming)
