"""Who belongs to a workspace. It always has an owner who can let others in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from django.db import transaction
from django.utils.translation import gettext as _

from core import frames, once
from core.errors import Conflict, NotFound
from core.ids import as_key
from core.work import after_commit
from workspaces import hooks
from workspaces.access import WorkspaceContext, hold
from workspaces.models import ApiToken, Invitation, Member, Role, SignInLink, User, Workspace
from workspaces.queries import find_member
from workspaces.services import audit, invitations, tokens
from workspaces.services.accounts import check_name
from workspaces.services.tokens import role_of


@dataclass(frozen=True)
class Invited:
    """Who was let in, or the invitation that lets them in, with the path of its one-time link."""

    member: Member | Invitation
    link: str | None


@transaction.atomic
def add(context: WorkspaceContext, username: str, role: str, email: str = "", days: int = 1) -> Invited:
    """Let somebody in. Sign-up is closed: whoever follows the link signs in, or chooses a password for a new account.

    Whom the caller sees in another workspace already comes in at once. Of all others the answer does not tell whether
    they have an account in this studio. The link lasts `days`. Raises Conflict for a member, and where the workspace may
    have no more people (`member_limit`).
    """
    context = hold(context).require(Role.OWNER).require_person()
    wanted = role_of(role)
    check_name(username)
    if Member.objects.filter(workspace=context.workspace, user__username=username).exists():
        raise Conflict(
            _("%(username)s is a member already. Change the role instead.") % {"username": username}, code="exists"
        )
    if (known := _neighbour(context, username)) is None:
        invitation, link = invitations.invite(context, username, wanted, email, days)
        once.settle(invitation)
        return Invited(invitation, link)
    Invitation.objects.filter(workspace=context.workspace, username=username).delete()
    invitations.require_place(context.workspace, 1)
    member = Member.objects.create(workspace=context.workspace, user=known, role=wanted)
    once.settle(member)
    audit.note(context, "member.added", username, role=wanted.value)
    return Invited(member, None)


@transaction.atomic
def change_role(context: WorkspaceContext, member_id: object, role: str) -> Member | Invitation:
    """Give a member another role, or an invitation. Raises Conflict for the last owner.

    A smaller role holds from the next call on, for their tokens and those of their runs, too; what an owner alone may
    start ends with that role, and open runs with the right to submit any.
    """
    wanted = role_of(role)
    member = _held(context, member_id)
    if isinstance(member, Member) and wanted != Role.OWNER:
        _keep_an_owner(member)
    was, member.role = member.role, wanted
    member.save(update_fields=["role"])
    name = member.user.get_username() if isinstance(member, Member) else member.username
    audit.note(context, "member.changed", name, role=wanted.value, was=was)
    if isinstance(member, Member) and wanted.rank < Role(was).rank:
        _narrow(member.user, context.workspace, is_owner=wanted == Role.OWNER)
    return member


@transaction.atomic
def remove(context: WorkspaceContext, member_id: object) -> None:
    """Let a member go, with all that leans on them: tokens, tokens of their runs, open runs, invitations they made.

    With the id of an invitation that is withdrawn. Raises Conflict for the last owner.
    """
    member = _held(context, member_id)
    if isinstance(member, Invitation):
        invitations.withdraw(context, member)
        return
    _keep_an_owner(member)
    member.delete()
    ended = tokens.end_all_of(member.user, context.workspace)
    _narrow(member.user, context.workspace)
    audit.note(context, "member.removed", member.user.get_username(), tokens=ended)


@transaction.atomic
def leave(context: WorkspaceContext) -> None:
    """Leave the workspace, with all that leans on one's rights in it, as remove() lets others go.

    Raises Conflict for the last owner, and for a token (`needs_session`): it would end itself.
    """
    if context.token is not None or context.user is None:
        raise Conflict(_("Only a person who is signed in leaves a workspace."), code="needs_session")
    context = hold(context)
    member = Member.objects.select_related("user").get(workspace=context.workspace, user=context.user)
    _keep_an_owner(member)
    member.delete()
    ended = tokens.end_all_of(member.user, context.workspace)
    _narrow(member.user, context.workspace)
    audit.note(context, "member.left", member.user.get_username(), tokens=ended)


@transaction.atomic
def transfer(context: WorkspaceContext, member_id: object) -> Member:
    """Make another member the owner in one's own place; who was it is a contributor from then on.

    Raises Conflict for a token (`needs_session`), for an invitation, for oneself and for a closed account.
    """
    found = _held(context, member_id)
    if context.token is not None or context.user is None:
        raise Conflict(_("Only a person who is signed in hands over a workspace."), code="needs_session")
    if not isinstance(found, Member) or found.user_id == context.user.pk or not found.user.is_active:
        raise Conflict(_("A workspace is handed over to another member who has an open account."), code="no_member")
    Member.objects.filter(pk=found.pk).update(role=Role.OWNER)
    found.role = Role.OWNER
    Member.objects.filter(workspace=context.workspace, user=context.user).update(role=Role.CONTRIBUTOR)
    _narrow(context.user, context.workspace)
    audit.note(context, "workspace.handed_over", found.user.get_username())
    return found


def ends_with(context: WorkspaceContext, member_id: object, role: str | None) -> dict[str, int]:
    """How much of what ends when this member gets a smaller role (None: is removed), by what it is. Raises NotFound.

    Tokens go with who is removed; open runs with the right to submit; what only owners make with the role of one.
    """
    member = find_member(context, member_id)
    left = role_of(role) if role is not None else None
    found: dict[str, int] = {}
    if left is None:
        mine = ApiToken.objects.filter(workspace=context.workspace, user=member.user, revoked_at__isnull=True)
        found["tokens"] = mine.exclude(kind=ApiToken.Kind.RUN).count()
    if left is None or left == Role.READER:
        found["open_runs"] = hooks.open_runs_of(context.workspace, member.user)
    if left != Role.OWNER:
        found["invitations"] = Invitation.objects.filter(workspace=context.workspace, created_by=member.user).count()
        found["enrolments"] = hooks.open_enrolments_of(context.workspace, member.user)
    return found


@transaction.atomic
def close_account(username: str, by: Callable[[str, str], None] | None = None) -> User:
    """Close a person's account everywhere, as remove() does for one workspace. Their memberships stay for a return.

    `by` writes the audit where a person does it. Raises NotFound, Conflict for the last owner of a workspace.
    """
    user = User.objects.select_for_update().filter(username=username).first()
    if user is None:
        raise NotFound(_("There is no account '%(username)s'.") % {"username": username})
    for member in Member.objects.select_related("workspace").filter(user=user).order_by("workspace"):
        Workspace.objects.select_for_update(no_key=True).get(pk=member.workspace_id)
        _keep_an_owner(member)
        tokens.end_all_of(user, member.workspace)
        _narrow(user, member.workspace)
    User.objects.filter(pk=user.pk).update(is_active=False)
    SignInLink.objects.filter(user=user).delete()
    (by or _by_studio)("account.closed", username)
    return user


@transaction.atomic
def open_account(username: str, by: Callable[[str, str], None] | None = None) -> None:
    """Open a closed account again: its tokens are gone, its memberships and password are as they were."""
    if not User.objects.filter(username=username).update(is_active=True):
        raise NotFound(_("There is no account '%(username)s'.") % {"username": username})
    (by or _by_studio)("account.opened", username)


def _by_studio(action: str, username: str) -> None:
    audit.write("studio", action, username)


def group_of(user: User) -> str:
    """The channel layer's name of all open pages of a person."""
    return frames.group_of(f"user:{user.pk}")


