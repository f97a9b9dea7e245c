"""Backfills: a window, what would run in it, and those of a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core.clock import now
from core.errors import StudioError
from schedules import backfill_queries, queries, timetable
from schedules.models import Backfill, Schedule
from schedules.services import backfills
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog

SHOWN = 5


class WindowForm(forms.Form):
    """From when to when, in the zone of the timetable, and how many at once."""

    start = forms.DateTimeField(label=gettext_lazy("From"))
    end = forms.DateTimeField(label=gettext_lazy("To"))
    parallel = forms.IntegerField(
        label=gettext_lazy("Runs at once"), min_value=1, max_value=backfills.MOST_PARALLEL, initial=1
    )

    def __init__(self, zone: ZoneInfo, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.zone = zone
        for name in ("start", "end"):
            widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "any"}, format="%Y-%m-%dT%H:%M")
            self.fields[name].widget = widget
            self.fields[name].help_text = zone.key

    def clean(self) -> dict[str, Any]:
        """With times as they are meant in the zone: the fields read them as of UTC."""
        values: dict[str, Any] = super().clean() or {}
        return {
            name: value.replace(tzinfo=self.zone, fold=0) if name != "parallel" else value
            for name, value in values.items()
        }


@dataclass(frozen=True)
class PlannedRow:
    """One time of the plan."""

    at: str
    is_made: bool
    # What became of it, where it has been due before.
    was: str


@dataclass(frozen=True)
class BackfillPage:
    """What schedules/backfill.html may show."""

    schedule: Schedule
    form: WindowForm
    rows: list[PlannedRow] | None
    count: int
    error: str


@dataclass(frozen=True)
class BackfillRow:
    """One backfill of a schedule's page."""

    backfill: Backfill
    start: str
    end: str
    state: str
    counts: list[str]


@workspace_dialog()
def create(request: HttpRequest, context: WorkspaceContext, schedule_id: UUID) -> HttpResponse:
    """Choose a window, look at what would run, and have it run."""
    schedule = queries.schedule(context.workspace, schedule_id)
    zone = zone_of(schedule)
    given = request.POST or (request.GET if "start" in request.GET else None)
    today = now().astimezone(zone)
    initial = {"start": f"{today - timedelta(days=7):%Y-%m-%dT00:00}", "end": f"{today:%Y-%m-%dT00:00}"}
    form = WindowForm(zone, given, initial=initial)
    rows: list[PlannedRow] | None = None
    error, count = "", 0
    if given is not None and form.is_valid():
        values = form.cleaned_data
        try:
            if request.method == "POST":
                backfills.create(context, schedule, values["start"], values["end"], values["parallel"])
                place = reverse("schedules:schedule", args=[context.workspace.name, schedule.pk])
                return responses.done(request, _("The backfill has begun."), f"{place}#backfills-title")
            planned = backfill_queries.plan(schedule, values["start"], values["end"])
            count = sum(each.is_made for each in planned)
            rows = [
                PlannedRow(
                    f"{each.at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}", each.is_made,
                    str(each.tick.get_status_display()) if each.tick is not None else "",
                )
                for each in planned
            ]  # fmt: skip
        except StudioError as refusal:
            error = refusal.message
    facts = BackfillPage(schedule, form, rows, count, error)
    return responses.show(request, "schedules/backfill.html", facts, section="schedules")


@workspace_action()
def cancel(request: HttpRequest, context: WorkspaceContext, schedule_id: UUID, backfill_id: UUID) -> HttpResponse:
    """Run nothing more of it."""
    schedule = queries.schedule(context.workspace, schedule_id)
    backfills.cancel(context, backfill_queries.backfill(schedule, backfill_id))
    place = reverse("schedules:schedule", args=[context.workspace.name, schedule.pk])
    return responses.done(request, _("Nothing more of the backfill runs."), place)


def zone_of(schedule: Schedule) -> ZoneInfo:
    """The zone of its timetable."""
    return timetable.zone_of(str(schedule.timetable.get("time_zone") or "UTC")) or ZoneInfo("UTC")


def rows_of(schedule: Schedule) -> list[BackfillRow]:
    """The last backfills of a schedule."""
    found = list(backfill_queries.backfills_of(schedule).order_by("-id")[:SHOWN])
    counts, zone = backfill_queries.counts(found) if found else {}, zone_of(schedule)
    return [
        BackfillRow(
            backfill=each,
            start=f"{each.start_at.astimezone(zone):%Y-%m-%d %H:%M}",
            end=f"{each.end_at.astimezone(zone):%Y-%m-%d %H:%M}",
            state=backfill_queries.state_of(each, counts[each.pk]),
            counts=list(_counted(counts[each.pk])),
        )
        for each in found
    ]


def _counted(count: dict[str, int]) -> list[str]:
    """How many of its times are how far, in words."""
    waiting = sum(count.get(name, 0) for name in ("held", "due", "queued"))
    parts = (
        (waiting, ngettext("%(n)s waits", "%(n)s wait", waiting)),
        (n := count.get("running", 0), ngettext("%(n)s runs", "%(n)s run", n)),
        (n := count.get("completed", 0), ngettext("%(n)s completed", "%(n)s completed", n)),
        (n := count.get("failed", 0), ngettext("%(n)s failed", "%(n)s failed", n)),
        (n := count.get("canceled", 0), ngettext("%(n)s canceled", "%(n)s canceled", n)),
        (n := count.get("skipped", 0), ngettext("%(n)s left out", "%(n)s left out", n)),
    )
    return [text % {"n": number} for number, text in parts if number]
