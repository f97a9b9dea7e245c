"""What the pages about machines may show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _

from compute.models import ComputeTarget, Host, Node
from core.clock import now
from core.errors import NotFound
from core.paging import Page, page_of
from workspaces.models import Workspace

# An agent calls at least each ten seconds; three missed calls are silence.
SILENT = timedelta(seconds=35)
MOST_HOSTS = 100
N = Node.Status
ORDER = (N.RUNNING, N.IDLE, N.PREPARING, N.UNUSABLE)


@dataclass(frozen=True)
class ClusterRow:
    """A cluster with its nodes by state."""

    target: ComputeTarget
    states: dict[str, int]
    warnings: list[str]

    @property
    def up(self) -> int:
        return sum(self.states.values())

    @property
    def busy(self) -> int:
        return self.states.get(Node.Status.RUNNING, 0)

    @property
    def words(self) -> list[tuple[int, str]]:
        """Nodes by state, those that work first."""
        return [(self.states[state.value], str(state.label).lower()) for state in ORDER if self.states.get(state.value)]


@dataclass(frozen=True)
class HostRow:
    """A machine, and whether its agent still speaks."""

    host: Host
    is_alive: bool
    nodes: int


@dataclass(frozen=True)
class ComputePage:
    """What compute/list.html may show."""

    rows: list[ClusterRow]
    next: str | None
    hosts: list[HostRow]
    topic: str


@dataclass(frozen=True)
class ClusterPage:
    """What compute/cluster.html may show."""

    row: ClusterRow
    nodes: list[Node]
    topic: str


def compute_page(workspace: Workspace, after: str | None) -> ComputePage:
    """Five queries, however many clusters and hosts."""
    page: Page[ComputeTarget] = page_of(ComputeTarget.objects.filter(workspace=workspace), after=after)
    return ComputePage(_rows(page.items), page.next, _hosts(), f"list:{workspace.name}:compute")


def cluster_page(workspace: Workspace, name: str) -> ClusterPage:
    target = cluster_of(workspace, name)
    nodes = list(
        Node.objects.filter(compute_target=target)
        .exclude(status=Node.Status.LEAVING)
        .select_related("host")
        .order_by("name")[:500]
    )
    return ClusterPage(_row(target, nodes), nodes, f"list:{workspace.name}:compute")


def cluster_of(workspace: Workspace, name: str) -> ComputeTarget:
    """Raises NotFound."""
    target = ComputeTarget.objects.filter(workspace=workspace, name=name).first()
    if target is None:
        raise NotFound(_("There is no cluster “%(name)s” in this workspace.") % {"name": name})
    return target


def nodes_text(workspace: Workspace) -> str | None:
    """Busy nodes of all that may come, in the frame's few letters."""
    rows = list(ComputeTarget.objects.filter(workspace=workspace).values_list("id", "max_nodes"))
    if not rows:
        return None
    busy = Node.objects.filter(compute_target_id__in=[row[0] for row in rows], status=Node.Status.RUNNING).count()
    return f"{busy} / {sum(row[1] for row in rows)}"


def _rows(targets: list[ComputeTarget]) -> list[ClusterRow]:
    nodes = list(Node.objects.filter(compute_target__in=targets).exclude(status=Node.Status.LEAVING))
    return [_row(target, [node for node in nodes if node.compute_target_id == target.pk]) for target in targets]


def _row(target: ComputeTarget, nodes: list[Node]) -> ClusterRow:
    warnings = list(dict.fromkeys(node.warning for node in nodes if node.warning))
    return ClusterRow(target, dict(Counter(node.status for node in nodes)), warnings)


def _hosts() -> list[HostRow]:
    hosts = list(Host.objects.filter(revoked_at__isnull=True).order_by("name")[:MOST_HOSTS])
    counts = Counter(
        Node.objects.filter(host__in=hosts).exclude(status=Node.Status.LEAVING).values_list("host_id", flat=True)
    )
    moment = now()
    return [
        HostRow(host, bool(host.last_seen_at and moment - host.last_seen_at < SILENT), counts[host.pk])
        for host in hosts
    ]