def _narrow(user: User, workspace: Workspace, *, is_owner: bool = False) -> None:
    """End what leaned on rights that this person has no more. Tokens and pages are asked anew at each call anyway."""
    if not is_owner:
        Invitation.objects.filter(workspace=workspace, created_by=user).delete()
    hooks.rights_reduced(workspace.pk)
    after_commit(partial(frames.post, group_of(user), {"type": "recheck"}))


def _neighbour(context: WorkspaceContext, username: str) -> User | None:
    """The account of this name, if whoever is signed in sees it among the members of another workspace of theirs."""
    if context.token is not None or context.user is None:
        return None
    mine = Member.objects.filter(user=context.user).values("workspace")
    seen = Member.objects.select_related("user").filter(workspace__in=mine, user__username=username)
    member = seen.filter(user__is_active=True).first()
    return member.user if member else None


def _held(context: WorkspaceContext, member_id: object) -> Member | Invitation:
    """The member, with the workspace's row locked: two owners must not remove each other at once, and who is demoted
    meanwhile must not raise themselves again."""
    hold(context).require_role(Role.OWNER).require_person()
    key = as_key(member_id)
    member = Member.objects.select_related("user").filter(workspace=context.workspace, pk=key).first()
    found = member or Invitation.objects.filter(workspace=context.workspace, pk=key).first()
    if found is None:
        raise NotFound(_("There is no such member in this workspace."))
    return found


def _keep_an_owner(member: Member) -> None:
    others = Member.objects.filter(workspace_id=member.workspace_id, role=Role.OWNER, user__is_active=True)
    if member.role == Role.OWNER and not others.exclude(pk=member.pk).exists():
        raise Conflict(
            _("This is the last owner of the workspace. Make somebody else an owner first."), code="last_owner"
        )
