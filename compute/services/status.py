"""What a cluster is doing, in the words that programs of Azure ML know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from compute import hooks, placement_types, stored_messages
from compute.models import ComputeTarget, Host, Node
from core.clock import iso, now


def status_document(target: ComputeTarget, nodes: Iterable[Node] | None = None) -> dict[str, Any]:
    """The 13 keys of `status.serialize()`, in their order."""
    counts = Counter(node.status for node in (target.nodes.all() if nodes is None else nodes))
    present = sum(counts.values()) - counts[Node.Status.LEAVING]
    # What it is on its way to: as many as there are, within the bounds that it was given.
    wanted = min(max(present, target.min_nodes), target.max_nodes)
    is_moving = wanted != present or bool(counts[Node.Status.PREPARING] or counts[Node.Status.LEAVING])
    state = provisioning_state(target)
    names = ("preparing", "running", "idle", "unusable", "leaving")
    changed = iso(target.resized_at or target.created_at)
    return {
        "currentNodeCount": present,
        "targetNodeCount": wanted,
        "nodeStateCounts": {**{f"{name}NodeCount": counts[name] for name in names}, "preemptedNodeCount": 0},
        "allocationState": "Resizing" if is_moving else "Steady",
        "allocationStateTransitionTime": changed,
        "errors": None,
        "creationTime": iso(target.created_at),
        "modifiedTime": iso(target.modified_at),
        "provisioningState": state,
        "provisioningStateTransitionTime": None,
        "scaleSettings": {
            "minNodeCount": target.min_nodes,
            "maxNodeCount": target.max_nodes,
            "nodeIdleTimeBeforeScaleDown": f"PT{target.idle_seconds}S",
        },
        "vmPriority": "LowPriority" if target.vm_priority == "lowpriority" else "Dedicated",
        "vmSize": target.vm_size,
    }


def provisioning_state(target: ComputeTarget) -> str:
    return "Deleting" if target.is_leaving else "Succeeded"


def living_hosts() -> list[Host]:
    """Hosts that were heard of within a lease."""
    since = now() - timedelta(seconds=settings.DUTO.lease_seconds)
    return list(Host.objects.filter(revoked_at__isnull=True, last_seen_at__gte=since).order_by("id"))


def warnings_of(target: ComputeTarget, hosts: Sequence[Host]) -> list[dict[str, str]]:
    """What is odd about a cluster here: a size that asks for more than any of its hosts has, or no host at all."""
    states = [_state_of(host) for host in hosts if _may_carry(target, host)]
    if not states:
        text = _("No host is connected, so steps wait. Start an agent, or look at the page Compute for why it is away.")
        if hosts:
            text = _("None of the hosts that are connected may carry a node of %(cluster)s, so steps wait.")
            text %= {"cluster": target.name}
        return [{"code": "no_host", "text": text}]
    size = placement_types.Size(target.cores, target.memory, target.gpus)
    cluster = placement_types.Cluster(target.pk, target.name, size, target.vm_size, target.max_nodes, elastic=True)
    reservations = [placement_types.reservation(cluster, state) for state in states]
    if any(each is not None and not each.warning for each in reservations):
        return []
    largest = max(states, key=lambda state: (state.has.gpus, state.has.cores, state.has.memory))
    text = stored_messages.localized(placement_types.warning(cluster, largest))
    if target.policy == ComputeTarget.Policy.STRICT:
        return [{"code": "too_large", "text": text.split(";")[0] + _("; its steps wait (policy strict).")}]
    return [{"code": "shrunk", "text": text}]


def _may_carry(target: ComputeTarget, host: Host) -> bool:
    """Whether the host is the cluster's, takes steps, and runs them as it asks."""
    attached = {each.pk for each in target.hosts.all()}
    is_own = host.workspace_id in (None, target.workspace_id) and (not attached or host.pk in attached)
    return is_own and host.drained_at is None and target.launcher in ("", host.launcher)


def node_documents(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """The nodes of a cluster, each with the run that is on it."""
    keys = [node.pk for node in nodes]
    running = hooks.runs_on_nodes(keys) if keys else {}
    return [
        {
            "id": str(node.pk),
            "name": node.name,
            "state": node.status,
            "host": node.host.name,
            "run": str(running[node.pk]) if node.pk in running else None,
            "cores": node.cores,
            "memory": node.memory,
            "gpus": node.gpus,
            "warning": node.warning,
            "idle_since": iso(node.idle_since),
        }
        for node in nodes
    ]


def _state_of(host: Host) -> placement_types.HostState:
    has = placement_types.Size(host.cores, host.memory, len(host.gpus))
    return placement_types.HostState(host.pk, host.name, has)
