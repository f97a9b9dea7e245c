"""The live topic of a person's own notices: what their browser shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.clock import now, stamp
from core.ids import as_key
from notifications import messages
from notifications.models import Delivery, Way
from notifications.services import senders
from workspaces import live
from workspaces.models import User

# A page that is opened after so long is not told of what was before.
REMEMBERED = timedelta(hours=1)
MOST = 5


def register() -> None:
    live.register("notices", _may_hear, _missed)


def _may_hear(user: User, key: str) -> bool:
    return as_key(key) == user.pk


def _missed(key: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What came since the page, or another one of this browser, heard last."""
    since = asked.get("version")
    if not isinstance(since, int):
        return []
    rows = Delivery.objects.filter(user=as_key(key), way=Way.BROWSER, status=Delivery.Status.SENT)
    rows = rows.filter(settled_at__gt=now() - REMEMBERED).select_related("workspace", "rule").order_by("-id")[:MOST]
    found = [row for row in reversed(rows) if row.settled_at and row.settled_at.timestamp() * 1000 > since]
    return [{**messages.browser(senders.message_of(each)), "version": stamp()} for each in found]
