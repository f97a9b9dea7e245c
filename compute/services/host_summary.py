"""One host as pages and REST tell it: whether it speaks, what is reserved on it, what it used lately."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from compute import samples
from compute.models import Host, HostSample, Node
from compute.placement_types import Size
from compute.services import status
from core.clock import iso, now
from core.errors import Invalid, NotFound
from workspaces.models import AuditEntry, Workspace

# An agent calls at least each ten seconds; three missed calls are silence.
SILENT = timedelta(seconds=35)
MOST_NODES = 500
N = Node.Status
# A node that leaves with its step still on it holds what it held.
HOLDING = (N.RUNNING, N.LEAVING)


@dataclass(frozen=True)
class Card:
    """`nodes` are the workspace's own; of what other workspaces hold only the sum is told."""

    host: Host
    state: str
    drained_by: str
    nodes: list[Node]
    mine: Size
    others: Size

    def as_document(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "drained_by": self.drained_by,
            "held": {"workspace": _serialize(self.mine), "others": _serialize(self.others)},
            "nodes": status.node_documents(self.nodes),
        }


def is_alive(host: Host, moment: datetime) -> bool:
    return bool(host.last_seen_at and moment - host.last_seen_at < SILENT)


def state_of(host: Host, moment: datetime) -> str:
    """`detached`, `unheard` (invited, its agent has not spoken yet), `alive` or `silent`."""
    if host.revoked_at is not None:
        return "detached"
    if host.last_seen_at is None:
        return "unheard"
    return "alive" if is_alive(host, moment) else "silent"


def known_host(workspace: Workspace, name: str) -> Host:
    """A host of the workspace or of all, also one that was detached. Raises NotFound."""
    host = Host.objects.filter(Q(workspace=workspace) | Q(workspace__isnull=True), name=name).first()
    if host is None:
        raise NotFound(
            _("There is no host '%(name)s' in workspace '%(workspace)s'.")
            % {"name": name, "workspace": workspace.name},
            code="unknown_host",
        )
    return host


def card_of(workspace: Workspace, host: Host) -> Card:
    """Two queries, one more if it is drained; with how many nodes does not matter."""
    rows = list(Node.objects.filter(host=host).select_related("compute_target", "host").order_by("name")[:MOST_NODES])
    mine = [node for node in rows if node.compute_target.workspace_id == workspace.pk]
    others = [node for node in rows if node.compute_target.workspace_id != workspace.pk]
    return Card(host, state_of(host, now()), _drained_by(workspace, host), mine, held_by(mine), held_by(others))


def devices_of(host: Host) -> list[dict[str, Any]]:
    """Its GPUs. Rows of before facts were read with care may hold anything."""
    return [each for each in host.gpus if isinstance(each, dict)] if isinstance(host.gpus, list) else []


def part_of(host: Host, name: str) -> dict[str, Any]:
    """One of the objects among its facts, empty if it told none."""
    part = host.facts.get(name) if isinstance(host.facts, dict) else None
    return part if isinstance(part, dict) else {}


def disk_of(host: Host) -> int:
    """Bytes of the disk that its agent works on, 0 if it did not tell."""
    total = host.facts.get("disk_total") if isinstance(host.facts, dict) else None
    return total if isinstance(total, int) else 0


def held_by(nodes: Iterable[Node]) -> Size:
    """What busy nodes reserve. Idle ones hold nothing."""
    busy = [node for node in nodes if node.status in HOLDING]
    return sum((Size(node.cores, node.memory, len(node.gpus)) for node in busy), Size())


def usage_document(host: Host, window: str) -> dict[str, Any]:
    """What the host used over the last `hour` or `day`, as series. Raises Invalid for another window."""
    if window not in samples.WINDOWS:
        raise Invalid(
            _("'window' is one of %(names)s, not %(window)r.") % {"names": ", ".join(samples.WINDOWS), "window": window}
        )
    chosen, until = samples.WINDOWS[window], now()
    since = samples.begin_of(until, chosen)
    disk, devices = disk_of(host), devices_of(host)
    whole = samples.Whole(host.cores, disk, [str(each.get("uuid")) for each in devices])
    rows = HostSample.objects.filter(host=host, at__gte=since, at__lte=until).values_list("at", "data")
    return {
        "host": host.name,
        "since": iso(since),
        "until": iso(until),
        "span_seconds": chosen.span.total_seconds(),
        "cores": host.cores,
        "memory": host.memory,
        "disk_total": disk,
        "devices": devices,
        "series": [each.as_document() for each in samples.series(rows, whole, until, chosen)],
    }


def _drained_by(workspace: Workspace, host: Host) -> str:
    """Who drained it, if that was somebody of this workspace."""
    if host.drained_at is None:
        return ""
    rows = AuditEntry.objects.filter(workspace=workspace, action="host.drained", target=host.name)
    return rows.order_by("-id").values_list("actor", flat=True).first() or ""


def _serialize(size: Size) -> dict[str, Any]:
    return {"cores": size.cores, "memory": size.memory, "gpus": size.gpus}
