"""Who belongs to a workspace. It always has an owner who can let others in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from core import frames, journal, once
from core.errors import Conflict, Invalid, NotFound
from core.ids import as_key
from core.work import after_commit
from workspaces.access import Room, hold
from workspaces.models import Invitation, Member, Role, SignInLink, User, Workspace
from workspaces.services import audit, invitations, tokens
from workspaces.services.tokens import role_of

# What apps above end once somebody has lost rights in a workspace: told its id inside the transaction, they look for
# themselves who may still do what. They add in their AppConfig.ready().
on_narrowed: list[Callable[[UUID], None]] = []


@dataclass(frozen=True)
class Invited:
    """Who was let in, or the invitation that lets them in, with the path of its one-time link."""

    member: Member | Invitation
    link: str | None


@transaction.atomic
def add(room: Room, username: str, role: str, email: str = "") -> Invited:
    """Let somebody in. Sign-up is closed: whoever follows the link signs in, or chooses a password for a new account.

    Whom the caller sees in another workspace already comes in at once. Of all others the answer does not tell whether
    they have an account in this studio. Raises Conflict for a member.
    """
    room = hold(room).require(Role.OWNER).require_person()
    wanted = role_of(role)
    _check_name(username)
    if Member.objects.filter(workspace=room.workspace, user__username=username).exists():
        raise Conflict(
            _("%(username)s is a member already. Change the role instead.") % {"username": username}, code="exists"
        )
    if (known := _neighbour(room, username)) is None:
        invitation, link = invitations.invite(room, username, wanted, email)
        once.settle(invitation)
        return Invited(invitation, link)
    member = Member.objects.create(workspace=room.workspace, user=known, role=wanted)
    Invitation.objects.filter(workspace=room.workspace, username=username).delete()
    once.settle(member)
    audit.note(room, "member.added", username, role=wanted.value)
    return Invited(member, None)


@transaction.atomic
def change_role(room: Room, member_id: object, role: str) -> Member | Invitation:
    """Give a member another role, or an invitation. Raises Conflict for the last owner.

    A smaller role holds from the next call on, for their tokens and those of their runs, too; what an owner alone may
    start ends with that role, and open runs with the right to submit any.
    """
    wanted = role_of(role)
    member = _held(room, member_id)
    if isinstance(member, Member) and wanted != Role.OWNER:
        _keep_an_owner(member)
    was, member.role = member.role, wanted
    member.save(update_fields=["role"])
    name = member.user.get_username() if isinstance(member, Member) else member.username
    audit.note(room, "member.changed", name, role=wanted.value, was=was)
    if isinstance(member, Member) and wanted.rank < Role(was).rank:
        _narrow(member.user, room.workspace, is_owner=wanted == Role.OWNER)
    return member


@transaction.atomic
def remove(room: Room, member_id: object) -> None:
    """Let a member go, with all that leans on them: tokens, tokens of their runs, open runs, invitations they made.

    With the id of an invitation that is withdrawn. Raises Conflict for the last owner.
    """
    member = _held(room, member_id)
    if isinstance(member, Invitation):
        invitations.withdraw(room, member)
        return
    _keep_an_owner(member)
    member.delete()
    ended = tokens.end_all_of(member.user, room.workspace)
    _narrow(member.user, room.workspace)
    audit.note(room, "member.removed", member.user.get_username(), tokens=ended)


@transaction.atomic
def close_account(username: str) -> User:
    """Close a person's account everywhere, as remove() does for one workspace. Their memberships stay for a return.

    Raises NotFound, Conflict for the last owner of a workspace.
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
    audit.write("studio", "account.closed", username)
    return user


@transaction.atomic
def open_account(username: str) -> None:
    """Open a closed account again: its tokens are gone, its memberships and password are as they were."""
    if not User.objects.filter(username=username).update(is_active=True):
        raise NotFound(_("There is no account '%(username)s'.") % {"username": username})
    audit.write("studio", "account.opened", username)


def group_of(user: User) -> str:
    """The channel layer's name of all open pages of a person."""
    return journal.group_of(f"user:{user.pk}")


def _narrow(user: User, workspace: Workspace, *, is_owner: bool = False) -> None:
    """End what leaned on rights that this person has no more. Tokens and pages are asked anew at each call anyway."""
    if not is_owner:
        Invitation.objects.filter(workspace=workspace, created_by=user).delete()
    for tell in on_narrowed:
        tell(workspace.pk)
    after_commit(partial(frames.post, group_of(user), {"type": "recheck"}))


def _neighbour(room: Room, username: str) -> User | None:
    """The account of this name, if whoever is signed in sees it among the members of another workspace of theirs."""
    if room.token is not None or room.user is None:
        return None
    mine = Member.objects.filter(user=room.user).values("workspace")
    seen = Member.objects.select_related("user").filter(workspace__in=mine, user__username=username)
    member = seen.filter(user__is_active=True).first()
    return member.user if member else None


def _held(room: Room, member_id: object) -> Member | Invitation:
    """The member, with the workspace's row locked: two owners must not remove each other at once, and who is demoted
    meanwhile must not raise themselves again."""
    hold(room).require(Role.OWNER).require_person()
    key = as_key(member_id)
    member = Member.objects.select_related("user").filter(workspace=room.workspace, pk=key).first()
    found = member or Invitation.objects.filter(workspace=room.workspace, pk=key).first()
    if found is None:
        raise NotFound(_("There is no such member in this workspace."))
    return found


def _keep_an_owner(member: Member) -> None:
    others = Member.objects.filter(workspace_id=member.workspace_id, role=Role.OWNER, user__is_active=True)
    if member.role == Role.OWNER and not others.exclude(pk=member.pk).exists():
        raise Conflict(
            _("This is the last owner of the workspace. Make somebody else an owner first."), code="last_owner"
        )


def _check_name(username: str) -> None:
    try:
        UnicodeUsernameValidator()(username)
    except ValidationError as error:
        raise Invalid(
            _("%(username)r cannot name an account: %(why)s") % {"username": username, "why": " ".join(error.messages)},
            code="bad_name",
        ) from error
    if not username or len(username) > 150:
        raise Invalid(_("A user name has 1 to 150 characters."), code="bad_name")
