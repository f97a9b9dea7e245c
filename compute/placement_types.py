"""What placement speaks of: needs, clusters, nodes, hosts and their devices. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from compute.stored_messages import listed, say
from core.words import size_text

GIB = 1 << 30
# What not every host can do: `conda` (it has a base with micromamba, so that it can build environments with conda
# packages), `r` (it has R), `java:...` (it has a Java for a line of Spark).
Abilities = frozenset[str]
NOTHING: Abilities = frozenset()
# A device that somebody outside the studio computes on is not given away; what a desktop takes does not count.
FREE_SHARE = 0.8


@dataclass(frozen=True)
class Size:
    """What one node of a cluster takes: cores, memory in bytes, number of devices."""

    cores: float = 0
    memory: int = 0
    gpus: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.cores + other.cores, self.memory + other.memory, self.gpus + other.gpus)

    def __sub__(self, other: Size) -> Size:
        return Size(self.cores - other.cores, self.memory - other.memory, self.gpus - other.gpus)

    def __mul__(self, count: int) -> Size:
        return Size(self.cores * count, self.memory * count, self.gpus * count)

    def count_in(self, has: Size) -> int:
        """How many times it fits into this."""
        parts = ((self.cores, has.cores), (self.memory, has.memory), (self.gpus, has.gpus))
        return int(min((whole / part for part, whole in parts if part), default=0) + 1e-9)

    def fits(self, free: Size) -> bool:
        return self.cores <= free.cores + 1e-9 and self.memory <= free.memory and self.gpus <= free.gpus

    def share_of(self, all_: Size) -> float:
        """The largest of its shares of cores, memory and devices."""
        parts = ((self.cores, all_.cores), (self.memory, all_.memory), (self.gpus, all_.gpus))
        return max((part / whole for part, whole in parts if whole), default=0.0)


@dataclass(frozen=True)
class Device:
    """One GPU. Memory in bytes; `used` is what its host has told of it lately, None when it has not."""

    uuid: str
    name: str = "GPU"
    memory: int = 0
    used: int | None = None

    @property
    def has_room(self) -> bool:
        return self.used is None or not self.memory or self.memory - self.used >= FREE_SHARE * self.memory


@dataclass(frozen=True)
class HostState:
    """A host: what it has, what stands on it, and whether it takes steps at all."""

    id: UUID
    name: str
    has: Size
    devices: tuple[Device, ...] = ()
    launcher: str = "process"
    is_alive: bool = True
    seen_at: datetime | None = None
    drained_at: datetime | None = None
    abilities: Abilities = NOTHING

    @property
    def is_queue(self) -> bool:
        """Whether what it is given waits in a queue of its own: then `has` is what one node has at most, and nothing of it is
        held here."""
        return self.launcher == "slurm"


@dataclass(frozen=True)
class Allowance:
    """How many steps of one workspace may run at once over all its clusters, and how many do."""

    workspace: UUID
    most: int
    running: int
    is_archived: bool = False


@dataclass(frozen=True)
class Cluster:
    """Nodes of one size; `hosts` are those that may carry them, None for all hosts there are."""

    id: UUID
    name: str
    size: Size
    size_name: str
    max_nodes: int
    elastic: bool = True
    launcher: str = ""
    hosts: frozenset[UUID] | None = None
    # Of its workspace; None where that may run as many steps as there is room for.
    allowance: Allowance | None = None


@dataclass(frozen=True)
class NodeState:
    """A node that is there. Only a busy one holds anything of its host; `holder` says for whom, in words."""

    id: UUID
    cluster: UUID
    host: UUID
    takes: Size
    gpus: tuple[str, ...] = ()
    is_busy: bool = False
    is_usable: bool = True
    holder: str = ""


@dataclass(frozen=True)
class PlacementRequest:
    """A step that waits: for which cluster, how it is ordered, and where it would like to run.

    `nodes` are given to it at once, all or none.
    """

    id: UUID
    cluster: UUID
    priority: int = 0
    user: UUID | None = None
    who: str = ""
    not_before: datetime | None = None
    # Hosts on which its environment stands, bytes of its inputs that hosts have in their caches, and hosts that wrote its
    # inputs.
    ready: frozenset[UUID] = frozenset()
    cached: Mapping[UUID, int] = field(default_factory=dict, hash=False)
    inputs: frozenset[UUID] = frozenset()
    # What only some hosts can do, and this step needs.
    needs: Abilities = NOTHING
    nodes: int = 1
    # Since when it waits; None: for long.
    since: datetime | None = None


@dataclass(frozen=True)
class NewNode:
    """A node to make for a step: on which host, with what reservation, and what is odd about it."""

    host: UUID
    takes: Size
    # A kept sentence (compute.stored_messages), None where nothing is odd.
    warning: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Assignment:
    """A node of a step: the idle node `slot`, or a new one. `gpus` are the devices that are its alone."""

    need: UUID
    cluster: UUID
    node: NewNode
    gpus: tuple[str, ...] = ()
    slot: UUID | None = None
    # An idle node of the cluster that stands where nothing can run now, and makes way for the new one.
    leaves: UUID | None = None


@dataclass(frozen=True)
class Reason:
    """Why a step waits: a stable code, a sentence with numbers, and the numbers."""

    code: str
    text: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Placement:
    """What a round gives, and for every need that got nothing the reasons why."""

    given: tuple[Assignment, ...] = ()
    refused: Mapping[UUID, tuple[Reason, ...]] = field(default_factory=dict)

    def reasons(self, need: UUID) -> tuple[Reason, ...]:
        """Empty if and only if the need got a place."""
        return self.refused.get(need, ())


def capacity(hosts: Iterable[HostState]) -> Size:
    """All that there is on hosts that take steps: what shares are shares of."""
    return sum((each.has for each in hosts if each.is_alive and each.drained_at is None), Size())


def reservation(cluster: Cluster, host: HostState) -> NewNode | None:
    """What a node of the cluster would take of an empty host; None when it can never fit (policy strict)."""
    size, has = cluster.size, host.has
    takes = Size(min(size.cores, has.cores), min(size.memory, has.memory), min(size.gpus, has.gpus))
    if takes == cluster.size:
        return NewNode(host.id, takes)
    return NewNode(host.id, takes, warning(cluster, host)) if cluster.elastic and takes.cores > 0 else None


def warning(cluster: Cluster, host: HostState) -> dict[str, Any]:
    """One sentence about a size that asks for more than the host has, to be kept or told (compute.stored_messages)."""
    size, has, lacks = cluster.size, host.has, []
    if size.gpus > has.gpus:
        lacks.append(
            say("lacks_gpus", asked=size.gpus, has=has.gpus) if has.gpus else say("lacks_all_gpus", asked=size.gpus)
        )
    if size.cores > has.cores:
        lacks.append(say("lacks_cores", asked=f"{size.cores:g}", has=f"{has.cores:g}"))
    if size.memory > has.memory:
        lacks.append(say("lacks_memory", asked=size_text(size.memory), has=size_text(has.memory)))
    return say("smaller_node", size=cluster.size_name, lacks=listed(lacks), host=host.name)
