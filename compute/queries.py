"""Reading clusters, nodes and hosts."""

from __future__ import annotations

from django.db.models import Prefetch, Q, QuerySet

from compute.models import ComputeTarget, Host, Node
from workspaces.models import Workspace


def targets_in(workspace: Workspace) -> QuerySet[ComputeTarget]:
    """Clusters with their nodes and hosts, in a constant number of queries."""
    nodes = Node.objects.select_related("host").order_by("id")
    return ComputeTarget.objects.filter(workspace=workspace).prefetch_related(
        Prefetch("nodes", queryset=nodes), Prefetch("hosts", queryset=Host.objects.order_by("name"))
    )


def hosts_without_sandbox(workspace: Workspace) -> QuerySet[Host]:
    """Hosts of the workspace on which steps run as processes that can read what their user can read."""
    mine = Q(workspace=workspace) | Q(workspace__isnull=True)
    sandboxed = Q(facts__isolation__bwrap=True)
    plain = [Host.Launcher.PROCESS, Host.Launcher.SLURM]
    return Host.objects.filter(mine, launcher__in=plain, revoked_at__isnull=True).exclude(sandboxed)


def hosts() -> QuerySet[Host]:
    return Host.objects.filter(revoked_at__isnull=True).order_by("id")
