"""Invitations: a link that lets one person into one workspace. It says nothing of whether their account exists."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from core.clock import now
from core.errors import Conflict, Forbidden, NotFound
from workspaces.access import Room
from workspaces.models import Invitation, Member, Role, User, Workspace
from workspaces.services import audit
from workspaces.services.accounts import validated
from workspaces.services.tokens import digest_of

LIFETIME = timedelta(hours=24)


@transaction.atomic
def invite(room: Room, username: str, role: Role, email: str = "") -> tuple[Invitation, str]:
    """An invitation, and the path of its link, which exists only here. One of the same name is replaced.

    The answer is the same whether there is such an account in the studio or not.
    """
    room.require(Role.OWNER).require_person()
    if room.user is None:
        raise Forbidden(_("Only a person invites others."))
    secret = secrets.token_urlsafe(32)
    end = now() + LIFETIME
    if room.token is not None and room.token.expires_at is not None:
        end = min(end, room.token.expires_at)
    values = {
        "role": role, "email": email, "digest": digest_of(secret), "created_by": room.user, "token": room.token,
        "expires_at": end,
    }  # fmt: skip
    made, _new = Invitation.objects.update_or_create(workspace=room.workspace, username=username, defaults=values)
    audit.note(room, "member.invited", username, role=role.value)
    return made, f"/start/{secret}/"


def open_ones(workspace: Workspace) -> list[Invitation]:
    """Those that may still be taken up, oldest first."""
    rows = Invitation.objects.filter(workspace=workspace, expires_at__gt=now())
    return list(rows.order_by("id")[:500])


def of_link(secret: str) -> Invitation | None:
    """The invitation of this link without using it up; None where it is no link of one that is open.

    One ends with its time, with its maker's right to let people in, and with the token that it was made with.
    """
    rows = Invitation.objects.select_related("workspace", "created_by", "token")
    found = rows.filter(digest=digest_of(secret), expires_at__gt=now()).first()
    if found is None or (found.token is not None and not found.token.is_good(now())):
        return None
    makers = Member.objects.filter(workspace=found.workspace, user=found.created_by, user__is_active=True)
    return found if makers.filter(role=Role.OWNER).exists() else None


@transaction.atomic
def accept(secret: str, user: User) -> Member:
    """Become a member with the account that one is signed in with. Raises NotFound, Forbidden for another's name."""
    invitation = _taken(secret)
    if not user.is_active or user.get_username() != invitation.username:
        raise Forbidden(_("This invitation is for '%(name)s'.") % {"name": invitation.username})
    return _join(invitation, user)


@transaction.atomic
def accept_as_new(secret: str, password: str) -> User:
    """Become a member with a new account of the invitation's name.

    Raises NotFound for a spent link, Invalid for a weak password, Conflict where there is such an account: only who
    signs in with it takes the invitation up.
    """
    invitation = _taken(secret)
    name = invitation.username
    validated(User(username=name, email=invitation.email), password)
    if User.objects.filter(username=name).exists():
        raise Conflict(
            _("There is an account '%(name)s' already. If it is yours, sign in and follow this link again; if not, ask for an invitation with another name.")
            % {"name": name},
            code="exists",
        )  # fmt: skip
    user = User.objects.create_user(name, email=invitation.email or None, password=password)
    audit.write(name, "account.created", name, invitation.workspace)
    # They were meant for whoever comes first by this name: whoever holds them must not be that person by surprise.
    for other in Invitation.objects.select_related("workspace").filter(username=name).exclude(pk=invitation.pk):
        audit.write("studio", "invitation.ended", name, other.workspace, reason="the name was taken")
        other.delete()
    _join(invitation, user)
    return user


def withdraw(room: Room, invitation: Invitation) -> None:
    """Take an invitation back. Its link is spent."""
    room.require(Role.OWNER).require_person()
    invitation.delete()
    audit.note(room, "invitation.withdrawn", invitation.username)


def spent() -> NotFound:
    return NotFound(
        _("This invitation was used already, was withdrawn or has expired. Ask for a fresh one."), code="link_spent"
    )


def _taken(secret: str) -> Invitation:
    """The invitation, its row locked: of two who come at once one gets in."""
    found = of_link(secret)
    row = Invitation.objects.select_for_update().filter(pk=found.pk).first() if found else None
    if found is None or row is None or row.digest != found.digest:
        raise spent()
    return found


def _join(invitation: Invitation, user: User) -> Member:
    # With the invitation's id: who invited knows the member by it.
    values = {"id": invitation.pk, "role": invitation.role}
    member, _new = Member.objects.get_or_create(workspace=invitation.workspace, user=user, defaults=values)
    Invitation.objects.filter(pk=invitation.pk).delete()
    audit.write(user.get_username(), "member.joined", user.get_username(), invitation.workspace, role=member.role)
    return member
