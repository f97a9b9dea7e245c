"""When each token was last used, and each member last seen: noted beside the request and written down later, so that no read becomes a write.

What a process has not written down when it ends is lost, which costs a minute of a date that people look at.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from uuid import UUID

from core.clock import now
from workspaces.models import ApiToken, Member

EVERY = timedelta(minutes=1)
BATCH = 500
_used: dict[UUID, datetime] = {}
_seen: dict[tuple[UUID, UUID], datetime] = {}
_lock = threading.Lock()


def note(token: ApiToken) -> None:
    """Remember that the token is used now, unless its row says nearly so."""
    moment = now()
    if token.last_used_at is None or moment - token.last_used_at >= EVERY:
        with _lock:
            _used[token.pk] = moment


def note_seen(workspace_id: UUID, user_id: UUID) -> None:
    """Remember that this person is in this workspace now."""
    with _lock:
        _seen[workspace_id, user_id] = now()


def write_down() -> int:
    """Write down what was noted, in short statements; how many tokens. What fails is noted anew at the next use."""
    with _lock:
        noted, seen = dict(_used), dict(_seen)
        _used.clear()
        _seen.clear()
    for (workspace, user), moment in seen.items():
        Member.objects.filter(workspace=workspace, user=user).update(last_seen_at=moment)
    keys = list(noted)
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        latest = max(noted[key] for key in batch)
        ApiToken.objects.filter(pk__in=batch).update(last_used_at=latest)
    return len(keys)
