"""Reading who belongs where."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from workspaces.access import Room
from workspaces.models import ApiToken, AuditEntry, Member, User, Workspace

# Programs carry these in addresses and config.json; one studio has one of each.
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
RESOURCE_GROUP = "duto"


def memberships_of(user: User) -> QuerySet[Member]:
    """The workspaces of a user, each with their role."""
    return Member.objects.filter(user=user).select_related("workspace")


def rooms_of(user: User | None, token: ApiToken | None = None) -> QuerySet[Member]:
    """As memberships_of, but a token opens its own workspace only."""
    found = Member.objects.filter(user=user).select_related("workspace")
    return found.filter(workspace_id=token.workspace_id) if token else found


def members_of(workspace: Workspace) -> QuerySet[Member]:
    return Member.objects.filter(workspace=workspace).select_related("user")


def tokens_of(room: Room) -> QuerySet[ApiToken]:
    """The personal tokens of the one in the room, revoked ones too: their names tell what was in use."""
    return ApiToken.objects.filter(workspace=room.workspace, user=room.user, kind=ApiToken.Kind.PERSONAL)


def audit_of(workspace: Workspace) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(workspace=workspace)


def config_of(workspace: Workspace, url: str = "") -> dict[str, Any]:
    """The `config.json` that `Workspace.from_config()` reads."""
    return {
        "subscription_id": SUBSCRIPTION,
        "resource_group": RESOURCE_GROUP,
        "workspace_name": workspace.name,
        "studio_url": url or settings.DUTO.url,
    }
