"""Schedules: the list, one of them with its ticks, the form."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from core.clock import now
from core.errors import NotFound, StudioError
from core.ids import as_key
from core.paging import page_of
from datasets.models import DatasetVersion
from datasets.queries import datasets_in, datastores_in
from duto.spec.secrets import hidden
from pipelines import queries as pipelines
from pipelines.models import PipelineEndpoint, PublishedPipeline
from registry.models import ModelVersion, RegisteredModel
from runs.models import Run
from runs.web.rows import RunRow, lines
from schedules import queries, stored_messages, timetable
from schedules.models import Schedule, Tick
from schedules.services import schedules
from schedules.web.backfills import BackfillRow, rows_of
from schedules.web.forms import AFTER, CHANGE, FACT_WORDS, ScheduleForm, TimetableForm, ValuesForm, initial_of, when
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog, workspace_page
from workspaces.web.editing import Editing, editing, seen_in

# Of past ticks in a line of the list, and of one schedule's page.
STRIP, TICKS_SHOWN = 12, 30
OFFERED = 200


@dataclass(frozen=True)
class ScheduleRow:
    """One schedule of the list."""

    schedule: Schedule
    what: str
    when: str
    upcoming: list[datetime]
    # Bars of the last times, the oldest first.
    last: list[dict[str, Any]]


@dataclass(frozen=True)
class SchedulesPage:
    """What schedules/list.html may show."""

    rows: list[ScheduleRow]
    next: str | None
    q: str
    topic: str


@dataclass(frozen=True)
class TickRow:
    """One tick of the table."""

    tick: Tick
    # When, in the zone of the timetable.
    due: str
    reason: str
    # Of what a backfill runs after the fact nothing is late.
    late: float | None
    run: RunRow | None
    # What has started it, where that is not the time, and its page.
    cause: str
    cause_url: str


@dataclass(frozen=True)
class SchedulePage:
    """What schedules/schedule.html may show."""

    schedule: Schedule
    what: str
    what_url: str
    when: str
    # Parameters that get facts of what starts a run.
    values: list[tuple[str, str]]
    # The others, as they may be shown.
    parameters: dict[str, Any]
    # Each also in words, in the zone of the timetable.
    upcoming: list[tuple[datetime, str]]
    ticks: list[TickRow]
    next: str | None
    is_first: bool
    topic: str
    backfills: list[BackfillRow]
    # Whether times of the past can be run: there is a timetable.
    may_backfill: bool


@dataclass(frozen=True)
class FormPage:
    """What schedules/form.html may show."""

    schedule: Schedule | None
    # What it runs; nothing is chosen yet where there is none.
    what: str
    of: str
    choices: list[tuple[str, str]]
    form: ScheduleForm
    values: ValuesForm
    error: str
    preview: list[str]
    editing: Editing | None


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """All schedules, newest first."""
    q = request.GET.get("q", "").strip()[:200]
    found = queries.schedules_in(context.workspace)
    page = page_of(found.filter(name__icontains=q) if q else found, after=request.GET.get("after"))
    last = _last(page.items)
    names = queries.trigger_names(page.items)
    rows = [
        ScheduleRow(
            each,
            what_of(each),
            when(each, names.get(each.trigger_key, "")),
            queries.upcoming(each),
            list(map(_bar, last.get(each.pk, []))),
        )
        for each in page.items
    ]
    facts = SchedulesPage(rows, page.next, q, f"list:{context.workspace.name}:schedules")
    return responses.show(request, "schedules/list.html", facts, section="schedules", parts=("rows",))


def _last(items: list[Schedule]) -> dict[UUID, list[Tick]]:
    """The last ticks of each of these, the oldest first; one query."""
    numbered = Tick.objects.filter(schedule__in=items).exclude(status=Tick.Status.DUE)
    numbered = numbered.annotate(place=Window(RowNumber(), partition_by=F("schedule"), order_by=F("due_at").desc()))
    found: dict[UUID, list[Tick]] = {}
    for tick in numbered.filter(place__lte=STRIP).select_related("run").defer("run__graph").order_by("due_at"):
        found.setdefault(tick.schedule_id, []).append(tick)
    return found


# The states by which ticks without a run are shown.
STATE_OF_TICK = {Tick.Status.QUEUED: "Queued", Tick.Status.SKIPPED: "Skipped", Tick.Status.FAILED: "Failed"}


def _bar(tick: Tick) -> dict[str, Any]:
    run = tick.run
    state = run.status if run is not None else STATE_OF_TICK.get(Tick.Status(tick.status), "NotStarted")
    seconds = (run.finished_at - run.started_at).total_seconds() if run and run.started_at and run.finished_at else 0
    return {
        "status": state,
        "seconds": seconds,
        "title": f"{tick.due_at:%Y-%m-%d %H:%M} UTC: {tick.get_status_display()}",
    }


def what_of(schedule: Schedule) -> str:
    """What it runs, by name."""
    return (
        schedule.endpoint.name
        if schedule.endpoint is not None
        else schedule.pipeline.title
        if schedule.pipeline is not None
        else ""
    )


def _address_of(context: WorkspaceContext, schedule: Schedule) -> str:
    if schedule.endpoint_id is not None:
        return reverse("endpoints:endpoint", args=[context.workspace.name, schedule.endpoint_id])
    return reverse("pipelines:pipeline", args=[context.workspace.name, schedule.pipeline_id])


@workspace_page()
def detail(request: HttpRequest, context: WorkspaceContext, schedule_id: UUID) -> HttpResponse:
    """One schedule with its coming and past times."""
    schedule = queries.schedule(context.workspace, schedule_id)
    page = page_of(
        queries.ticks_of(schedule), after=request.GET.get("after"), limit=TICKS_SHOWN, keys=("-due_at", "-id")
    )
    runs = {row.run.pk: row for row in lines([each.run for each in page.items if each.run is not None])}
    causes = _started_by(context, [each.cause for each in page.items if each.cause])
    coming = queries.upcoming(schedule)
    facts = SchedulePage(
        schedule=schedule,
        what=what_of(schedule),
        what_url=_address_of(context, schedule),
        when=when(schedule, queries.trigger_names([schedule]).get(schedule.trigger_key, "")),
        values=[(name, str(FACT_WORDS[fact])) for name, fact in schedule.values.items()],
        parameters=hidden(schedule.parameters),
        upcoming=list(zip(coming, _in_zone(coming, schedule.timetable), strict=True)),
        ticks=[
            TickRow(
                each,
                due,
                stored_messages.localized(each.reason),
                queries.late_by(each) if each.backfill_id is None else None,
                runs.get(each.run_id),  # type: ignore[arg-type]
                *causes.get(each.cause, ("", "")),
            )
            for each, due in zip(
                page.items, _in_zone([each.due_at for each in page.items], schedule.timetable), strict=True
            )
        ],
        next=page.next,
        is_first="after" not in request.GET,
        topic=f"list:{context.workspace.name}:schedules",
        backfills=rows_of(schedule),
        may_backfill=schedule.trigger is None and schedule.watch is None,
    )
    return responses.show(request, "schedules/schedule.html", facts, section="schedules", parts=("schedule",))


def _started_by(context: WorkspaceContext, causes: list[str]) -> dict[str, tuple[str, str]]:
    """What these causes of ticks are, in words, each with its page; what has been deleted meanwhile has none."""
    keys: dict[str, list[UUID]] = defaultdict(list)
    for cause in causes:
        kind, _colon, key = cause.partition(":")
        keys[kind].append(as_key(key))
    name = context.workspace.name
    found: dict[str, tuple[str, str]] = {
        f"run:{key}": (_("after run #%(number)s") % {"number": number}, reverse("runs:run", args=[name, key]))
        for key, number in Run.objects.filter(pk__in=keys["run"]).values_list("pk", "number")
    }
    datasets = DatasetVersion.objects.filter(pk__in=keys["dataset"]).values_list("pk", "dataset__name", "version")
    for made, of, version in datasets:
        text = _("after version %(version)s of %(name)s") % {"version": version, "name": of}
        found[f"dataset:{made}"] = text, f"{reverse('datasets:dataset', args=[name, of])}?version={version}"
    models = ModelVersion.objects.filter(pk__in=keys["model"]).values_list("pk", "model__name", "version")
    for made, of, version in models:
        text = _("after version %(version)s of %(name)s") % {"version": version, "name": of}
        found[f"model:{made}"] = text, f"{reverse('models:model', args=[name, of])}?version={version}"
    return found


@workspace_dialog()
def create(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The form of a new schedule; `of` says what it runs."""
    of = request.POST.get("of") or request.GET.get("of", "")
    thing = _thing(context, of) if of else None
    graph = _graph_of(thing)
    form = ScheduleForm(
        _stores(context), graph, _causes(context), request.POST or None, initial={"name": thing.name if thing else ""}
    )
    values = ValuesForm(graph, None, request.POST or None, workspace=context.workspace)
    error = ""
    if request.method == "POST" and thing is not None and all([form.is_valid(), values.is_valid()]):
        target = "endpoint" if isinstance(thing, PipelineEndpoint) else "pipeline"
        try:
            made = schedules.create(context, {**form.asked(), "parameters": values.values(), target: thing.pk})
            text = _("“%(name)s” is there.") % {"name": made.name}
            return responses.done(request, text, _place(context, made))
        except StudioError as refusal:
            error = refusal.message
    return _form(request, context, None, of, thing, form, values, error, None)


