"""Nodes that nobody needs leave after the idle time; `min_nodes` stay."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from compute.models import ComputeTarget, Node
from core import journal
from core.clock import now
from runs.services.placing import PRESENT


def scale_down() -> int:
    """Let idle nodes go whose time is over; how many went."""
    targets = ComputeTarget.objects.filter(nodes__status=Node.Status.IDLE).distinct().select_related("workspace")
    return sum(_shrink(target) for target in targets)


@transaction.atomic
def _shrink(target: ComputeTarget) -> int:
    locked = ComputeTarget.objects.select_for_update(no_key=True).get(pk=target.pk)
    until = now() - timedelta(seconds=locked.idle_seconds)
    spare = Node.objects.filter(compute_target=target, status__in=PRESENT).count() - locked.min_nodes
    over = Node.objects.filter(compute_target=target, status__in=PRESENT).count() - locked.max_nodes
    idle = Node.objects.filter(compute_target=target, status=Node.Status.IDLE).order_by("idle_since")
    leaving = list(idle[: max(0, over)]) or list(idle.filter(idle_since__lt=until)[: max(0, spare)])
    if not leaving:
        return 0
    Node.move_all(leaving, Node.Status.LEAVING)
    Node.objects.filter(pk__in=[node.pk for node in leaving]).delete()
    ComputeTarget.objects.filter(pk=target.pk).update(resized_at=now())
    journal.hint(f"list:{target.workspace.name}:compute")
    return len(leaving)
