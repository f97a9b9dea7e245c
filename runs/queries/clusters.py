"""What runs on clusters and waits for them: now, and over the last day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from compute import samples
from compute.hooks import ClusterUse
from compute.models import ComputeTarget
from core.clock import iso, now
from core.series import Series
from runs import occupancy
from runs.models import Attempt

WINDOW = samples.WINDOWS["day"]


def waiting() -> QuerySet[Attempt]:
    """All that waits for a place."""
    return Attempt.objects.filter(status=Attempt.Status.QUEUED, node__isnull=True, compute_target__isnull=False)


def use_of(target: ComputeTarget) -> ClusterUse:
    """Steps that have a node of the cluster, and steps that wait for one."""
    is_placed = Attempt.objects.filter(compute_target=target).exclude(status__in=Attempt.ENDS)
    placed = is_placed.filter(node__isnull=False).count()
    return ClusterUse(placed, is_placed.count() - placed)


def waiting_counts(targets: Sequence[UUID]) -> dict[UUID, int]:
    """How many attempts wait for each of these clusters."""
    rows = waiting().filter(compute_target__in=targets).order_by().values_list("compute_target")
    return {key: count for key, count in rows.annotate(n=Count("id")) if key is not None}


def runs_on_nodes(nodes: Sequence[UUID]) -> dict[UUID, UUID]:
    """Which run is on which of these nodes."""
    busy = Attempt.objects.filter(node__in=nodes).exclude(status__in=Attempt.ENDS)
    return dict(busy.values_list("node_id", "run_id"))


def usage_document(target: ComputeTarget) -> dict[str, Any]:
    """Series of the steps on its nodes and of those that waited, from the attempts that are kept; none of a day of rest."""
    until = now()
    since, span = samples.begin_of(until, WINDOW), WINDOW.span.total_seconds()
    recent = Q(finished_at__isnull=True) | Q(finished_at__gte=since)
    rows = Attempt.objects.filter(recent, compute_target=target, queued_at__lte=until)
    attempts = list(rows.values_list("queued_at", "leased_at", "finished_at"))
    # A node is a step's from the moment at which its host takes it until its outputs are in.
    ran = [(leased, finished) for _queued, leased, finished in attempts if leased]
    waited = [(queued, leased or finished) for queued, leased, finished in attempts if queued]
    drawn: dict[str, list[occupancy.Stay]] = {"running": ran, "waiting": waited} if attempts else {}
    return {
        "cluster": target.name,
        "since": iso(since),
        "until": iso(until),
        "span_seconds": span,
        "nodes": target.max_nodes,
        "node_seconds": occupancy.seconds_within(ran, since, until),
        "series": [
            Series(name, "steps", occupancy.most_at_once(stays, since, until, span)).as_document()
            for name, stays in drawn.items()
        ],
    }