@workspace_dialog()
def edit(request: HttpRequest, context: WorkspaceContext, schedule_id: UUID) -> HttpResponse:
    """The form of a schedule that there is."""
    schedule = queries.schedule(context.workspace, schedule_id)
    thing = schedule.endpoint or schedule.pipeline
    graph = _graph_of(thing)
    stores, causes = _stores(context), _causes(context, schedule)

    def forms_of(found: Schedule, data: Any = None) -> tuple[ScheduleForm, ValuesForm]:
        return (
            ScheduleForm(stores, graph, causes, data, initial=initial_of(found)),
            ValuesForm(graph, found.parameters, data, workspace=context.workspace),
        )

    form, values = forms_of(schedule, request.POST or None)
    refused: StudioError | None = None
    if request.method == "POST" and all([form.is_valid(), values.is_valid()]):
        asked = {**form.asked(), "parameters": values.values()}
        try:
            schedules.change(context, schedule, asked, seen=seen_in(request))
            return responses.done(request, _("Saved."), _place(context, schedule))
        except StudioError as refusal:
            refused, schedule = refusal, queries.schedule(context.workspace, schedule_id)
    fresh = forms_of(schedule)
    shown = editing(request, schedules.state(schedule), (form, fresh[0]), (values, fresh[1]), refusal=refused)
    error = refused.message if refused is not None and not shown.over else ""
    return _form(request, context, schedule, "", thing, form, values, error, shown)


