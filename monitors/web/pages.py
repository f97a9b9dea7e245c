"""Monitors: the list, one of them with its windows, one window with its features, the form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from core.clock import now, parse
from core.errors import Invalid, StudioError
from core.paging import page_of
from core.words import number_text, percent_text
from datasets.models import Dataset, DatasetVersion
from datasets.queries import datasets_in
from datasets.services.versions import get_version
from monitors import queries
from monitors.models import Monitor, MonitorWindow
from monitors.performance import ERRORS, Settings
from monitors.services import monitors
from monitors.services.measuring import is_complete
from monitors.web import charts, drill
from monitors.web.forms import ChangeForm, MonitorForm, Offered, initial_of
from monitors.web.words import COUNTS, DESCRIBED, MEASURES, METRICS, SHARES
from pipelines import queries as pipelines
from pipelines.models import PublishedPipeline
from registry.models import RegisteredModel
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog, workspace_page
from workspaces.web.editing import Editing, editing, seen_in

# Of past windows in a line of the list, in a table, and in a chart.
STRIP, WINDOWS_SHOWN, CHARTED = 12, 30, 62
OFFERED = 200
Status = MonitorWindow.Status
# The states by which windows are shown.
STATE_OF = {
    Status.QUEUED: "Queued", Status.RUNNING: "Running", Status.COMPLETED: "Completed", Status.SKIPPED: "Skipped",
    Status.FAILED: "Failed",
}  # fmt: skip


@dataclass(frozen=True)
class MonitorRow:
    """One monitor of the list."""

    monitor: Monitor
    target: str
    # Bars of the last windows, the oldest first, and the last one with a magnitude.
    last: list[dict[str, Any]]
    newest: MonitorWindow | None


@dataclass(frozen=True)
class MonitorsPage:
    """What monitors/list.html may show."""

    rows: list[MonitorRow]
    next: str | None
    q: str
    topic: str


@dataclass(frozen=True)
class WindowRow:
    """One window of the table."""

    window: MonitorWindow
    state: str
    label: str
    reason: str
    # The metric, and of how many predictions it is.
    metric: str
    labelled: str


@dataclass(frozen=True)
class MonitorPage:
    """What monitors/monitor.html may show."""

    monitor: Monitor
    baseline: tuple[str, str]
    target: tuple[str, str]
    trend: charts.Trend
    # Of a model that is measured: its labels, its metric in words, its settings, and the metric over time.
    labels: tuple[str, str] | None
    metric: str
    settings: Settings | None
    metric_trend: charts.Trend | None
    windows: list[WindowRow]
    next: str | None
    is_first: bool
    topic: str
    # What the form of a backfill begins with.
    start: str
    end: str


@dataclass(frozen=True)
class FeatureRow:
    """One feature of a window."""

    name: str
    magnitude: float
    histogram: charts.Histogram | None
    bars: charts.Bars | None
    measures: list[tuple[str, str]]
    # Word, baseline, target.
    described: list[tuple[str, ...]]
    new_categories: list[str]
    # Where its rows that stand out are shown; empty where they cannot be.
    rows_url: str


@dataclass(frozen=True)
class PerformancePart:
    """How good the model was in a window."""

    reason: str
    # Word, value, and why there is none.
    metrics: list[tuple[str, str, str]]
    counts: list[tuple[str, int]]
    labels: tuple[str, str] | None
    threshold: str
    has_degraded: bool | None


@dataclass(frozen=True)
class WindowPage:
    """What monitors/window.html may show."""

    monitor: Monitor
    row: WindowRow
    rows_url: str
    performance: PerformancePart | None
    features: list[FeatureRow]
    excluded: list[tuple[str, str]]
    trigger_error: str
    target: tuple[str, str] | None
    before: UUID | None
    after: UUID | None
    topic: str


@dataclass(frozen=True)
class FormPage:
    """What monitors/form.html may show."""

    monitor: Monitor | None
    form: ChangeForm
    has_tables: bool
    error: str
    editing: Editing | None


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """All monitors, newest first."""
    q = request.GET.get("q", "").strip()[:200]
    found = queries.monitors_in(context.workspace)
    page = page_of(found.filter(name__icontains=q) if q else found, after=request.GET.get("after"))
    last = _last(page.items)
    rows = [
        MonitorRow(
            each,
            name_of(each.target),
            [_bar(window) for window in last.get(each.pk, [])],
            next((window for window in reversed(last.get(each.pk, [])) if window.magnitude is not None), None),
        )
        for each in page.items
    ]
    facts = MonitorsPage(rows, page.next, q, f"list:{context.workspace.name}:monitors")
    return responses.show(request, "monitors/list.html", facts, section="monitors", parts=("rows",))


def _last(items: list[Monitor]) -> dict[UUID, list[MonitorWindow]]:
    """The last windows of each of these, the oldest first; one query."""
    rows = MonitorWindow.objects.filter(monitor__in=items).select_related("monitor").defer("features", "excluded")
    numbered = rows.annotate(place=Window(RowNumber(), partition_by=F("monitor"), order_by=F("start_at").desc()))
    found: dict[UUID, list[MonitorWindow]] = {}
    for window in numbered.filter(place__lte=STRIP).order_by("start_at"):
        found.setdefault(window.monitor_id, []).append(window)
    return found


def _bar(window: MonitorWindow) -> dict[str, Any]:
    return {"status": state_of(window), "seconds": window.magnitude or 0, "title": _title(window)}


def state_of(window: MonitorWindow) -> str:
    """The state by which it is drawn: what has drifted or degraded stands out as what has failed."""
    return "Failed" if window.has_drifted or window.has_degraded else STATE_OF[Status(window.status)]


def _title(window: MonitorWindow) -> str:
    day = window.start_date.isoformat()
    if window.magnitude is None:
        return f"{day}: {Status(window.status).label}"
    return f"{day}: {percent_text(window.magnitude)}"


@workspace_page()
def detail(request: HttpRequest, context: WorkspaceContext, monitor_id: UUID) -> HttpResponse:
    """One monitor with its windows."""
    monitor = queries.monitor(context.workspace, monitor_id)
    rows = queries.windows_of(monitor)
    page = page_of(rows, after=request.GET.get("after"), limit=WINDOWS_SHOWN, keys=("-start_at", "-id"))
    charted = list(rows.order_by("-start_at")[:CHARTED])[::-1]
    settings = monitor.performance_settings
    last = page.items[0].end_date - timedelta(days=1) if page.items else now().date()
    facts = MonitorPage(
        monitor=monitor,
        baseline=link_to(context, monitor.baseline),
        target=link_to(context, monitor.target),
        trend=charts.trend(
            [
                charts.Point(each.pk, each.start_date.isoformat(), each.magnitude, _title(each), bool(each.has_drifted))
                for each in charted
            ],
            monitor.threshold,
        ),
        labels=None if monitor.labels is None else link_to(context, monitor.labels),
        metric="" if settings is None else str(METRICS[settings.metric]),
        settings=settings,
        metric_trend=None
        if settings is None
        else charts.metric_trend(
            [
                charts.Point(
                    each.pk,
                    each.start_date.isoformat(),
                    each.metric,
                    _metric_title(each),
                    bool(each.has_degraded),
                    bool(each.performance) and not is_complete(each),
                )
                for each in charted
            ],
            settings.threshold,
        ),
        windows=[row_of(each) for each in page.items],
        next=page.next,
        is_first="after" not in request.GET,
        topic=f"list:{context.workspace.name}:monitors",
        start=(last - timedelta(days=27)).isoformat(),
        end=last.isoformat(),
    )
    return responses.show(request, "monitors/monitor.html", facts, section="monitors", parts=("monitor",))


def row_of(window: MonitorWindow) -> WindowRow:
    """A window as tables show it: what a state is called, and why there is no number."""
    labels = [_("Drifted")] if window.has_drifted else []
    labels += [_("Degraded")] if window.has_degraded else []
    label = ", ".join(labels) or str(Status(window.status).label)
    metric = "–" if window.metric is None else number_text(window.metric)
    return WindowRow(window, state_of(window), label, window.localized_reason, metric, _labelled(window))


def _labelled(window: MonitorWindow) -> str:
    """How many of the predictions have labels."""
    found = window.performance
    if "predictions" not in found:
        return ""
    return _("%(labelled)s of %(predictions)s") % {"labelled": found["labelled"], "predictions": found["predictions"]}


def _metric_title(window: MonitorWindow) -> str:
    day = window.start_date.isoformat()
    if window.metric is None:
        return f"{day}: –"
    return f"{day}: {number_text(window.metric)} ({_labelled(window)})"


def name_of(version: DatasetVersion) -> str:
    """A version of a dataset, in words."""
    if version.dataset is None:
        return _("without a name")
    return f"{version.dataset.name} v{version.version}"


def link_to(context: WorkspaceContext, version: DatasetVersion) -> tuple[str, str]:
    """Its name and its page; one without a name has none."""
    if version.dataset is None:
        return name_of(version), ""
    place = reverse("datasets:dataset", args=[context.workspace.name, version.dataset.name])
    return name_of(version), f"{place}?version={version.version}"


@workspace_page()
def window(request: HttpRequest, context: WorkspaceContext, monitor_id: UUID, window_id: UUID) -> HttpResponse:
    """One window with what was found in it."""
    monitor = queries.monitor(context.workspace, monitor_id)
    found = queries.window(monitor, window_id)
    around = MonitorWindow.objects.filter(monitor=monitor)
    keys = around.values_list("pk", flat=True)
    shown = queries.window_document(found)
    span, kinds = drill.of_window(found, monitor.timestamp_column), drill.kinds_of(found.target)
    facts = WindowPage(
        monitor=monitor,
        row=row_of(found),
        rows_url=drill.address(context.workspace.name, found.target, span),
        performance=_performance(context, found, shown["performance"]),
        features=[
            _feature(
                each,
                drill.address(
                    context.workspace.name, found.target, span, drill.of_feature(each, kinds.get(each["name"]))
                ),
            )
            for each in found.features
        ],
        excluded=[(each["name"], each["reason"]) for each in shown["excluded"]],
        trigger_error=shown["trigger_error"],
        target=None if found.target is None else link_to(context, found.target),
        before=keys.filter(start_at__lt=found.start_at).order_by("-start_at").first(),
        after=keys.filter(start_at__gt=found.start_at).order_by("start_at").first(),
        topic=f"list:{context.workspace.name}:monitors",
    )
    return responses.show(request, "monitors/window.html", facts, section="monitors", parts=("window",))


def _performance(
    context: WorkspaceContext, window: MonitorWindow, shown: dict[str, Any] | None
) -> PerformancePart | None:
    if shown is None:
        return None
    measured = shown["metrics"] or {}
    labels = DatasetVersion.objects.select_related("dataset").filter(workspace=context.workspace, pk=shown["labels"])
    version = labels.first() if shown["labels"] else None
    return PerformancePart(
        reason=shown["reason"],
        metrics=[
            (str(word), _shown(measured[name]), shown["notes"].get(name, ""))
            for name, word in METRICS.items()
            if name in measured
        ],
        counts=[(str(word), shown[name]) for name, word in COUNTS.items() if shown[name] is not None],
        labels=None if version is None else link_to(context, version),
        threshold=""
        if shown["threshold"] is None
        else f"{METRICS[shown['metric']]} {'>' if shown['metric'] in ERRORS else '<'} {number_text(shown['threshold'])}",
        has_degraded=window.has_degraded,
    )


def _feature(found: dict[str, Any], rows_url: str) -> FeatureRow:
    measured = found["metrics"]
    measures = [(str(word), _shown(measured[name])) for name, word in MEASURES.items() if name in measured]
    measures += [(str(word), percent_text(measured[name])) for name, word in SHARES.items() if name in measured]
    before, after = found["baseline"], found["target"]
    described = [
        (
            str(word),
            *(percent_text(side[name]) if name == "missing" else _shown(side[name]) for side in (before, after)),
        )
        for name, word in DESCRIBED.items()
        if name in before
    ]
    return FeatureRow(
        name=found["name"],
        magnitude=found["magnitude"],
        histogram=charts.histogram(found),
        bars=charts.bars(found, _("all others")),
        measures=measures,
        described=described,
        new_categories=found.get("new_categories", []),
        rows_url=rows_url,
    )


def _shown(value: float | None) -> str:
    """A measured number; a dash for what is beyond what can be told."""
    return "–" if value is None else number_text(value)


@workspace_dialog()
def create(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The form of a new monitor; `target` chooses a version of a dataset."""
    target = request.POST.get("target") or request.GET.get("target", "")
    tables = _tables(context, target, request.POST.get("baseline", ""), request.POST.get("labels", ""))
    offered = Offered(tables, _pipelines(context), _models(context))
    form = MonitorForm(offered, request.POST or None, initial={"target": target, "model": request.GET.get("model", "")})
    error = ""
    if request.method == "POST" and form.is_valid():
        try:
            made = monitors.create(context, form.asked())
            return responses.done(request, _("“%(name)s” is there.") % {"name": made.name}, _place(context, made))
        except StudioError as refusal:
            error = refusal.message
    return _form(request, None, form, error, None, has_tables=bool(tables))


