"""Workspaces as those see them who belong to them: what runs, what they hold, what would go. Runs know all of that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, QuerySet

from compute.models import ComputeTarget, Host, Node
from core.storage import workspace_roots
from datasets.models import Dataset, DatasetVersion
from environments.models import Environment
from pipelines.models import PublishedPipeline
from registry.models import RegisteredModel
from runs.models import Experiment, Run
from workspaces import limits
from workspaces.access import FIRST_WORKSPACE
from workspaces.models import ApiToken, AuditEntry, Member, Role, User, Workspace
from workspaces.services.invitations import open_ones

SHOWN = 20
N = Node.Status


@dataclass(frozen=True)
class Overview:
    """A workspace in a list. `storage_bytes` is None until it was counted for the first time."""

    workspace: Workspace
    role: str
    live_runs: int
    people: int
    last_activity: datetime | None

    @property
    def role_label(self) -> str:
        return str(Role(self.role).label) if self.role else ""

    @property
    def storage_bytes(self) -> int | None:
        return self.workspace.storage_bytes if self.workspace.storage_at else None


def mine(user: User) -> list[Overview]:
    """Those that this person belongs to, archived ones last. As many statements however many there are."""
    members = Member.objects.filter(user=user).select_related("workspace").order_by("workspace__name")
    return sorted(
        overviews({each.workspace: each.role for each in members}), key=lambda each: each.workspace.is_archived
    )


def overviews(roles: dict[Workspace, str]) -> list[Overview]:
    """These workspaces, each with the reader's role (empty: none)."""
    keys = [each.pk for each in roles]
    roots = Run.objects.filter(workspace__in=keys, parent__isnull=True).exclude(status__in=Run.ENDS)
    live = _by_workspace(roots, Count("id"))
    people = _by_workspace(Member.objects.filter(workspace__in=keys), Count("id"))
    ran = _by_workspace(Experiment.objects.filter(workspace__in=keys), Max("last_run_at"))
    done = _by_workspace(AuditEntry.objects.filter(workspace__in=keys), Max("created_at"))
    return [
        Overview(
            each, role, live.get(each.pk, 0), people.get(each.pk, 0), _latest([ran.get(each.pk), done.get(each.pk)])
        )
        for each, role in roles.items()
    ]


@dataclass(frozen=True)
class Use:
    """A limit with what is in use of it; None for no limit."""

    name: str
    used: int
    most: int | None

    @property
    def is_over(self) -> bool:
        return self.most is not None and self.used >= self.most


def uses(workspace: Workspace) -> list[Use]:
    """Storage in bytes as it was last counted, steps that run now, people who belong or are invited."""
    most = limits.of_settings(workspace.settings)
    busy = Node.objects.filter(compute_target__workspace=workspace, status__in=[N.RUNNING, N.LEAVING])
    invited = sum(each.uses_left for each in open_ones(workspace))
    return [
        Use("storage_bytes", workspace.storage_bytes, most.storage_bytes),
        Use("running_steps", busy.count(), most.running_steps),
        Use("members", Member.objects.filter(workspace=workspace).count() + invited, most.members),
    ]


@dataclass(frozen=True)
class Going:
    """What deleting a workspace would take away, stop and leave."""

    name: str
    live_runs: list[dict[str, Any]]
    live_count: int
    counts: dict[str, int]
    # Bytes that the studio holds: of runs, code and models, and of its datastores.
    store_bytes: int
    datastore_bytes: int
    # Web addresses that datasets point at: they stay as they are.
    points_at: list[str] = field(default_factory=list)
    points_at_count: int = 0
    can_go: bool = True

    @property
    def bytes(self) -> int:
        return self.store_bytes + self.datastore_bytes

    def as_document(self) -> dict[str, Any]:
        return {**asdict(self), "bytes": self.bytes}


def going(workspace: Workspace) -> Going:
    """Looked up anew each time; its files are counted on the disk."""
    live = Run.objects.filter(workspace=workspace, parent__isnull=True).exclude(status__in=Run.ENDS)
    shown = live.select_related("experiment").defer("graph").order_by("-id")[:SHOWN]
    kinds: dict[str, Any] = {
        "datasets": Dataset, "models": RegisteredModel, "published_pipelines": PublishedPipeline,
        "environments": Environment, "clusters": ComputeTarget, "members": Member,
    }  # fmt: skip
    counts = {
        "runs": Run.objects.filter(workspace=workspace, parent__isnull=True).count(),
        **{name: kind._default_manager.filter(workspace=workspace).count() for name, kind in kinds.items()},
        "hosts": Host.objects.filter(workspace=workspace, revoked_at__isnull=True).count(),
        "tokens": ApiToken.objects.filter(
            workspace=workspace, kind=ApiToken.Kind.PERSONAL, revoked_at__isnull=True
        ).count(),
    }
    held = [root.bytes_below() for root in workspace_roots(workspace.pk)]
    addresses = sorted(_addresses(workspace))
    return Going(
        workspace.name,
        [
            {"id": str(each.pk), "experiment": each.experiment.name, "number": each.number, "name": each.display_name}
            for each in shown
        ],
        live.count(),
        counts,
        held[0],
        held[1],
        addresses[:SHOWN],
        len(addresses),
        can_go=can_go(workspace),
    )


def can_go(workspace: Workspace) -> bool:
    """Whether it may be deleted: the studio always has the one that it begins with."""
    return workspace.name != FIRST_WORKSPACE


def _addresses(workspace: Workspace) -> set[str]:
    rows = DatasetVersion.objects.filter(workspace=workspace).values_list("definition", flat=True)
    return {
        source["url"] for each in rows.iterator() for source in (each or {}).get("sources", []) if source.get("url")
    }


def _by_workspace(rows: QuerySet[Any], what: Count | Max) -> dict[UUID, Any]:
    return dict(rows.order_by().values_list("workspace").annotate(n=what))


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((each for each in moments if each is not None), default=None)


def open_runs(workspace: Workspace) -> int:
    """How many of its runs are not over."""
    return _open_roots(workspace).count()


def open_runs_of(workspace: Workspace, user: User) -> int:
    """How many open runs this person has there."""
    return _open_roots(workspace).filter(submitted_by=user).count()


def _open_roots(workspace: Workspace) -> QuerySet[Run]:
    return Run.objects.filter(workspace=workspace, parent__isnull=True).exclude(status__in=Run.ENDS)
