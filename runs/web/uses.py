"""Fragments for the pages of apps below: who uses an environment, what holds a cluster or a host, who reads a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from compute.models import ComputeTarget
from core.ids import as_uuid
from runs.models import Attempt, Run, StepRun
from runs.services.waiting import cluster_line
from workspaces.access import Room
from workspaces.web import door

SHOWN = 20
LOOKED_AT = 500


@dataclass(frozen=True)
class Uses:
    """What runs/uses.html may show."""

    steps: list[StepRun]


@dataclass(frozen=True)
class Holds:
    """What runs/holds.html may show: attempts that have a node, and those that wait, by their place in line."""

    running: list[Attempt]
    queued: list[tuple[int, Attempt]]
    running_more: int
    queued_more: int


@door.page()
def environment(request: HttpRequest, room: Room) -> HttpResponse:
    """The last steps that ran with this version."""
    rows = _steps(room).filter(environment_version_id=as_uuid(request.GET.get("version")))
    return _draw(request, "runs/uses.html", Uses(list(rows.order_by("-run_id")[:SHOWN])))


@door.page()
def dataset(request: HttpRequest, room: Room) -> HttpResponse:
    """The last runs whose graph or parameters name this version."""
    version = as_uuid(request.GET.get("version"))
    # A graph is a document without an index on what it names: look at the newest runs only, however many there are.
    newest = list(
        Run.objects.filter(workspace=room.workspace, parent__isnull=True)
        .order_by("-id")
        .values_list("id", flat=True)[:LOOKED_AT]
    )
    found = (
        Run.objects.filter(
            Q(graph__icontains=str(version)) | Q(parameters__icontains=str(version)), pk__in=newest
        ).order_by("-id")
        if version
        else Run.objects.none()
    )
    rows = _steps(room).filter(run__root_id__in=list(found.values_list("id", flat=True)[:SHOWN]))
    firsts: dict[Any, StepRun] = {}
    for step in rows.order_by("-run_id")[: SHOWN * 5]:
        firsts.setdefault(step.run.root_id, step)
    return _draw(request, "runs/uses.html", Uses(list(firsts.values())))


@door.page()
def cluster(request: HttpRequest, room: Room) -> HttpResponse:
    """What holds the cluster's nodes, and what waits for one, in the order in which it will be served."""
    target = ComputeTarget.objects.filter(workspace=room.workspace, name=request.GET.get("name", "")).first()
    if target is None:
        return _draw(request, "runs/holds.html", Holds([], [], 0, 0))
    attempts = _open().filter(compute_target=target)
    running, more = _first(attempts.filter(node__isnull=False))
    first, waiting = cluster_line(target, SHOWN)
    rows = attempts.in_bulk(first)
    queued = [(place, rows[key]) for place, key in enumerate(first, 1) if key in rows]
    return _draw(request, "runs/holds.html", Holds(running, queued, more, max(0, waiting - SHOWN)))


@door.page()
def host(request: HttpRequest, room: Room) -> HttpResponse:
    """This workspace's steps that have a node on a host."""
    attempts = _open().filter(run__workspace=room.workspace, node__host__name=request.GET.get("name", ""))
    running, more = _first(attempts)
    return _draw(request, "runs/holds.html", Holds(running, [], more, 0))


def _open() -> QuerySet[Attempt]:
    rows = Attempt.objects.exclude(status__in=Attempt.ENDS)
    return rows.select_related("run__step", "run__root__experiment", "host", "node", "user").defer(
        "run__graph", "run__root__graph", "run__step__fingerprint_document"
    )


def _first(placed: QuerySet[Attempt]) -> tuple[list[Attempt], int]:
    """Those that are shown, and how many more there are."""
    rows = list(placed.order_by("id")[: SHOWN + 1])
    return rows[:SHOWN], placed.count() - SHOWN if len(rows) > SHOWN else 0


def _steps(room: Room) -> QuerySet[StepRun]:
    rows = StepRun.objects.filter(workspace=room.workspace).select_related("run__root__experiment")
    return rows.defer("fingerprint_document", "reuse_explanation", "run__graph", "run__root__graph")


def _draw(request: HttpRequest, template: str, page: object) -> HttpResponse:
    return render(request, template, {"page": page, **door.rights(request)})