@workspace_dialog()
def edit(request: HttpRequest, context: WorkspaceContext, monitor_id: UUID) -> HttpResponse:
    """The form of a monitor that there is."""
    monitor = queries.monitor(context.workspace, monitor_id)
    tables = _tables(context, str(monitor.labels_id or ""), request.POST.get("labels", ""))
    offered = Offered(tables, _pipelines(context, monitor.pipeline), _models(context, monitor.model))

    def form_of(found: Monitor, data: Any = None) -> ChangeForm:
        return ChangeForm(offered, found.performance_settings is not None, data, initial=initial_of(found))

    form = form_of(monitor, request.POST or None)
    refused: StudioError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            monitors.change(context, monitor, form.asked(), seen=seen_in(request))
            return responses.done(request, _("Saved."), _place(context, monitor))
        except StudioError as refusal:
            refused, monitor = refusal, queries.monitor(context.workspace, monitor_id)
    shown = editing(request, monitors.state(monitor), (form, form_of(monitor)), refusal=refused)
    error = refused.message if refused is not None and not shown.over else ""
    return _form(request, monitor, form, error, shown)


def _form(
    request: HttpRequest,
    monitor: Monitor | None,
    form: ChangeForm,
    error: str,
    shown: Editing | None,
    *,
    has_tables: bool = True,
) -> HttpResponse:
    facts = FormPage(monitor, form, has_tables, error, shown)
    return responses.show(request, "monitors/form.html", facts, section="monitors")


