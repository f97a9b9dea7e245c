"""Reading who belongs where."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Case, CharField, QuerySet, Value, When
from django.utils.translation import gettext as _

from core.clock import now
from core.errors import NotFound
from core.ids import as_key
from workspaces.access import WorkspaceContext, effective_role, reach_of
from workspaces.models import ApiToken, Invitation, Member, Role, User, Workspace

# Programs carry these in addresses and config.json; one studio has one of each.
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
RESOURCE_GROUP = "duto"


def workspaces_of(user: User | None, token: ApiToken | None = None) -> QuerySet[Member]:
    """The workspaces of a user, each with their role; a token opens its own and those made with it, with the roles
    carried there now.
    """
    found = Member.objects.filter(user=user).select_related("workspace")
    if token is None:
        return found
    roles = {each.workspace_id: role for each in reach_of(token) if (role := effective_role(each))}
    carried = [When(workspace_id=key, then=Value(role.value)) for key, role in roles.items()]
    return found.filter(workspace_id__in=roles).annotate(carried=Case(*carried, output_field=CharField()))


def members_of(workspace: Workspace) -> QuerySet[Member]:
    return Member.objects.filter(workspace=workspace).select_related("user")


def invitations_of(workspace: Workspace) -> QuerySet[Invitation]:
    """Those that may still be taken up."""
    return Invitation.objects.filter(workspace=workspace, expires_at__gt=now())


def tokens_of(context: WorkspaceContext) -> QuerySet[ApiToken]:
    """The personal tokens of the caller, revoked ones too: their names tell what was in use."""
    return ApiToken.objects.filter(workspace=context.workspace, user=context.user, kind=ApiToken.Kind.PERSONAL)


def find_member(context: WorkspaceContext, member_id: object) -> Member:
    """A member, for the workspace's owners. Raises Forbidden, NotFound."""
    context.require_role(Role.OWNER).require_person()
    member = members_of(context.workspace).filter(pk=as_key(member_id)).first()
    if member is None:
        raise NotFound(_("There is no such member in this workspace."))
    return member


def tokens_of_member(context: WorkspaceContext, member_id: object) -> QuerySet[ApiToken]:
    """A member's personal tokens of this workspace, for its owners. Raises Forbidden, NotFound."""
    member = find_member(context, member_id)
    return ApiToken.objects.filter(workspace=context.workspace, user=member.user_id, kind=ApiToken.Kind.PERSONAL)


def config_of(workspace: Workspace, url: str = "") -> dict[str, Any]:
    """The `config.json` that `Workspace.from_config()` reads."""
    return {
        "subscription_id": SUBSCRIPTION,
        "resource_group": RESOURCE_GROUP,
        "workspace_name": workspace.name,
        "studio_url": url or settings.DUTO.url,
    }
