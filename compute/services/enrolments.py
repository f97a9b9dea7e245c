"""A new machine becomes a host: an owner makes a token that works once, and the machine exchanges it for its key."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from compute.models import Enrolment, Host
from compute.services.hosts import KEY_PREFIX, digest_of, installation
from core import once, outbox
from core.clock import now
from core.errors import Conflict, Invalid, StudioError, Unauthenticated
from workspaces.access import WorkspaceContext
from workspaces.models import Member, Role, User, Workspace
from workspaces.services import audit

TOKEN_PREFIX = "duto_enrol"  # noqa: S105 - what each of them begins with
HOURS, MOST_HOURS = 1, 168
# For so long an agent whose answer was lost may ask for it again.
REPEATED = timedelta(minutes=10)
_KEY = re.compile(KEY_PREFIX + r"_[A-Za-z0-9_-]{43,128}")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def open_of(workspace: Workspace, user: User) -> int:
    """How many enrolment tokens of this person still work."""
    rows = Enrolment.objects.filter(workspace=workspace, created_by=user, used_at__isnull=True)
    return rows.filter(expires_at__gt=now()).count()


@dataclass(frozen=True)
class Minted:
    """A new enrolment, and the text of its token, which exists only here."""

    enrolment: Enrolment
    text: str


@transaction.atomic
def create(context: WorkspaceContext, name: str = "", hours: int = HOURS) -> Minted:
    """A token for one machine. With a name that machine gets it, without one it brings its own.

    Raises Forbidden for who is no owner, Invalid for a bad name or end, Conflict for a name that is taken.
    """
    context.require(Role.OWNER).require_person()
    name = name.strip().lower()
    if name:
        _check(name)
        _refuse_taken(_named(context.workspace.pk, name).first(), context.workspace.pk, name)
    if not 1 <= hours <= MOST_HOURS:
        raise Invalid(_("'expires_in_hours' is a number from 1 to %(most_hours)s.") % {"most_hours": MOST_HOURS})
    end = now() + timedelta(hours=hours)
    context.require_end(end)
    text = f"{TOKEN_PREFIX}_{secrets.token_urlsafe(32)}"
    enrolment = Enrolment.objects.create(
        workspace=context.workspace, token_digest=digest_of(text), name=name, created_by=context.user,
        token=context.token, expires_at=end,
    )  # fmt: skip
    once.settle(enrolment)
    audit.note(context, "host.invited", name, expires_in_hours=hours)
    return Minted(enrolment, text)


def command_of(studio: str, token: str) -> str:
    """What is to be run on the new machine."""
    return f"curl -fsSL {studio.rstrip('/')}/agent/v1/install | python3 - --token {token}"


def enrol(token: str, name: str, agent: str, studio: str, key: str = "") -> dict[str, Any]:
    """Exchange the token for a host key: what the agent keeps in its `host.json` (docs/wire.md).

    `key`: the one that the agent proposes; with the same token and key it may ask again, as its answer may have been
    lost. Raises Unauthenticated with the reason for a token that is of no use, Invalid for a bad name or key, Conflict
    for a name that is taken; the token stays good then.
    """
    key = _proposed(key) if key else f"{KEY_PREFIX}_{secrets.token_urlsafe(32)}"
    try:
        with transaction.atomic():
            host = _exchange(token, name, agent, key)
    except (IntegrityError, StudioError) as error:
        before = _enrolled(token, key)
        if before is None and isinstance(error, IntegrityError):  # two machines came with one name in the same moment
            raise _taken(name) from error
        if before is None:
            raise
        host = before
    return {
        "name": host.name,
        "key": key,
        "studio": studio,
        # It asks for its work over HTTP alone: no broker is opened to other machines.
        "redis_url": None,
        "installation": installation(Path(settings.DUTO.data_dir)),
    }


def _proposed(key: str) -> str:
    """An agent's own key. Raises Invalid for one that could be guessed."""
    if not _KEY.fullmatch(key):
        raise Invalid(_("'key' is '%(prefix)s_' and 43 to 128 random letters, digits, '-' and '_'.") % {"prefix": KEY_PREFIX}, code="bad_key")  # fmt: skip
    return key


