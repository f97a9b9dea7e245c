"""The live topic of a person's own notices, which their browser shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from core.clock import now
from core.ids import as_key
from notifications.models import Delivery, Way
from notifications.services import senders
from workspaces import live
from workspaces.models import User

# A page gets no notices that are older.
REMEMBERED = timedelta(hours=1)
# A notice may have been closed before the last one that a page got, and sent after it. Pages know what they have shown.
OVERLAP = timedelta(minutes=2)
MOST_NOTICES = 10
# The last millisecond of the year 9999: a page may send any number.
LATEST_MS = 253_402_300_799_000


def register() -> None:
    live.register("notices", _may_hear, _missed)


def _may_hear(user: User, key: str) -> bool:
    return as_key(key) == user.pk


def _missed(key: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The notices since the last one that the page, or another one of this browser, got."""
    since = asked.get("version")
    if not isinstance(since, int):
        return []
    moment = now()
    start = max(moment - REMEMBERED, datetime.fromtimestamp(min(max(since, 0), LATEST_MS) / 1000, UTC) - OVERLAP)
    rows = Delivery.objects.filter(user=as_key(key), way=Way.BROWSER, status=Delivery.Status.SENT, closed_at__gt=start)
    return [
        senders.notice(each)
        for each in reversed(rows.select_related("workspace", "rule").order_by("-id")[:MOST_NOTICES])
    ]
