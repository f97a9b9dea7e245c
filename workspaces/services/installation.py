"""What those do who look after the installation: people of all workspaces, and a message on every page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, QuerySet
from django.utils.translation import gettext as _

from core.clock import now
from core.errors import Conflict, Invalid, NotFound
from core.ids import as_key
from core.prepared import Prepared
from workspaces.access import owns_studio
from workspaces.models import AuditEntry, Banner, User
from workspaces.services import audit, edits, members

LONGEST = 500
ONE = 1
# Each page asks for it.
_BANNER: Prepared[Banner] = Prepared(lambda: Banner.objects.filter(pk=ONE))


@dataclass(frozen=True)
class Said:
    """The message of every page."""

    text: str
    level: str
    until: datetime | None


def require_owner(user: object) -> User:
    """The person. Raises NotFound for who does not look after the installation: to others it does not exist."""
    if not isinstance(user, User) or not owns_studio(user):
        raise NotFound(_("There is no such page, or it is not for you."))
    return user


def people() -> QuerySet[User]:
    """All accounts, with how many workspaces they belong to and when they were last seen in one."""
    return User.objects.annotate(workspace_count=Count("memberships"), seen=Max("memberships__last_seen_at"))


def set_active(by: User, user_id: object, is_active: bool) -> User:
    """Close a person's account, or open it again. Raises NotFound, Conflict for oneself and for the last owner of a
    workspace."""
    require_owner(by)
    found = User.objects.filter(pk=as_key(user_id)).first()
    if found is None:
        raise NotFound(_("There is no such account."))
    if found.pk == by.pk:
        raise Conflict(_("You cannot close your own account."), code="own_account")
    change = members.open_account if is_active else members.close_account
    if found.is_active != is_active:
        change(found.get_username(), _noted(by))
    found.refresh_from_db()
    return found


@transaction.atomic
def say(
    by: User,
    text: str,
    level: str = Banner.Level.INFO,
    until: datetime | None = None,
    *,
    seen: edits.Seen = None,
) -> Said | None:
    """What every page says from now on, until then; an empty text says nothing any more.

    Raises Invalid, and PreconditionFailed where what is said is not as it was `seen`.
    """
    require_owner(by)
    text = " ".join(text.split())
    if len(text) > LONGEST:
        raise Invalid(_("A message has at most %(most)s characters.") % {"most": LONGEST}, code="long_message")
    if level not in Banner.Level.values:
        raise Invalid(_("A message is one of: %(names)s.") % {"names": ", ".join(Banner.Level.values)})
    if until is not None and until <= now():
        raise Invalid(_("The end of the message is over already."), code="past")
    edits.require_unchanged(seen, state(is_locked=True), None)
    if text:
        Banner.objects.update_or_create(pk=ONE, defaults={"text": text, "level": level, "until": until})
    else:
        Banner.objects.all().delete()
    audit.write(by.get_username(), "studio.message", text, left=[edits.etag(state())])
    return said()


def state(*, is_locked: bool = False) -> dict[str, Any]:
    """All that saying something else overwrites; what is over counts for nothing. `is_locked`: until the transaction ends."""
    banner = Banner.objects.select_for_update().filter(pk=ONE).first() if is_locked else _BANNER.first()
    if banner is None or (banner.until is not None and banner.until <= now()):
        return {}
    return {"text": banner.text, "level": banner.level, "until": banner.until}


def said() -> Said | None:
    """What every page says now."""
    found = state()
    return Said(**found) if found else None


def audit_entries(by: User) -> QuerySet[AuditEntry]:
    """What belongs to no workspace: accounts, deleted workspaces, messages."""
    require_owner(by)
    return AuditEntry.objects.filter(workspace__isnull=True)


def _noted(by: User) -> Callable[[str, str], None]:
    return partial(audit.write, by.get_username())