def _enrolled(token: str, key: str) -> Host | None:
    """The host that came by this very token and key within the last minutes, and still speaks with it."""
    rows = Enrolment.objects.select_related("host").filter(token_digest=digest_of(token), used_at__gt=now() - REPEATED)
    enrolment = rows.first()
    host = enrolment.host if enrolment else None
    is_same = host is not None and host.revoked_at is None and hmac.compare_digest(host.key_digest, digest_of(key))
    return host if is_same else None


def _exchange(token: str, name: str, agent: str, key: str) -> Host:
    enrolment = _good(token)
    name = enrolment.name or name.strip().lower()
    _check(name)
    known = _named(enrolment.workspace_id, name).select_for_update().first()
    _refuse_taken(known, enrolment.workspace_id, name)
    if Host.objects.filter(key_digest=digest_of(key)).exists():
        raise Invalid(_("This host key is in use. Propose another one."), code="bad_key")
    host = known or Host(name=name)
    host.workspace, host.key_digest, host.agent_version = enrolment.workspace, digest_of(key), agent[:32]
    host.revoked_at = host.drained_at = None
    host.save()
    unused = Enrolment.objects.filter(pk=enrolment.pk, used_at__isnull=True)
    if not unused.update(used_at=now(), host=host):
        raise _used()
    by = enrolment.created_by.get_username() if enrolment.created_by else "studio"
    audit.write(by, "host.enrolled", name, enrolment.workspace, through=f"enrolment {enrolment.pk}")
    outbox.hint(f"list:{enrolment.workspace.name}:compute")
    return host


def _good(token: str) -> Enrolment:
    """The enrolment of a token that may be used now. Raises Unauthenticated."""
    rows = Enrolment.objects.select_related("workspace", "created_by", "token")
    enrolment = rows.filter(token_digest=digest_of(token)).first()
    if enrolment is None:
        raise Unauthenticated(
            _("This enrolment token is not known here. Copy a new command from the page Compute."), code="bad_token"
        )
    if enrolment.used_at is not None:
        raise _used()
    if not _is_owner(enrolment) or (enrolment.token is not None and not enrolment.token.is_good(now())):
        raise Unauthenticated(
            _(
                "Who made this enrolment token is no owner of the workspace any more, or it was made with a token that has ended. Ask an owner for a new command."
            ),
            code="token_revoked",
        )
    if enrolment.expires_at <= now():
        raise Unauthenticated(
            _("This enrolment token has expired. Copy a new command from the page Compute."), code="token_expired"
        )
    return enrolment


def _is_owner(enrolment: Enrolment) -> bool:
    """A token leans on its maker: it is worth nothing once that one may not let machines in."""
    owners = Member.objects.filter(workspace=enrolment.workspace, role=Role.OWNER, user__is_active=True)
    return owners.filter(user=enrolment.created_by_id).exists() if enrolment.created_by_id else False


def _used() -> Unauthenticated:
    return Unauthenticated(
        _(
            "This enrolment token was used already; each is good for one machine. Copy a new command from the page Compute."
        ),
        code="token_used",
    )


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(
            _("%(name)r cannot name a host: use 1 to 63 small letters, digits and hyphens, with no hyphen at the ends.")
            % {"name": name},
            code="bad_name",
        )


def _named(workspace: object, name: str) -> QuerySet[Host]:
    """The host that this workspace sees by this name: its own, or one that every workspace shares."""
    return Host.objects.filter(Q(workspace=workspace) | Q(workspace=None), name=name)


def _refuse_taken(known: Host | None, workspace: object, name: str) -> None:
    """A name is free again for its workspace once its host was detached, or if that host never spoke."""
    if known is None:
        return
    is_ours = known.workspace_id == workspace and not known.is_local
    if not is_ours or (known.revoked_at is None and known.last_seen_at is not None):
        raise _taken(name)


def _taken(name: str) -> Conflict:
    return Conflict(
        _("There is a host '%(name)s' already. Give this machine another name, or detach that host first.")
        % {"name": name},
        code="exists",
    )
