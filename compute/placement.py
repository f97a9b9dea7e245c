"""Which step runs where, and why not yet: a pure function over needs, clusters, nodes and hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from compute.blockers import blockers, delay, kept_for, too_few
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

# So long a step that needs several nodes at once is overtaken by what finds room; then room is kept for it.
OVERTAKEN_FOR = timedelta(minutes=1)


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
    step needs, so that smaller ones of other clusters cannot overtake it for ever. A step of several nodes gets all or none.
    """
    free = FreeCapacity(clusters, slots, hosts)
    queue = FairQueue(needs, held or {}, capacity(hosts))
    given: list[Assignment] = []
    refused: dict[object, tuple[Reason, ...]] = {}
    stuck: dict[object, tuple[Reason, ...]] = {}
    while (need := queue.next()) is not None:
        cluster = free.clusters[need.cluster]
        early = delay(need, at)
        chosen, reasons = (
            ((), early or stuck[cluster.id]) if early or cluster.id in stuck else _try(need, cluster, free)
        )
        if not reasons:
            for one in chosen:
                free.take(one)
            given += chosen
            queue.given(sum((one.node.takes for one in chosen), Size()))
            continue
        refused[need.id] = reasons
        if not early and cluster.id not in stuck and _holds_back(need, cluster, free, at):
            stuck[cluster.id] = reasons if need.nodes == 1 else kept_for(need, cluster)
            free.keep(cluster, need.needs, need.nodes)
        queue.passed()
    return Placement(tuple(given), refused)  # type: ignore[arg-type]


def _try(
    need: PlacementRequest, cluster: Cluster, free: FreeCapacity
) -> tuple[Sequence[Assignment], tuple[Reason, ...]]:
    """All its nodes, or none and why."""
    if need.nodes == 1:
        reasons = blockers(cluster, free, need.needs)
        return ((), reasons) if reasons else ([choose(need, cluster, free)], ())
    trial, chosen = free.copied(), list[Assignment]()
    while len(chosen) < need.nodes:
        if blockers(cluster, trial, need.needs):
            return (), (*too_few(need, len(chosen), cluster, free), *blockers(cluster, free, need.needs))
        chosen.append(choose(need, cluster, trial))
        trial.take(chosen[-1])
    return chosen, ()


def _holds_back(need: PlacementRequest, cluster: Cluster, free: FreeCapacity, at: datetime | None) -> bool:
    """Whether what comes behind a step that finds no room waits for it. What needs several nodes at once lets others go
    first for a while, and for good where the cluster can never have so many."""
    if need.nodes == 1:
        return True
    is_young = at is not None and need.since is not None and at - need.since < OVERTAKEN_FOR
    return not is_young and need.nodes <= free.most_nodes(cluster, need.needs)


def choose(need: PlacementRequest, cluster: Cluster, free: FreeCapacity) -> Assignment:
    """The best place of those that there are: where the environment stands, where most bytes of the inputs are in the cache,
    where the inputs were written, where a node is idle, then where most is free."""
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
        -need.cached.get(host.id, 0),
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
