"""Home: what runs now, what failed since yesterday, what was published, how the machines are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from compute.models import ComputeTarget, Node
from core.clock import now
from pipelines.models import PublishedPipeline
from runs.models import Run
from runs.queries.finding import runs_of
from runs.services.sample import submit_sample
from runs.web.rows import HEAVY, Line, lines
from runs.web.shell import LIVE
from workspaces.access import Room
from workspaces.web import door

SHOWN = 6
# With fewer runs than this, the workspace is young and the sample is offered.
YOUNG = 10


@dataclass(frozen=True)
class Cluster:
    """A cluster at a glance."""

    target: ComputeTarget
    busy: int
    idle: int


@dataclass(frozen=True)
class HomePage:
    """What runs/home.html may show."""

    live: list[Line]
    failed: list[Line]
    recent: list[Line]
    pipelines: list[PublishedPipeline]
    clusters: list[Cluster]
    is_young: bool
    is_empty: bool
    topic: str


@door.page()
def home(request: HttpRequest, room: Room) -> HttpResponse:
    """A look at the whole workspace."""
    runs = runs_of(room.workspace).filter(parent__isnull=True, archived_at__isnull=True).defer(*HEAVY).order_by("-id")
    live = list(runs.filter(status__in=LIVE)[:SHOWN])
    failed = list(runs.filter(status=Run.Status.FAILED, finished_at__gte=now() - timedelta(days=1))[:SHOWN])
    recent = list(runs[:YOUNG])
    rows = {line.run.pk: line for line in lines([*{run.pk: run for run in (*live, *failed, *recent)}.values()])}
    facts = HomePage(
        live=[rows[run.pk] for run in live],
        failed=[rows[run.pk] for run in failed],
        recent=[rows[run.pk] for run in recent[:SHOWN]],
        pipelines=list(
            PublishedPipeline.objects.filter(workspace=room.workspace, status="Active")
            .defer("graph")
            .order_by("-id")[:SHOWN]
        ),
        clusters=_clusters(room),
        is_young=len(recent) < YOUNG,
        is_empty=not recent,
        topic=f"list:{room.workspace.name}:runs list:{room.workspace.name}:compute",
    )
    return door.show(request, "runs/home.html", facts, section="home", parts=("now",))


def _clusters(room: Room) -> list[Cluster]:
    states = {
        "busy": Count("nodes", filter=Q(nodes__status=Node.Status.RUNNING)),
        "idle": Count("nodes", filter=Q(nodes__status=Node.Status.IDLE)),
    }
    found = ComputeTarget.objects.filter(workspace=room.workspace).annotate(**states).order_by("name")[:SHOWN]
    return [Cluster(target, vars(target)["busy"], vars(target)["idle"]) for target in found]


@door.deed()
def sample(request: HttpRequest, room: Room) -> HttpResponse:
    """Submit the sample pipeline, and go where it can be watched."""
    run = submit_sample(room)
    text = _("The sample pipeline is submitted. Watch it go.")
    return door.done(request, text, reverse("runs:run", args=[room.workspace.name, run.pk]))