def _tables(context: WorkspaceContext, *chosen: str) -> list[tuple[str, str]]:
    """The newest version of each table, and those that are chosen already."""
    found = datasets_in(context.workspace).filter(kind=Dataset.Kind.TABULAR).order_by("name")[:OFFERED]
    rows: list[Any] = [each for each in found if each.newest]  # type: ignore[attr-defined]
    tables = [(str(each.newest[0].pk), f"{each.name} v{each.newest[0].version}") for each in rows]
    for key in dict.fromkeys(each for each in chosen if each and each not in dict(tables)):
        try:
            tables.append((key, name_of(get_version(context.workspace, key))))
        except StudioError:  # the form says that it is none of the choices
            continue
    return tables


def _pipelines(context: WorkspaceContext, chosen: PublishedPipeline | None = None) -> list[tuple[str, str]]:
    """The newest published pipelines that are active, and the one that is chosen already."""
    rows = pipelines.published_in(context.workspace, PublishedPipeline.Status.ACTIVE).defer("graph")
    found = [(str(each.pk), f"{each.name} {each.version}".strip()) for each in rows.order_by("-id")[:OFFERED]]
    if chosen is not None and str(chosen.pk) not in dict(found):
        found.append((str(chosen.pk), f"{chosen.name} {chosen.version}".strip()))
    return found


