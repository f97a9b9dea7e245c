"""Experiments: the names that runs are gathered under."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import F, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from core.errors import NotFound
from core.paging import page_of
from runs.models import Experiment, MetricPoint, Run
from runs.queries.runs import runs_of
from runs.web.rows import HEAVY, RunRow, lines
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

POINTS = 50
CHARTS = 8


@dataclass(frozen=True)
class ExperimentRow:
    """One experiment of the list, with its newest run."""

    experiment: Experiment
    last: Run | None


@dataclass(frozen=True)
class ExperimentsPage:
    """What experiments/list.html may show."""

    rows: list[ExperimentRow]
    next: str | None
    q: str
    topic: str


@dataclass(frozen=True)
class Trend:
    """A metric over the last runs of an experiment: its last value in each that has it, the newest run last."""

    name: str
    points: list[tuple[int, float]]

    @property
    def newest(self) -> float:
        return self.points[-1][1]

    @property
    def lowest(self) -> float:
        return min(value for _number, value in self.points)

    @property
    def highest(self) -> float:
        return max(value for _number, value in self.points)


@dataclass(frozen=True)
class ExperimentPage:
    """What experiments/experiment.html may show."""

    experiment: Experiment
    lines: list[RunRow]
    next: str | None
    trends: list[Trend]
    topic: str


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Experiments, the newest first."""
    q = request.GET.get("q", "").strip()[:200]
    found = Experiment.objects.filter(workspace=context.workspace, archived_at__isnull=True)
    page = page_of(found.filter(name__icontains=q) if q else found, after=request.GET.get("after"))
    newest = _newest([each.pk for each in page.items])
    rows = [ExperimentRow(each, newest.get((each.pk, each.run_count))) for each in page.items]
    facts = ExperimentsPage(rows, page.next, q, f"list:{context.workspace.name}:runs")
    return responses.show(request, "experiments/list.html", facts, section="experiments", parts=("rows",))


def _newest(ids: list[UUID]) -> dict[tuple[UUID, int], Run]:
    """The run that carries the last number of each experiment: numbers grow by one."""
    rows = Run.objects.filter(experiment_id__in=ids, parent__isnull=True, number=F("experiment__run_count")).defer(
        *HEAVY
    )
    return {(run.experiment_id, run.number): run for run in rows}


@workspace_page()
def detail(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """One experiment: its runs, and how its metrics went."""
    experiment = Experiment.objects.filter(workspace=context.workspace, name=name).first()
    if experiment is None:
        raise NotFound(_("There is no experiment “%(name)s” in this workspace.") % {"name": name})
    runs = (
        runs_of(context.workspace)
        .filter(experiment=experiment, parent__isnull=True, archived_at__isnull=True)
        .defer(*HEAVY)
    )
    page = page_of(runs, after=request.GET.get("after"))
    trends = _trends(dict(runs.order_by("-id").values_list("pk", "number")[:POINTS]))
    facts = ExperimentPage(experiment, lines(page.items), page.next, trends, f"list:{context.workspace.name}:runs")
    return responses.show(request, "experiments/experiment.html", facts, section="experiments", parts=("rows",))


def _trends(numbers: dict[UUID, int]) -> list[Trend]:
    """Metrics that these runs themselves carry (`run.parent.log` in a step), the last value of each."""
    points = MetricPoint.objects.filter(run_id__in=list(numbers), kind="scalar", value__isnull=False).order_by()
    newest = points.filter(run_id=OuterRef("run_id"), name=OuterRef("name")).order_by("-index", "-id")
    series = points.values("run_id", "name").distinct()[: POINTS * 200]
    rows = series.annotate(last=Subquery(newest.values("value")[:1])).values_list("run_id", "name", "last")
    last: dict[str, dict[int, float]] = {}
    for run_id, name, value in rows:
        last.setdefault(name, {})[numbers[run_id]] = value or 0.0
    return [Trend(name, sorted(points.items())) for name, points in sorted(last.items())][:CHARTS]
