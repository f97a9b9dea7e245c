"""Fragments for the pages of apps below: who uses a dataset, a model, an environment or a cluster, what ran on a host, and
what holds a cluster or a host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from compute.models import ComputeTarget
from compute.services.host_summary import known_host
from core.errors import NotFound
from core.ids import as_uuid
from core.paging import page_of
from runs.models import Attempt, Run
from runs.queries import uses
from runs.services.scheduling.waiting import cluster_queue
from workspaces.access import WorkspaceContext
from workspaces.models import Workspace
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

SHOWN = 20


@dataclass(frozen=True)
class Uses:
    """What runs/uses.html may show: a page of steps, and the cursor of the next one."""

    runs: list[Run]
    next: str | None
    is_first: bool


@dataclass(frozen=True)
class Attempts:
    """What runs/attempts.html may show: a page of attempts, and the cursor of the next one."""

    attempts: list[Attempt]
    next: str | None
    is_first: bool


@dataclass(frozen=True)
class Holds:
    """What runs/holds.html may show: attempts that have a node, and those that wait, by their place in line."""

    running: list[Attempt]
    queued: list[tuple[int, Attempt]]
    running_more: int
    queued_more: int


@workspace_page()
def environment(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The steps that run with this version, the newest first."""
    return _of(request, context, lambda ws, key: uses.steps_with(ws, environment_version_id=key), uses.STEP_KEYS)


@workspace_page()
def steps_of_cluster(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The steps that were sent to this cluster, the newest first; a reused one was sent nowhere."""
    target = ComputeTarget.objects.filter(workspace=context.workspace, name=request.GET.get("of", "")).first()
    rows = uses.steps_with(context.workspace, compute_target_id=target.pk, reused_from__isnull=True) if target else None
    return _page(request, rows, uses.STEP_KEYS)


@workspace_page()
def dataset(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The runs that read this version, the newest first, each with the first of its steps that does."""
    return _of(request, context, uses.data_uses, uses.DATA_KEYS)


@workspace_page()
def model(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The steps that copied this version, the newest first."""
    return _of(request, context, uses.model_uses, uses.STEP_KEYS)


@workspace_page()
def steps_of_host(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """What of this workspace was placed on a host, the newest first."""
    try:
        rows = uses.attempts_on(context.workspace, known_host(context.workspace, request.GET.get("of", "")).pk)
    except NotFound:  # detached and forgotten since the page was drawn
        rows = Attempt.objects.none()
    page = page_of(rows, after=request.GET.get("uses"), limit=SHOWN)
    return _draw(
        request, "runs/attempts.html", Attempts(uses.with_runs(page.items), page.next, "uses" not in request.GET)
    )


def _of(
    request: HttpRequest,
    context: WorkspaceContext,
    found: Callable[[Workspace, UUID], QuerySet[Any]],
    keys: tuple[str, ...],
) -> HttpResponse:
    """The uses of the version that the address names; of none, none."""
    version = as_uuid(request.GET.get("of"))
    return _page(request, found(context.workspace, version) if version else None, keys)


def _page(request: HttpRequest, found: QuerySet[Any] | None, keys: tuple[str, ...]) -> HttpResponse:
    if found is None:
        return _draw(request, "runs/uses.html", Uses([], None, True))
    page = page_of(found, after=request.GET.get("uses"), limit=SHOWN, keys=keys)
    return _draw(
        request,
        "runs/uses.html",
        Uses([each.run for each in uses.with_runs(page.items)], page.next, "uses" not in request.GET),
    )


@workspace_page()
def cluster(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """What holds the cluster's nodes, and what waits for one, in the order in which it will be served."""
    target = ComputeTarget.objects.filter(workspace=context.workspace, name=request.GET.get("name", "")).first()
    if target is None:
        return _draw(request, "runs/holds.html", Holds([], [], 0, 0))
    attempts = _open().filter(compute_target=target)
    running, more = _first(attempts.filter(node__isnull=False))
    first, waiting = cluster_queue(target, SHOWN)
    rows = attempts.in_bulk(first)
    queued = [(place, rows[key]) for place, key in enumerate(first, 1) if key in rows]
    return _draw(request, "runs/holds.html", Holds(running, queued, more, max(0, waiting - SHOWN)))


@workspace_page()
def host(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """This workspace's steps that have a node on a host."""
    attempts = _open().filter(run__workspace=context.workspace, node__host__name=request.GET.get("name", ""))
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


def _draw(request: HttpRequest, template: str, page: object) -> HttpResponse:
    return render(request, template, {"page": page, **responses.rights(request)})
