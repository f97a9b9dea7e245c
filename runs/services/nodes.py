"""Nodes that nobody needs leave after the idle time; `min_nodes` come by themselves, and stay."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q

from compute.models import ComputeTarget, Node
from compute.placement import reservation
from core import journal
from core.clock import now
from runs.services.placing import PRESENT, cluster_of, living_hosts, machine_of, make_node


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


def keep_minimum() -> int:
    """Make the nodes that a cluster is to have at all times, as far as hosts have room; how many came."""
    present = Count("nodes", filter=Q(nodes__status__in=PRESENT))
    short = ComputeTarget.objects.filter(min_nodes__gt=0).annotate(present=present).filter(present__lt=F("min_nodes"))
    return sum(_fill(target.pk) for target in short)


@transaction.atomic
def _fill(key: UUID) -> int:
    target = ComputeTarget.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace").get(pk=key)
    lacking = target.min_nodes - Node.objects.filter(compute_target=target, status__in=PRESENT).count()
    hosts = {host.pk: host for host in living_hosts()}
    # An idle node holds nothing of its host, so it needs a host that could carry it, not one that is free now.
    places = [new for host in hosts.values() if (new := reservation(cluster_of(target), machine_of(host)))]
    nodes = [make_node(target, places[number % len(places)], hosts) for number in range(lacking) if places]
    Node.objects.bulk_create(nodes)
    Node.objects.filter(pk__in=[node.pk for node in nodes]).update(idle_since=now())
    if nodes:
        journal.hint(f"list:{target.workspace.name}:compute")
    return len(nodes)
