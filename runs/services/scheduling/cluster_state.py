"""Clusters, nodes and hosts as the pure placement takes them, read in a number of statements that does not grow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from compute import placement_types as values
from compute.models import ComputeTarget, Host, Node
from core.clock import now, parse
from core.prepared import Prepared
from runs.queries.clusters import waiting
from runs.services.scheduling import abilities
from workspaces import limits

# Older samples say nothing about what a device's memory is used for now.
SAMPLE_AGE = timedelta(minutes=2)
N = Node.Status


@dataclass(frozen=True)
class ClusterState:
    """Rows by id, and the values that stand for them."""

    targets: dict[UUID, ComputeTarget]
    hosts: dict[UUID, Host]
    nodes: dict[UUID, Node]
    clusters: list[values.Cluster]
    slots: list[values.NodeState]
    host_states: list[values.HostState]

    def capacity_of(self, target: UUID) -> int:
        """How many more steps the cluster may run at once."""
        busy = sum(slot.is_busy and slot.cluster == target for slot in self.slots)
        return max(0, self.targets[target].max_nodes - busy)


def targets_that(condition: Q | Exists, *, lock: bool) -> QuerySet[ComputeTarget]:
    """Clusters with whether hosts are attached to them; locked in one order, so that rounds never wait in a ring."""
    through = ComputeTarget.hosts.through.objects.filter(computetarget=OuterRef("pk"))
    rows = ComputeTarget.objects.select_related("workspace").annotate(is_attached=Exists(through)).filter(condition)
    rows = rows.select_for_update(no_key=True, of=("self",)) if lock else rows
    return rows.order_by("id")


# Asked for after each end of a step.
_WAITED_FOR: Prepared[ComputeTarget] = Prepared(
    lambda: targets_that(Exists(waiting().filter(compute_target=OuterRef("pk"))), lock=True)
)


def targets_waited_for() -> list[ComputeTarget]:
    """Clusters for which something waits, locked. To be called inside a transaction."""
    return _WAITED_FOR.all()


def read(targets: Iterable[ComputeTarget], *, lock: bool, all_hosts: bool = False) -> ClusterState:
    """What these clusters may use. `lock`: nobody else gives away room of these hosts meanwhile; `all_hosts`: silent
    and drained ones too, which only matter to those who ask why."""
    by_id = {target.pk: target for target in targets}
    hosts = {host.pk: host for host in _hosts(list(by_id.values()), lock=lock, all_hosts=all_hosts)}
    busy = Q(host__in=hosts, status__in=[N.RUNNING, N.LEAVING])
    nodes = {node.pk: node for node in Node.objects.filter(Q(compute_target__in=by_id) | busy)}
    released = _released(nodes.values())
    clusters = [cluster_of(target, hosts.values()) for target in by_id.values()]
    attached = _attached(by_id.values())
    clusters = [_only(cluster, attached.get(cluster.id)) for cluster in clusters]
    clusters = _allowed(clusters, by_id)
    host_states = [host_state_of(host, released) for host in hosts.values()]
    return ClusterState(by_id, hosts, nodes, clusters, [node_state_of(node) for node in nodes.values()], host_states)


def cluster_of(target: ComputeTarget, hosts: Iterable[Host] = ()) -> values.Cluster:
    """Without attached hosts: all hosts of its workspace, and those that serve every workspace."""
    return values.Cluster(
        target.pk,
        target.name,
        values.Size(target.cores, target.memory, target.gpus),
        target.vm_size,
        target.max_nodes,
        target.policy == ComputeTarget.Policy.ELASTIC,
        target.launcher,
        frozenset(host.pk for host in hosts if host.workspace_id in (None, target.workspace_id)),
    )


def _allowed(clusters: list[values.Cluster], targets: Mapping[UUID, ComputeTarget]) -> list[values.Cluster]:
    """The clusters with what their workspaces may run at once; only where one is limited anything is asked."""
    workspaces = {target.workspace_id: target.workspace for target in targets.values()}
    most = {key: limits.of_settings(free.settings).running_steps for key, free in workspaces.items()}
    most |= {key: 0 for key, free in workspaces.items() if free.is_archived or free.deleted_at is not None}
    limited = [key for key, count in most.items() if count]
    busy = Node.objects.filter(compute_target__workspace__in=limited, status__in=[N.RUNNING, N.LEAVING])
    counted = busy.order_by().values_list("compute_target__workspace").annotate(n=Count("id"))
    running: dict[UUID, int] = dict(counted) if limited else {}
    allowed = {
        key: values.Allowance(key, count, running.get(key, 0), workspaces[key].is_archived)
        for key, count in most.items()
        if count is not None
    }
    return [replace(each, allowance=allowed.get(targets[each.id].workspace_id)) for each in clusters]


def host_state_of(host: Host, released: Mapping[str, datetime] | None = None) -> values.HostState:
    """A host as told by its agent. `released`: when a step last gave a device back."""
    gpus = [gpu for gpu in host.gpus if isinstance(gpu, dict) and gpu.get("uuid")]
    used = _used(host, released or {})
    devices = tuple(
        values.Device(
            str(gpu["uuid"]), str(gpu.get("name") or "GPU"), int(gpu.get("memory") or 0), used.get(gpu["uuid"])
        )
        for gpu in gpus
    )
    return values.HostState(
        host.pk,
        host.name,
        values.Size(host.cores, host.memory, len(devices)),
        devices,
        host.launcher,
        is_alive(host),
        host.last_seen_at,
        host.drained_at,
        abilities.of_host(host),
    )


def node_state_of(node: Node) -> values.NodeState:
    takes = values.Size(node.cores, node.memory, len(node.gpus))
    return values.NodeState(
        node.pk,
        node.compute_target_id,
        node.host_id,
        takes,
        tuple(node.gpus),
        # One that leaves with its step still holds all that it held.
        is_busy=node.status in (N.RUNNING, N.LEAVING),
        is_usable=node.status == N.IDLE,
    )


def alive_since() -> datetime:
    """Hosts that were heard of since then are alive: a lease ago."""
    return now() - timedelta(seconds=settings.DUTO.lease_seconds)


def is_alive(host: Host) -> bool:
    return host.last_seen_at is not None and host.last_seen_at >= alive_since()


def _hosts(targets: list[ComputeTarget], *, lock: bool, all_hosts: bool) -> Iterable[Host]:
    workspaces = {target.workspace_id for target in targets}
    if lock and not all_hosts and len(workspaces) == 1:
        return _HOSTS_OF_ONE.all(*workspaces, alive_since())
    rows = _serving(Q(workspace__in=workspaces), lock=lock)
    return rows if all_hosts else _speaking(rows, alive_since())


def _serving(workspaces: Q, *, lock: bool) -> QuerySet[Host]:
    rows = Host.objects.filter(Q(workspace__isnull=True) | workspaces, revoked_at__isnull=True).order_by("id")
    return rows.select_for_update(no_key=True) if lock else rows


def _speaking(hosts: QuerySet[Host], since: datetime) -> QuerySet[Host]:
    return hosts.filter(drained_at__isnull=True, last_seen_at__gte=since)


_HOSTS_OF_ONE: Prepared[Host] = Prepared(
    lambda workspace, since: _speaking(_serving(Q(workspace=workspace), lock=True), since), UUID, datetime
)


def _attached(targets: Iterable[ComputeTarget]) -> dict[UUID, frozenset[UUID]]:
    """The hosts that a cluster names, for clusters that name some; without any no statement."""
    keys = [target.pk for target in targets if getattr(target, "is_attached", False)]
    found: dict[UUID, set[UUID]] = {key: set() for key in keys}
    if keys:
        through = ComputeTarget.hosts.through.objects.filter(computetarget__in=keys)
        for target, host in through.values_list("computetarget_id", "host_id"):
            found[target].add(host)
    return {key: frozenset(hosts) for key, hosts in found.items()}


def _only(cluster: values.Cluster, attached: frozenset[UUID] | None) -> values.Cluster:
    """The cluster on the hosts that it names. A host that has gone to another workspace since is none of its own."""
    if attached is None:
        return cluster
    own = cluster.hosts or frozenset()
    return replace(cluster, hosts=own & attached)


def _released(nodes: Iterable[Node]) -> dict[str, datetime]:
    """When the idle nodes gave their devices back: what was sampled before is what their steps used."""
    found: dict[str, datetime] = {}
    for node in nodes:
        if node.idle_since is None:
            continue
        for uuid in node.gpus:
            found[uuid] = max(node.idle_since, found[uuid]) if uuid in found else node.idle_since
    return found


def _used(host: Host, released: Mapping[str, datetime]) -> dict[str, int]:
    """Bytes in use of each device, where the host has told it lately and no step has given it back since."""
    sample = host.facts.get("sample") if isinstance(host.facts, dict) else None
    if not isinstance(sample, dict):
        return {}
    at = parse(sample.get("at")) or host.last_seen_at
    if at is None or at < now() - SAMPLE_AGE:
        return {}
    gpus = [gpu for gpu in sample.get("gpus") or [] if isinstance(gpu, dict) and isinstance(gpu.get("memory"), int)]
    return {
        str(gpu["uuid"]): gpu["memory"]
        for gpu in gpus
        if gpu.get("uuid") and not (released.get(gpu["uuid"]) and released[gpu["uuid"]] >= at)
    }
