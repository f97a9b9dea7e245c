"""Who belongs to a workspace. It always has an owner who can let others in."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.ids import as_key
from workspaces.access import Room
from workspaces.models import ApiToken, Member, Role, User, Workspace
from workspaces.services import accounts, audit
from workspaces.services.tokens import role_of


@dataclass(frozen=True)
class Invited:
    """A new member, with the one-time address to give them when the account is new."""

    member: Member
    link: str | None


@transaction.atomic
def add(room: Room, username: str, role: str, email: str = "") -> Invited:
    """Let somebody in. Sign-up is closed, so an unknown name becomes an account with a sign-in link."""
    room.require(Role.OWNER).require_person()
    wanted = role_of(role)
    user = User.objects.filter(username=username).first()
    is_new = user is None
    if user is None:
        user = _new_user(username, email)
    member, created = Member.objects.get_or_create(workspace=room.workspace, user=user, defaults={"role": wanted})
    if not created:
        raise Conflict(
            _("%(username)s is a member already. Change the role instead.") % {"username": username}, code="exists"
        )
    audit.note(room, "member.added", username, role=wanted.value)
    return Invited(member, accounts.sign_in_link(user) if is_new else None)


@transaction.atomic
def change_role(room: Room, member_id: object, role: str) -> Member:
    """Give a member another role. Raises Conflict for the last owner."""
    member = _held(room, member_id)
    wanted = role_of(role)
    if wanted != Role.OWNER:
        _keep_an_owner(member)
    was, member.role = member.role, wanted
    member.save(update_fields=["role"])
    audit.note(room, "member.changed", member.user.get_username(), role=wanted.value, was=was)
    return member


@transaction.atomic
def remove(room: Room, member_id: object) -> None:
    """Let a member go, with the tokens they had here. Raises Conflict for the last owner."""
    member = _held(room, member_id)
    _keep_an_owner(member)
    ApiToken.objects.filter(workspace=room.workspace, user=member.user, kind=ApiToken.Kind.PERSONAL).delete()
    member.delete()
    audit.note(room, "member.removed", member.user.get_username())


@transaction.atomic
def renew_link(room: Room, member_id: object) -> str:
    """A fresh sign-in link for a member who has no password yet.

    Only where the caller owns every workspace of that member: else the link would open foreign rooms.
    """
    member = _held(room, member_id)
    if member.user.has_usable_password():
        raise Conflict(_("This member has a password and signs in with it."), code="has_password")
    rooms = set(Member.objects.filter(user=member.user).values_list("workspace_id", flat=True))
    owned = set(Member.objects.filter(user=room.user, role=Role.OWNER).values_list("workspace_id", flat=True))
    if not rooms <= owned:
        raise Forbidden(_("This member belongs to workspaces that are not yours. Ask who runs the studio for a link."))
    audit.note(room, "member.link", member.user.get_username())
    return accounts.sign_in_link(member.user)


def _held(room: Room, member_id: object) -> Member:
    """The member, with the workspace's row locked: two owners must not remove each other at once."""
    room.require(Role.OWNER).require_person()
    Workspace.objects.select_for_update().get(pk=room.workspace.pk)
    member = Member.objects.select_related("user").filter(workspace=room.workspace, pk=as_key(member_id)).first()
    if member is None:
        raise NotFound(_("There is no such member in this workspace."))
    return member


def _keep_an_owner(member: Member) -> None:
    others = Member.objects.filter(workspace_id=member.workspace_id, role=Role.OWNER, user__is_active=True)
    if member.role == Role.OWNER and not others.exclude(pk=member.pk).exists():
        raise Conflict(
            _("This is the last owner of the workspace. Make somebody else an owner first."), code="last_owner"
        )


def _new_user(username: str, email: str) -> User:
    try:
        UnicodeUsernameValidator()(username)
    except ValidationError as error:
        raise Invalid(
            _("%(username)r cannot name an account: %(why)s") % {"username": username, "why": " ".join(error.messages)},
            code="bad_name",
        ) from error
    if not username or len(username) > 150:
        raise Invalid(_("A user name has 1 to 150 characters."), code="bad_name")
    return User.objects.create_user(username, email=email or None, password=None)
