"""Which step runs where, and why not yet: a pure function over needs, clusters, nodes and hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from compute.blockers import blockers, delay
from compute.capacity import FreeCapacity
from compute.fair_queue import FairQueue, User
from compute.placement_types import (
    Assignment,
    Cluster,
    Device,
    HostState,
    NewNode,
    NodeState,
    Placement,
    PlacementRequest,
    Reason,
    Size,
    capacity,
)


def place(
    needs: Sequence[PlacementRequest],
    clusters: Sequence[Cluster],
    slots: Sequence[NodeState],
    hosts: Sequence[HostState],
    held: Mapping[User, Size] | None = None,
    at: datetime | None = None,
) -> Placement:
    """Place what waits. `slots` are all nodes of these clusters and the busy ones of others on these hosts.

    `held` is what each user's running steps reserve, `at` the time that delays are compared with. Of the steps of one
    cluster none is placed before one that comes before it; a cluster whose next step finds no room keeps what this
    step needs, so that smaller ones of other clusters cannot overtake it for ever.
    """
    free = FreeCapacity(clusters, slots, hosts)
    queue = FairQueue(needs, held or {}, capacity(hosts))
    given: list[Assignment] = []
    refused: dict[object, tuple[Reason, ...]] = {}
    stuck: dict[object, tuple[Reason, ...]] = {}
    while (need := queue.next()) is not None:
        cluster = free.clusters[need.cluster]
        reasons = delay(need, at) or stuck.get(cluster.id) or blockers(cluster, free, need.needs)
        if not reasons:
            chosen = choose(need, cluster, free)
            free.take(chosen)
            given.append(chosen)
            queue.given(chosen.node.takes)
            continue
        refused[need.id] = reasons
        if cluster.id not in stuck and not delay(need, at):
            stuck[cluster.id] = reasons
            free.keep(cluster, need.needs)
        queue.passed()
    return Placement(tuple(given), refused)  # type: ignore[arg-type]


def choose(need: PlacementRequest, cluster: Cluster, free: FreeCapacity) -> Assignment:
    """The best place of those that there are: where the environment stands, where the inputs were written, where a
    node is idle, then where most is free."""
    host, node = min(free.fitting(cluster, need.needs), key=lambda pair: _preference(need, cluster, free, *pair))
    slot = next(iter(free.idle(cluster, host, node.takes)), None)
    gpus = _devices(free.free_devices(host), node.takes.gpus, slot)
    if slot is not None:
        return Assignment(need.id, cluster.id, node, gpus, slot=slot.id)
    is_full = free.count[cluster.id] >= cluster.max_nodes
    return Assignment(need.id, cluster.id, node, gpus, leaves=free.spare(cluster).id if is_full else None)


def _preference(
    need: PlacementRequest, cluster: Cluster, free: FreeCapacity, host: HostState, node: NewNode
) -> tuple[object, ...]:
    return (
        host.id not in need.ready,
        host.id not in need.inputs,
        not free.idle(cluster, host, node.takes),
        -free.free[host.id].cores,
        host.name,
    )


def _devices(free: Sequence[Device], wanted: int, slot: NodeState | None) -> tuple[str, ...]:
    """Those that the idle node had before, if it can have them again."""
    names = [device.uuid for device in free]
    before = [uuid for uuid in slot.gpus if uuid in names] if slot else []
    return tuple([*before, *(name for name in names if name not in before)][:wanted])
