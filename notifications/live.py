"""The live topic of a person's own notices: what their browser shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from core.clock import now
from core.ids import as_key
from notifications.models import Delivery, Way
from notifications.services import senders
from workspaces import live
from workspaces.models import User

# A page that is opened after so long is not told of what was before.
REMEMBERED = timedelta(hours=1)
# What was closed before the last one that a page heard, and sent after it. Pages know what they have shown.
OVERLAP = timedelta(minutes=2)
MOST = 10
# The last millisecond of the year 9999 is more than any page has heard of.
LATEST = 253_402_300_799_000


def register() -> None:
    live.register("notices", _may_hear, _missed)


def _may_hear(user: User, key: str) -> bool:
    return as_key(key) == user.pk


def _missed(key: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What came since the page, or another one of this browser, heard last."""
    since = asked.get("version")
    if not isinstance(since, int):
        return []
    moment = now()
    start = max(moment - REMEMBERED, datetime.fromtimestamp(min(max(since, 0), LATEST) / 1000, UTC) - OVERLAP)
    rows = Delivery.objects.filter(user=as_key(key), way=Way.BROWSER, status=Delivery.Status.SENT, closed_at__gt=start)
    return [senders.notice(each) for each in reversed(rows.select_related("workspace", "rule").order_by("-id")[:MOST])]