def _form(
    request: HttpRequest,
    context: WorkspaceContext,
    schedule: Schedule | None,
    of: str,
    thing: PublishedPipeline | PipelineEndpoint | None,
    form: ScheduleForm,
    values: ValuesForm,
    error: str,
    shown: Editing | None,
) -> HttpResponse:
    facts = FormPage(
        schedule=schedule,
        what=thing.name if thing else "",
        of=of,
        choices=[] if thing else _choices(context),
        form=form,
        values=values,
        error=error,
        preview=_in_zone(queries.upcoming(schedule), schedule.timetable) if schedule else [],
        editing=shown,
    )
    return responses.show(request, "schedules/form.html", facts, section="schedules")


def _stores(context: WorkspaceContext) -> list[str]:
    return list(datastores_in(context.workspace).values_list("name", flat=True))


def _causes(context: WorkspaceContext, schedule: Schedule | None = None) -> list[tuple[str, str]]:
    """What may have to happen: the end of a run of an endpoint or a published pipeline, a new version of a dataset or a model; what the
    schedule has already in any case."""
    datasets = datasets_in(context.workspace).order_by("name").values_list("name", flat=True)[:OFFERED]
    models = RegisteredModel.objects.filter(workspace=context.workspace).order_by("name").values_list("name", flat=True)
    found = [
        *_choices(context),
        *((f"dataset:{name}", _("a new version of the dataset “%(name)s”") % {"name": name}) for name in datasets),
        *((f"model:{name}", _("a new version of the model “%(name)s”") % {"name": name}) for name in models[:OFFERED]),
    ]
    if schedule is not None and schedule.trigger_key and schedule.trigger_key not in dict(found):
        name = queries.trigger_names([schedule]).get(schedule.trigger_key, schedule.trigger_key)
        found.append((schedule.trigger_key, name))
    return found


