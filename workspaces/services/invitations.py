"""Invitations: a link that lets one person into one workspace. It says nothing of whether their account exists."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from core import once
from core.clock import now
from core.errors import Conflict, Forbidden, Invalid, NotFound
from workspaces import limits
from workspaces.access import WorkspaceContext, hold
from workspaces.models import Invitation, Member, Role, User, Workspace
from workspaces.services import audit
from workspaces.services.accounts import check_name, validated
from workspaces.services.tokens import digest_of, role_of

MOST_DAYS, MOST_USES = 30, 100


@transaction.atomic
def invite(
    context: WorkspaceContext, username: str, role: Role, email: str = "", days: int = 1
) -> tuple[Invitation, str]:
    """An invitation, and the path of its link, which exists only here. One of the same name is replaced.

    The answer is the same whether there is such an account in the studio or not.
    """
    Invitation.objects.filter(workspace=context.workspace, username=username, expires_at__lte=now()).delete()
    values, secret = _values(context, role, days, 1, besides=username)
    made, _new = Invitation.objects.update_or_create(
        workspace=context.workspace, username=username, defaults={**values, "email": email}
    )
    audit.note(context, "member.invited", username, role=role.value, days=days)
    return made, f"/start/{secret}/"


@transaction.atomic
def invite_open(context: WorkspaceContext, role: str, days: int = 7, uses: int = 1) -> tuple[Invitation, str]:
    """A link that lets in whoever holds it, so often and for so many days; they choose their name themselves.

    No owner comes in that way. Raises Invalid, Conflict (`member_limit`) where so many people are too many.
    """
    context, wanted = hold(context), role_of(role)
    if wanted == Role.OWNER:
        raise Invalid(_("A link for whoever holds it makes no owner. Invite them by name, or raise their role later."))
    if type(uses) is not int or not 1 <= uses <= MOST_USES:
        raise Invalid(_("A link lets in 1 to %(most)s people.") % {"most": MOST_USES}, code="bad_uses")
    values, secret = _values(context, wanted, days, uses)
    made = Invitation.objects.create(workspace=context.workspace, **values)
    once.settle(made)
    audit.note(context, "member.link_made", str(made.pk), role=wanted.value, days=days, uses=uses)
    return made, f"/start/{secret}/"


def require_place(workspace: Workspace, more: int, besides: str = "") -> None:
    """Raises Conflict (`member_limit`) where so many more people, with those who are invited, are too many."""
    most = limits.of_settings(workspace.settings).members
    if most is None:
        return
    there = Member.objects.filter(workspace=workspace).count()
    invited = sum(each.uses_left for each in open_ones(workspace) if not besides or each.username != besides)
    if there + invited + more > most:
        raise Conflict(
            _("Workspace '%(workspace)s' may have %(most)s people: %(there)s belong to it and %(invited)s are invited. Remove somebody, withdraw an invitation, or raise the limit.")
            % {"workspace": workspace.name, "most": most, "there": there, "invited": invited},
            code="member_limit",
            members=most,
        )  # fmt: skip


def _values(
    context: WorkspaceContext, role: Role, days: int, uses: int, besides: str = ""
) -> tuple[dict[str, object], str]:
    """The columns of a new invitation, and the secret of its link. With a token it ends when that does."""
    context.require(Role.OWNER).require_person()
    if context.user is None:
        raise Forbidden(_("Only a person invites others."))
    if type(days) is not int or not 1 <= days <= MOST_DAYS:
        raise Invalid(_("An invitation lasts 1 to %(most)s days.") % {"most": MOST_DAYS}, code="bad_days")
    require_place(context.workspace, uses, besides)
    secret = secrets.token_urlsafe(32)
    end = now() + timedelta(days=days)
    if context.token is not None and context.token.expires_at is not None:
        end = min(end, context.token.expires_at)
    values = {
        "role": role, "digest": digest_of(secret), "created_by": context.user, "token": context.token, "expires_at": end,
        "uses_left": uses,
    }  # fmt: skip
    return values, secret


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
    if not user.is_active or invitation.username not in ("", user.get_username()):
        raise Forbidden(_("This invitation is for '%(name)s'.") % {"name": invitation.username})
    return _join(invitation, user)


@transaction.atomic
def accept_as_new(secret: str, password: str, username: str = "") -> User:
    """Become a member with a new account: of the invitation's name, or of `username` where it names nobody.

    Raises NotFound for a spent link, Invalid for a weak password, Conflict where there is such an account: only who
    signs in with it takes the invitation up.
    """
    invitation = _taken(secret)
    name = invitation.username or username
    check_name(name)
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


def withdraw(context: WorkspaceContext, invitation: Invitation) -> None:
    """Take an invitation back. Its link is spent."""
    context.require_role(Role.OWNER).require_person()
    key = invitation.pk
    invitation.delete()
    audit.note(context, "invitation.withdrawn", invitation.username or str(key))


def spent() -> NotFound:
    return NotFound(
        _("This invitation was used already, was withdrawn or has expired. Ask for a fresh one."), code="link_spent"
    )


def _taken(secret: str) -> Invitation:
    """The invitation, its workspace's row and its own locked: of two who come at once for one place one gets in."""
    found = of_link(secret)
    if found is None:
        raise spent()
    # As they stand under the lock: its role, limits and archive may have changed since the link was looked up.
    workspace = Workspace.objects.select_for_update(no_key=True).filter(pk=found.workspace_id).first()
    row = Invitation.objects.select_for_update().filter(pk=found.pk).first()
    if workspace is None or row is None or row.digest != found.digest or row.uses_left < 1:
        raise spent()
    row.workspace = workspace
    if workspace.is_archived:
        raise Conflict(_("This workspace is archived, and nobody joins it now. Ask an owner to bring it back."))
    return row


def _join(invitation: Invitation, user: User) -> Member:
    workspace, name = invitation.workspace, user.get_username()
    member = Member.objects.filter(workspace=workspace, user=user).first()
    if member is not None and not invitation.username:
        return member  # who is there already uses nothing up
    # The place that was kept for them is theirs now.
    if invitation.uses_left > 1:
        Invitation.objects.filter(pk=invitation.pk).update(uses_left=F("uses_left") - 1)
    else:
        Invitation.objects.filter(pk=invitation.pk).delete()
    if member is None:
        require_place(workspace, 1)
        # With the id of an invitation by name: who invited knows the member by it.
        known = {"id": invitation.pk} if invitation.username else {}
        member = Member.objects.create(workspace=workspace, user=user, role=invitation.role, **known)
    audit.write(name, "member.joined", name, workspace, role=member.role)
    return member
