"""Nodes that nobody needs leave after the idle time; `min_nodes` come by themselves, and stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q

from compute.capacity import FreeCapacity
from compute.models import ComputeTarget, Node
from compute.placement_types import NewNode
from core.clock import now
from runs.services.scheduling import cluster_state, nodes
from runs.services.scheduling.cluster_state import ClusterState

N = Node.Status
PRESENT = (N.PREPARING, N.IDLE, N.RUNNING, N.UNUSABLE)
RESTING = (N.PREPARING, N.IDLE, N.UNUSABLE)


@dataclass(frozen=True)
class ScalingPlan:
    """What is to be done about one cluster's resting nodes."""

    lost: list[Node]
    back: list[Node]
    leaving: list[Node]
    new: list[NewNode]

    @property
    def count(self) -> int:
        return len(self.lost) + len(self.back) + len(self.leaving) + len(self.new)


def reconcile_all() -> int:
    """Look at every cluster that has nodes at rest, or lacks some: how many nodes came, went or changed."""
    resting = Count("nodes", filter=Q(nodes__status__in=RESTING))
    present = Count("nodes", filter=Q(nodes__status__in=PRESENT))
    rows = ComputeTarget.objects.annotate(resting=resting, present=present)
    due = list(rows.filter(Q(resting__gt=0) | Q(present__lt=F("min_nodes"))).values_list("pk", flat=True))
    if not due:
        return 0
    found = cluster_state.read(cluster_state.targets_that(Q(pk__in=due), lock=False), lock=False, all_hosts=True)
    # Mostly there is nothing to do, and then nothing is locked.
    return sum(reconcile(key) for key in found.targets if scaling_plan(key, found).count)


@transaction.atomic
def reconcile(key: UUID) -> int:
    """Bring one cluster's resting nodes to what they should be. Busy ones are never touched: they finish, then leave."""
    found = cluster_state.read(cluster_state.targets_that(Q(pk=key), lock=True), lock=True, all_hosts=True)
    if key not in found.targets:
        return 0
    target, due = found.targets[key], scaling_plan(key, found)
    Node.move_all(due.lost, N.UNUSABLE)
    Node.move_all(due.back, N.IDLE, idle_since=now())
    nodes.remove(due.leaving)
    devices = {host.id: [device.uuid for device in host.devices] for host in found.host_states}
    # Which devices a node has is decided with its step; how many is what it is.
    made = [nodes.make_node(target, new, devices[new.host][: new.takes.gpus]) for new in due.new]
    Node.objects.bulk_create(made)
    if due.leaving or due.new:
        ComputeTarget.objects.filter(pk=key).update(resized_at=now())
    if due.count:
        nodes.tell([target])
    return due.count


def scaling_plan(key: UUID, found: ClusterState) -> ScalingPlan:
    """Unusable while their host is silent; gone when it is drained, revoked or no longer the cluster's, when there are
    more than `max_nodes`, or after the idle time; and new ones where fewer than `min_nodes` are there."""
    target, moment = found.targets[key], now()
    mine = [node for node in found.nodes.values() if node.compute_target_id == key]
    silent = {host.pk for host in found.hosts.values() if not cluster_state.is_alive(host)}
    leaving = _leaving(target, mine, found, moment)
    staying = [node for node in mine if node not in leaving]
    speaking = found.hosts.keys() - silent
    return ScalingPlan(
        lost=[node for node in staying if node.status == N.IDLE and node.host_id in silent],
        back=[node for node in staying if node.status in (N.UNUSABLE, N.PREPARING) and node.host_id in speaking],
        leaving=leaving,
        new=_new(target, target.min_nodes - len(staying), found),
    )


def _leaving(target: ComputeTarget, mine: Sequence[Node], found: ClusterState, moment: datetime) -> list[Node]:
    """Resting nodes that are to go: those in the wrong place, those too many, those whose time is over."""
    cluster = next(each for each in found.clusters if each.id == target.pk)
    right = {
        each.id
        for each in FreeCapacity([cluster], [], found.host_states).allowed(cluster)
        if each.drained_at is None and cluster.launcher in ("", each.launcher)
    }
    resting = [node for node in mine if node.status in RESTING]
    resting.sort(key=lambda node: (node.status == N.IDLE, node.idle_since or moment))
    stray = [node for node in resting if node.host_id not in right]
    others = [node for node in resting if node.host_id in right]
    left = len(mine) - len(stray)
    over = others[: max(0, left - target.max_nodes)]
    until = moment - timedelta(seconds=target.idle_seconds)
    idle_expired = [node for node in others[len(over) :] if node.idle_since and node.idle_since < until]
    return [*stray, *over, *idle_expired[: max(0, left - len(over) - target.min_nodes)]]


def _new(target: ComputeTarget, lacking: int, found: ClusterState) -> list[NewNode]:
    """Nodes that wait for steps. Such a node holds nothing, so it needs a host that could carry it when it is free;
    they are dealt out in turn."""
    if lacking <= 0:
        return []
    cluster = next(each for each in found.clusters if each.id == target.pk)
    places = [node for _, node in FreeCapacity([cluster], [], found.host_states).usable(cluster)]
    return [places[number % len(places)] for number in range(lacking) if places]
