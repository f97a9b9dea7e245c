"""What the commands on the studio's own machine hand out: tokens and sign-in links."""

from __future__ import annotations

from django.utils.translation import gettext as _

from core.errors import NotFound
from workspaces.access import FIRST_WORKSPACE, WorkspaceContext
from workspaces.models import Member, Role, User, Workspace
from workspaces.services import tokens
from workspaces.services.accounts import sign_in_link
from workspaces.services.workspaces import by_name


def token(workspace: str, username: str, role: str, name: str, days: int | None) -> str:
    """The text of a new token of that member. Raises NotFound, or Forbidden for a role above theirs."""
    found = by_name(workspace)
    member = _member(found, username)
    context = WorkspaceContext(found, Role(member.role), user=member.user)
    return tokens.create(context, name, role, days).text


def link(username: str) -> str:
    """The path of a fresh sign-in link. Raises NotFound."""
    if username:
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise NotFound(_("There is no account '%(username)s'.") % {"username": username})
        return sign_in_link(user)
    return sign_in_link(_member(by_name(FIRST_WORKSPACE), "").user)


def _member(workspace: Workspace, username: str) -> Member:
    members = Member.objects.filter(workspace=workspace, user__is_active=True).select_related("user").order_by("id")
    found = members.filter(user__username=username) if username else members.filter(role=Role.OWNER)
    member = found.first()
    if member is None:
        raise NotFound(
            _("'%(username)s' is no member of workspace '%(workspace)s'.")
            % {"username": username or _("an owner"), "workspace": workspace.name}
        )
    return member
