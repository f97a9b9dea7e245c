"""What a cluster did over the last day: how many of its nodes had a step, and how many steps waited for one."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from compute import samples
from compute.models import ComputeTarget
from core.clock import iso, now
from core.series import Series
from runs import occupancy
from runs.models import Attempt

WINDOW = samples.WINDOWS["day"]


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
