"""Fragments for the pages of apps below: who uses an environment, what holds a cluster or a host, who reads a dataset."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from compute.models import ComputeTarget
from core.ids import as_uuid
from runs.models import Attempt, DataUse, StepRun
from runs.services.waiting import cluster_line
from workspaces.access import Room
from workspaces.web import door

SHOWN = 20


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
    """The last runs that read this version, each with the first of its steps that does."""
    # A root that is its own parent is still being laid out.
    uses = DataUse.objects.filter(root__workspace=room.workspace, root__parent__isnull=True)
    version = as_uuid(request.GET.get("version"))
    found = uses.filter(dataset_version_id=version).order_by("-root_id") if version else uses.none()
    keys = list(found.values_list("run_id", flat=True)[:SHOWN])
    rows = _steps(room).in_bulk(keys)
    return _draw(request, "runs/uses.html", Uses([rows[key] for key in keys if key in rows]))


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
