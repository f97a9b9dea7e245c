"""A new workspace with all that its form asks for: people, and a first cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from compute.services import targets
from core import once
from workspaces.access import WorkspaceContext
from workspaces.models import ApiToken, User
from workspaces.services import members, workspaces


@dataclass(frozen=True)
class FirstCluster:
    """A cluster by its name, the size of its nodes, and how many there are at most."""

    name: str
    vm_size: str
    max_nodes: int


@dataclass(frozen=True)
class Founded:
    """The new workspace, and who was invited by which link; who came in at once has none."""

    context: WorkspaceContext
    invited: list[tuple[str, str | None]]


@transaction.atomic
def found(
    user: User,
    name: str,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    limits: Mapping[str, int | None] | None = None,
    people: Sequence[tuple[str, str]] = (),
    cluster: FirstCluster | None = None,
    token: ApiToken | None = None,
) -> Founded:
    """All of it or nothing. `people` are names with roles; the first cluster is the default one; a `token` is what the
    person asks with.

    Raises as what it is made of does: Forbidden, Conflict, Invalid.
    """
    context = workspaces.create_for_owner(user, name, description, token)
    once.settle(context.workspace)
    if limits:
        workspaces.set_limits(context, limits)
    if cluster is not None:
        targets.create_target(context, cluster.name, cluster.vm_size, max_nodes=cluster.max_nodes)
    workspaces.change(context, tags=tags, default_compute=cluster.name if cluster else None)
    invited = [(each, members.add(context, each, role, days=7).link) for each, role in people]
    return Founded(context, invited)