def _models(context: WorkspaceContext, chosen: RegisteredModel | None = None) -> list[tuple[str, str]]:
    """The newest models, and the one that is chosen already."""
    rows = RegisteredModel.objects.filter(workspace=context.workspace).order_by("-id")[:OFFERED]
    names = dict.fromkeys([*(each.name for each in rows), *([chosen.name] if chosen else [])])
    return [(name, name) for name in names]


@workspace_action()
def status(request: HttpRequest, context: WorkspaceContext, monitor_id: UUID) -> HttpResponse:
    """Enable or disable it."""
    monitor = queries.monitor(context.workspace, monitor_id)
    wanted = request.POST.get("enabled") == "1"
    monitors.change(context, monitor, {"is_enabled": wanted})
    text = _("Each window is compared once it is over.") if wanted else _("No window is compared by itself.")
    return responses.done(request, text, _place(context, monitor))


@workspace_action()
def run(request: HttpRequest, context: WorkspaceContext, monitor_id: UUID) -> HttpResponse:
    """Look at the last window that is over, or at the one that is named."""
    monitor = queries.monitor(context.workspace, monitor_id)
    key = request.POST.get("window")
    found = queries.window(monitor, key) if key else None
    asked = monitors.run_now(context, monitor, found.start_at if found is not None else None)
    text = _("The window of %(day)s is compared.") % {"day": asked.start_date.isoformat()}
    return responses.done(
        request, text, reverse("monitors:window", args=[context.workspace.name, monitor.pk, asked.pk])
    )


@workspace_action()
def backfill(request: HttpRequest, context: WorkspaceContext, monitor_id: UUID) -> HttpResponse:
    """Look at the windows from one day to another."""
    monitor = queries.monitor(context.workspace, monitor_id)
    zone = queries.zone_of(monitor)
    days = [parse(f"{request.POST.get(name, '')}T00:00:00") for name in ("start", "end")]
    if days[0] is None or days[1] is None:
        raise Invalid(_("Say the first and the last day, such as 2026-01-31."), code="bad_window")
    start, end = (each.replace(tzinfo=zone) for each in (days[0], days[1] + timedelta(days=1)))
    found = monitors.backfill(context, monitor, start, end)
    text = _("%(count)s windows are compared.") % {"count": len(found)}
    return responses.done(request, text, _place(context, monitor))


@workspace_action()
def delete(request: HttpRequest, context: WorkspaceContext, monitor_id: UUID) -> HttpResponse:
    """Remove it with its windows."""
    monitor = queries.monitor(context.workspace, monitor_id)
    monitors.delete(context, monitor)
    text = _("“%(name)s” is deleted.") % {"name": monitor.name}
    return responses.done(request, text, reverse("monitors:list", args=[context.workspace.name]))


def _place(context: WorkspaceContext, monitor: Monitor) -> str:
    return reverse("monitors:monitor", args=[context.workspace.name, monitor.pk])
