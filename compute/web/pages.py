"""What the pages about machines may show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django.utils.translation import gettext as _

from compute.models import ComputeTarget, Host, Node
from compute.services import status
from compute.services.host_summary import HOLDING, held_by, is_alive
from compute.services.hosts import hosts_of
from compute.web import machines
from compute.web.gauges import Gauge, gauges
from core.clock import now
from core.errors import NotFound
from core.paging import Page, page_of
from workspaces.models import Workspace

MOST_HOSTS = 100
N = Node.Status
ORDER = (N.RUNNING, N.IDLE, N.PREPARING, N.UNUSABLE, N.LEAVING)


@dataclass(frozen=True)
class ClusterRow:
    """A cluster with its nodes by state."""

    target: ComputeTarget
    states: dict[str, int]
    warnings: list[str]
    waiting: int = 0

    @property
    def up(self) -> int:
        return sum(self.states.values())

    @property
    def busy(self) -> int:
        return self.states.get(Node.Status.RUNNING, 0)

    @property
    def words(self) -> list[str]:
        """Nodes by state, those that work first: `2 running`."""
        told = [(self.states[state.value], str(state.label).lower()) for state in ORDER if self.states.get(state.value)]
        return [_("%(n)d %(state)s") % {"n": count, "state": word} for count, word in told]


@dataclass(frozen=True)
class HostRow(machines.Described):
    """A machine, and whether its agent still speaks."""

    host: Host
    is_alive: bool
    nodes: int

    @property
    def devices(self) -> list[tuple[int, str, int]]:
        return machines.devices(self.host)


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
    hosts: list[Host]
    is_on_all: bool
    gauges: list[Gauge]
    notes: list[str]
    topic: str


def compute_page(workspace: Workspace, after: str | None) -> ComputePage:
    """Six queries, however many clusters and hosts."""
    page: Page[ComputeTarget] = page_of(ComputeTarget.objects.filter(workspace=workspace), after=after)
    return ComputePage(_rows(page.items), page.next, _hosts(workspace), f"list:{workspace.name}:compute")


def cluster_page(workspace: Workspace, name: str) -> ClusterPage:
    """Five queries, however many nodes and hosts."""
    target = cluster_of(workspace, name)
    nodes = list(Node.objects.filter(compute_target=target).select_related("host").order_by("name")[:500])
    attached = list(target.hosts.order_by("name"))
    hosts = attached or list(hosts_of(workspace))
    on = [host for host in hosts if host.workspace_id in (None, workspace.pk) and host.revoked_at is None]
    busy = list(Node.objects.filter(host__in=on, status__in=HOLDING))
    moment = now()
    alive = [host for host in on if is_alive(host, moment)]
    notes = [each["text"] for each in status.warnings_of(target, alive)]
    shown = [node for node in nodes if node.status != N.LEAVING or node in busy]
    gauges = _gauges(target, alive, busy)
    return ClusterPage(_row(target, shown), shown, on, not attached, gauges, notes, f"list:{workspace.name}:compute")


def _gauges(target: ComputeTarget, hosts: list[Host], busy: list[Node]) -> list[Gauge]:
    """What running nodes hold of the living hosts of a cluster."""
    keys = {host.pk for host in hosts}
    on = [node for node in busy if node.host_id in keys]
    mine = [node for node in on if node.compute_target_id == target.pk]
    others = [node for node in on if node.compute_target_id != target.pk]
    return gauges(hosts, held_by(mine), held_by(others))


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
    waiting = status.waiting_counts([target.pk for target in targets])
    by_target = {target.pk: [node for node in nodes if node.compute_target_id == target.pk] for target in targets}
    return [_row(target, by_target[target.pk], waiting.get(target.pk, 0)) for target in targets]


def _row(target: ComputeTarget, nodes: list[Node], waiting: int = 0) -> ClusterRow:
    warnings = list(dict.fromkeys(node.warning for node in nodes if node.warning))
    return ClusterRow(target, dict(Counter(node.status for node in nodes)), warnings, waiting)


def _hosts(workspace: Workspace) -> list[HostRow]:
    hosts = list(hosts_of(workspace)[:MOST_HOSTS])
    counts = Counter(
        Node.objects.filter(host__in=hosts).exclude(status=Node.Status.LEAVING).values_list("host_id", flat=True)
    )
    moment = now()
    return [HostRow(host, is_alive(host, moment), counts[host.pk]) for host in hosts]
