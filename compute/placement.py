"""Which step runs where, and why not yet: a pure function over a queue, nodes and machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

GIB = 1 << 30


@dataclass(frozen=True)
class Size:
    """What one node of a cluster takes: cores, memory in bytes, devices."""

    cores: float
    memory: int
    gpus: int = 0


@dataclass(frozen=True)
class Machine:
    """A living host: what it has, and what running nodes have left of it."""

    id: UUID
    name: str
    has: Size
    free: Size


@dataclass(frozen=True)
class Cluster:
    name: str
    size: Size
    size_name: str
    max_nodes: int
    elastic: bool


@dataclass(frozen=True)
class IdleNode:
    id: UUID
    machine: UUID
    takes: Size


@dataclass(frozen=True)
class NewNode:
    """A node to make for a step: on which machine, with what reservation."""

    machine: UUID
    takes: Size
    warning: str = ""


@dataclass(frozen=True)
class Reason:
    """Why a step waits: a stable code, a sentence with numbers, and the numbers."""

    code: str
    text: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Placement:
    """Steps that got an idle node, steps that get a new one, and why the next one in the queue waits."""

    reused: tuple[tuple[UUID, UUID], ...] = ()
    made: tuple[tuple[UUID, NewNode], ...] = ()
    reasons: tuple[Reason, ...] = ()


def place(
    queue: Sequence[UUID], cluster: Cluster, idle: Sequence[IdleNode], node_count: int, machines: Sequence[Machine]
) -> Placement:
    """Place the queue in its order. `node_count` counts all nodes of the cluster, idle ones included.

    Reasons are given if and only if a step of the queue got no place.
    """
    free = {machine.id: machine.free for machine in machines}
    waiting_nodes = [node for node in idle if node.machine in free]
    reused: list[tuple[UUID, UUID]] = []
    made: list[tuple[UUID, NewNode]] = []
    count = node_count
    for step in queue:
        node = next((n for n in waiting_nodes if _fits(n.takes, free[n.machine])), None)
        if node is not None:
            waiting_nodes.remove(node)
            free[node.machine] = _minus(free[node.machine], node.takes)
            reused.append((step, node.id))
            continue
        new = _new_node(cluster, machines, free) if count < cluster.max_nodes else None
        if new is None:
            return Placement(tuple(reused), tuple(made), tuple(_reasons(cluster, machines, free, count)))
        count += 1
        free[new.machine] = _minus(free[new.machine], new.takes)
        made.append((step, new))
    return Placement(tuple(reused), tuple(made))


def reservation(cluster: Cluster, machine: Machine) -> NewNode | None:
    """What a node of the cluster would take of an empty machine; None when it can never fit (policy strict)."""
    size, has = cluster.size, machine.has
    takes = Size(min(size.cores, has.cores), min(size.memory, has.memory), min(size.gpus, has.gpus))
    if takes == cluster.size:
        return NewNode(machine.id, takes)
    return NewNode(machine.id, takes, warning(cluster, machine)) if cluster.elastic and takes.cores > 0 else None


def warning(cluster: Cluster, machine: Machine) -> str:
    """One sentence about a size that asks for more than the machine has."""
    lacks = []
    if cluster.size.gpus > machine.has.gpus:
        lacks.append(f"{cluster.size.gpus} GPU (it has {machine.has.gpus or 'none'})")
    if cluster.size.cores > machine.has.cores:
        lacks.append(f"{cluster.size.cores:g} cores (it has {machine.has.cores:g})")
    if cluster.size.memory > machine.has.memory:
        lacks.append(f"{cluster.size.memory / GIB:.0f} GiB of memory (it has {machine.has.memory / GIB:.0f})")
    return f"{cluster.size_name} asks for {' and '.join(lacks)} on {machine.name}; the step runs with what there is."


def _new_node(cluster: Cluster, machines: Sequence[Machine], free: Mapping[UUID, Size]) -> NewNode | None:
    """A node on the machine with the most free cores, so that steps spread."""
    for machine in sorted(machines, key=lambda m: (-free[m.id].cores, m.name)):
        new = reservation(cluster, machine)
        if new is not None and _fits(new.takes, free[machine.id]):
            return new
    return None


def _reasons(cluster: Cluster, machines: Sequence[Machine], free: Mapping[UUID, Size], count: int) -> list[Reason]:
    if not machines:
        return [
            Reason("no_host", "No host is connected. Start an agent, or look at the page Compute for why it is away.")
        ]
    if not any(reservation(cluster, machine) for machine in machines):
        text = f"No host is large enough for {cluster.size_name} ({cluster.size.cores:g} cores, {cluster.size.memory / GIB:.0f} GiB, {cluster.size.gpus} GPU)."
        return [Reason("too_large", text, {"size": cluster.size_name})]
    reasons = []
    if count >= cluster.max_nodes:
        text = f"All {cluster.max_nodes} nodes of {cluster.name} are busy."
        reasons.append(Reason("cluster_full", text, {"max_nodes": cluster.max_nodes}))
    fitting = [m for m in machines if (new := reservation(cluster, m)) and _fits(new.takes, free[m.id])]
    if not fitting:
        cores = sum(free[m.id].cores for m in machines)
        text = f"The hosts have {cores:g} cores free; a node of {cluster.name} takes {min(cluster.size.cores, max(m.has.cores for m in machines)):g}."
        reasons.append(Reason("host_full", text, {"free_cores": cores}))
    return reasons


def _fits(takes: Size, free: Size) -> bool:
    return all(asked <= there + 1e-9 for asked, there in zip(_tuple(takes), _tuple(free), strict=True))


def _minus(free: Size, takes: Size) -> Size:
    return Size(free.cores - takes.cores, free.memory - takes.memory, free.gpus - takes.gpus)


def _tuple(size: Size) -> tuple[float, int, int]:
    return size.cores, size.memory, size.gpus
