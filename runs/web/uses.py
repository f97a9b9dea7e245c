"""Fragments for the pages of apps below: who uses an environment or a cluster, what holds a cluster or a host, who reads a dataset."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from compute.models import ComputeTarget
from core.ids import as_uuid
from core.paging import page_of
from runs.models import Attempt, DataUse, StepRun
from runs.services.waiting import cluster_line
from workspaces.access import Room
from workspaces.web import door

SHOWN = 20


@dataclass(frozen=True)
class Uses:
    """What runs/uses.html may show: a page of steps, and the cursor of the next one."""

    steps: list[StepRun]
    next: str | None
    is_first: bool


@dataclass(frozen=True)
class Holds:
    """What runs/holds.html may show: attempts that have a node, and those that wait, by their place in line."""

    running: list[Attempt]
    queued: list[tuple[int, Attempt]]
    running_more: int
    queued_more: int


@door.page()
def environment(request: HttpRequest, room: Room) -> HttpResponse:
    """The steps that run with this version, the newest first."""
    version = as_uuid(request.GET.get("of"))
    rows = _steps(room).filter(environment_version_id=version) if version else StepRun.objects.none()
    return _steps_page(request, rows)


@door.page()
def steps_of_cluster(request: HttpRequest, room: Room) -> HttpResponse:
    """The steps that were sent to this cluster, the newest first; a reused one was sent nowhere."""
    target = ComputeTarget.objects.filter(workspace=room.workspace, name=request.GET.get("of", "")).first()
    rows = _steps(room).filter(compute_target_id=target.pk, reused_from__isnull=True) if target else None
    return _steps_page(request, StepRun.objects.none() if rows is None else rows)


@door.page()
def dataset(request: HttpRequest, room: Room) -> HttpResponse:
    """The runs that read this version, the newest first, each with the first of its steps that does."""
    # A root that is its own parent is still being laid out.
    uses = DataUse.objects.filter(root__workspace=room.workspace, root__parent__isnull=True).select_related("root")
    version = as_uuid(request.GET.get("of"))
    found = uses.defer("root__graph").filter(dataset_version_id=version) if version else uses.none()
    page = page_of(found, after=request.GET.get("uses"), limit=SHOWN, keys=("-root__id",))
    rows = _steps(room).in_bulk([use.run_id for use in page.items])
    steps = [rows[use.run_id] for use in page.items if use.run_id in rows]
    return _draw(request, "runs/uses.html", Uses(steps, page.next, "uses" not in request.GET))


def _steps_page(request: HttpRequest, found: QuerySet[StepRun]) -> HttpResponse:
    page = page_of(found, after=request.GET.get("uses"), limit=SHOWN, keys=("-run__id",))
    return _draw(request, "runs/uses.html", Uses(page.items, page.next, "uses" not in request.GET))


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
    """Without those of a run that is still being laid out."""
    rows = StepRun.objects.filter(workspace=room.workspace, run__root__parent__isnull=True)
    rows = rows.select_related("run__root__experiment")
    return rows.defer("fingerprint_document", "reuse_explanation", "run__graph", "run__root__graph")


def _draw(request: HttpRequest, template: str, page: object) -> HttpResponse:
    return render(request, template, {"page": page, **door.rights(request)})
