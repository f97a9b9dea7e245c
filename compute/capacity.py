"""What is left while a round of placement goes on: of hosts, of devices, and of clusters' nodes."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from compute.placement_types import (
    NOTHING,
    Abilities,
    Assignment,
    Cluster,
    Device,
    HostState,
    NewNode,
    NodeState,
    Size,
    reservation,
)


class FreeCapacity:
    """Starts as things stand; each place taken and each claim kept makes it smaller."""

    def __init__(self, clusters: Sequence[Cluster], slots: Sequence[NodeState], hosts: Sequence[HostState]) -> None:
        self.clusters = {cluster.id: cluster for cluster in clusters}
        self.hosts = list(hosts)
        # Steps of these wait in a queue behind the host: they hold nothing of it here, and are as many as their cluster may have.
        self._queues = {host.id for host in hosts if host.is_queue}
        self.free = {host.id: Size(host.has.cores, host.has.memory, 0) for host in hosts}
        self.count = Counter(slot.cluster for slot in slots)
        self.busy = Counter(slot.cluster for slot in slots if slot.is_busy)
        self.holders: dict[UUID, list[NodeState]] = defaultdict(list)
        # What is kept on a host for a step that waits for it, by the name of its cluster.
        self.kept: dict[UUID, list[tuple[str, Size]]] = defaultdict(list)
        self._held: dict[UUID, set[str]] = defaultdict(set)
        # By cluster, then by host: a round asks for those of one host once for each place that it gives.
        self._resting: dict[UUID, dict[UUID, dict[UUID, NodeState]]] = defaultdict(lambda: defaultdict(dict))
        self._host_of = {slot.id: slot.host for slot in slots}
        # Steps that were placed in this round, by workspace: clusters of one share its allowance.
        self._placed: Counter[UUID] = Counter()
        self._usable: dict[tuple[UUID, Abilities], list[tuple[HostState, NewNode]]] = {}
        for slot in slots:
            if not slot.is_busy:
                self._resting[slot.cluster][slot.host][slot.id] = slot
            elif slot.host in self.free and slot.host not in self._queues:
                self.free[slot.host] -= Size(slot.takes.cores, slot.takes.memory)
                self._held[slot.host] |= set(slot.gpus)
                self.holders[slot.host].append(slot)

    def copied(self) -> FreeCapacity:
        """The same once more, to try out what would be given."""
        other = copy.copy(self)
        other.free, other.count, other.busy = dict(self.free), self.count.copy(), self.busy.copy()
        other._held = defaultdict(set, {key: set(held) for key, held in self._held.items()})
        other._placed = self._placed.copy()
        other._resting = defaultdict(lambda: defaultdict(dict))
        for cluster, hosts in self._resting.items():
            for host, slots in hosts.items():
                other._resting[cluster][host] = dict(slots)
        return other

    # --- what there is ---

    def allowed(self, cluster: Cluster) -> list[HostState]:
        """Hosts that the cluster may stand on, whatever their state."""
        return [host for host in self.hosts if cluster.hosts is None or host.id in cluster.hosts]

    def usable(self, cluster: Cluster, needs: Abilities = NOTHING) -> list[tuple[HostState, NewNode]]:
        """Hosts that could carry a node if they were empty. Only where none has all of the size is it shrunk."""
        key = (cluster.id, needs)
        if key not in self._usable:
            pairs = [
                (host, node)
                for host in self.allowed(cluster)
                if takes_steps(host, cluster, needs) and (node := reservation(cluster, host)) is not None
            ]
            whole = [pair for pair in pairs if not pair[1].warning]
            self._usable[key] = whole or pairs
        return self._usable[key]

    def most_nodes(self, cluster: Cluster, needs: Abilities = NOTHING) -> int:
        """How many nodes the cluster could have at once if nothing else stood on its hosts."""
        there = (
            cluster.max_nodes if host.is_queue else node.takes.count_in(host.has)
            for host, node in self.usable(cluster, needs)
        )
        return min(cluster.max_nodes, sum(there))

    def fitting(self, cluster: Cluster, needs: Abilities = NOTHING) -> list[tuple[HostState, NewNode]]:
        """Hosts that could carry a node now."""
        return [(host, node) for host, node in self.usable(cluster, needs) if self.fits(node.takes, host)]

    def fits(self, takes: Size, host: HostState) -> bool:
        free = self.free[host.id]
        return takes.fits(Size(free.cores, free.memory, len(self.free_devices(host)) if takes.gpus else 0))

    def free_devices(self, host: HostState) -> list[Device]:
        """Devices that no step has, and nobody else computes on."""
        return [each for each in self.unheld(host) if each.has_room]

    def unheld(self, host: HostState) -> list[Device]:
        held = self._held[host.id]
        return [device for device in host.devices if device.uuid not in held]

    def idle(self, cluster: Cluster, host: HostState, takes: Size) -> list[NodeState]:
        """Nodes of the cluster on the host that can serve a step as they are."""
        return [slot for slot in self._resting[cluster.id][host.id].values() if slot.is_usable and slot.takes == takes]

    def spare(self, cluster: Cluster) -> NodeState:
        """A node of the cluster that may make way for one elsewhere. There is one while not all are busy."""
        resting = (slot for there in self._resting[cluster.id].values() for slot in there.values())
        return min(resting, key=lambda slot: (slot.is_usable, slot.id))

    def may_start(self, cluster: Cluster) -> bool:
        """Whether its workspace may run one more step."""
        allowed = cluster.allowance
        return allowed is None or allowed.running + self._placed[allowed.workspace] < allowed.most

    # --- what becomes of it ---

    def take(self, place: Assignment) -> None:
        if (allowed := self.clusters[place.cluster].allowance) is not None:
            self._placed[allowed.workspace] += 1
        host, takes = place.node.host, place.node.takes
        if host not in self._queues:
            self.free[host] -= Size(takes.cores, takes.memory)
            self._held[host] |= set(place.gpus)
        self.busy[place.cluster] += 1
        self.count[place.cluster] += int(place.slot is None) - int(place.leaves is not None)
        for gone in (place.slot, place.leaves):
            if gone is not None:
                del self._resting[place.cluster][self._host_of[gone]][gone]

    def keep(self, cluster: Cluster, needs: Abilities = NOTHING, nodes: int = 1) -> None:
        """Keep room for the cluster's next step where it will come soonest, if running steps are what it waits for: for as
        many of its nodes as the cluster may have beside its busy ones."""
        if not self.may_start(cluster):
            return
        mine: Counter[UUID] = Counter()
        for _ in range(min(nodes, cluster.max_nodes - self.busy[cluster.id])):
            pairs = [
                (host, node)
                for host, node in self.usable(cluster, needs)
                if not host.is_queue
                and self._will_fit(node.takes, host)
                and mine[host.id] < node.takes.count_in(host.has)
            ]
            if not pairs:
                return
            host, node = max(pairs, key=lambda pair: (self.free[pair[0].id].cores, pair[0].name))
            self.free[host.id] -= Size(node.takes.cores, node.takes.memory)
            self._held[host.id] |= {device.uuid for device in self.free_devices(host)[: node.takes.gpus]}
            self.kept[host.id].append((cluster.name, node.takes))
            mine[host.id] += 1

    def _will_fit(self, takes: Size, host: HostState) -> bool:
        """Whether the end of running steps can make room: a device that others compute on does not come free by it."""
        lost = sum(not device.has_room for device in self.unheld(host))
        return len(host.devices) - lost >= takes.gpus


def takes_steps(host: HostState, cluster: Cluster, needs: Abilities = NOTHING) -> bool:
    """Whether the host is there, is not drained, and runs steps the way the cluster asks for, those that need this."""
    is_there = host.is_alive and host.drained_at is None and cluster.launcher in ("", host.launcher)
    return is_there and needs <= host.abilities