def _choices(context: WorkspaceContext) -> list[tuple[str, str]]:
    """What may be scheduled: endpoints, and the newest published pipelines, that are active."""
    endpoints = pipelines.endpoints_in(context.workspace, PipelineEndpoint.Status.ACTIVE).order_by("name")[:OFFERED]
    published = pipelines.published_in(context.workspace, PublishedPipeline.Status.ACTIVE).defer("graph")
    return [
        *((f"endpoint:{each.pk}", _("endpoint “%(name)s”") % {"name": each.name}) for each in endpoints),
        *((f"pipeline:{each.pk}", each.title) for each in published.order_by("-id")[:OFFERED]),
    ]


def _thing(context: WorkspaceContext, of: str) -> PublishedPipeline | PipelineEndpoint:
    kind, _colon, key = of.partition(":")
    if kind == "endpoint":
        return pipelines.endpoint(context.workspace, key)
    if kind == "pipeline":
        return pipelines.one(context.workspace, key)
    raise NotFound(_("There is no such published pipeline in this workspace."))


def _graph_of(thing: PublishedPipeline | PipelineEndpoint | None) -> dict[str, Any]:
    if isinstance(thing, PipelineEndpoint):
        return dict(pipelines.endpoint_version(thing).pipeline.graph)
    return dict(thing.graph) if thing else {}


@workspace_dialog(Role.READER)
def preview(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The next five times of what the form says, or what is wrong with it."""
    form = TimetableForm(request.POST)
    times: list[str] = []
    error = ""
    if form.is_valid():
        try:
            if form.cleaned_data["frequency"] not in (CHANGE, AFTER):
                times = _preview(form.timetable())
        except StudioError as refusal:
            error = refusal.message
    else:
        error = " ".join(
            _("%(field)s: %(error)s") % {"field": form[name].label, "error": text}
            for name, texts in form.errors.items()
            for text in texts
        )
    return render(request, "schedules/preview.html", {"times": times, "error": error})


def _preview(table: dict[str, Any]) -> list[str]:
    """The next five times in the zone of the timetable."""
    found, moment = timetable.read(table), now()
    first = found.first(moment)
    return _in_zone([first, *timetable.upcoming(found, first, moment, 4)] if first is not None else [], table)


def _in_zone(times: list[datetime], table: dict[str, Any]) -> list[str]:
    zone = timetable.zone_of(str(table.get("time_zone") or "UTC"))
    return [f"{each.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}" for each in times]


@workspace_action()
def status(request: HttpRequest, context: WorkspaceContext, schedule_id: UUID) -> HttpResponse:
    """Enable or disable it."""
    schedule = queries.schedule(context.workspace, schedule_id)
    wanted = request.POST.get("status", "")
    if wanted not in Schedule.Status.values:
        wanted = schedule.status
    schedules.change(
        context, schedule, {"status": wanted, "pause_reason": request.POST.get("pause_reason", "").strip()[:1000]}
    )
    text = _("It runs again.") if wanted == Schedule.Status.ACTIVE else _("It is disabled: nothing of it starts.")
    return responses.done(request, text, _place(context, schedule))


@workspace_action()
def delete(request: HttpRequest, context: WorkspaceContext, schedule_id: UUID) -> HttpResponse:
    """Remove it; its runs stay."""
    schedule = queries.schedule(context.workspace, schedule_id)
    schedules.delete(context, schedule)
    text = _("“%(name)s” is deleted. Its runs stay.") % {"name": schedule.name}
    return responses.done(request, text, reverse("schedules:list", args=[context.workspace.name]))


def _place(context: WorkspaceContext, schedule: Schedule) -> str:
    return reverse("schedules:schedule", args=[context.workspace.name, schedule.pk])
