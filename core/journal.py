"""Write events with the rows they tell of; deliver them afterwards, without a network call inside a transaction."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

from core import frames, postman
from core.clock import now
from core.models import Event
from core.prepared import Prepared
from core.work import after_commit

CATCH_UP_LIMIT = 500
BATCH = 500
LIST_MEMORY_MS, LATE_MS = 3_600_000, 2_000


def group_of(topic: str) -> str:
    """The channel layer's name of a topic: it allows letters, digits, hyphen, underscore and full stop only."""
    return "t." + "".join(c if c.isalnum() or c in "-_." else "." for c in topic)[:90]


def record(topic: str, version: int, payload: dict[str, Any], *, lists: tuple[str, ...] = ()) -> None:
    """Journal one change. Call inside the transaction that made it, with the version it produced.

    `lists` are topics of lists that show the changed thing; their watchers are told to look again.
    """
    Event.objects.create(topic=topic, version=version, payload=payload, lists=list(lists))
    after_commit(postman.ring)


_PENDING: Prepared[Event] = Prepared(lambda: Event.objects.filter(delivered_at__isnull=True).order_by("id")[:BATCH])


def deliver() -> int:
    """Send what is undelivered: read, commit, send, mark. A crash in between sends twice; frames carry versions."""
    pending = _PENDING.all()
    if not pending:
        return 0
    told = [(event.topic, {"version": event.version, **event.payload}) for event in pending]
    told += [(name, {"version": stamp()}) for name in {name for event in pending for name in event.lists}]
    if not frames.publish([(group_of(topic), _frame(topic, frame)) for topic, frame in told]):
        return 0
    Event.objects.filter(pk__in=[event.pk for event in pending]).update(delivered_at=now())
    return len(pending)


def send(topic: str, frame: dict[str, Any]) -> bool:
    """Send one frame to those who watch the topic; False when the channel layer is away."""
    return frames.publish([(group_of(topic), _frame(topic, frame))])


def _frame(topic: str, frame: dict[str, Any]) -> dict[str, Any]:
    return {"type": "frame", "frame": {"topic": topic, **frame}}


def hint(topic: str, frame: dict[str, Any] | None = None) -> None:
    """Tell watchers of a list or a log after commit; such frames are not journaled, the page reads the state itself."""
    after_commit(lambda: frames.post(group_of(topic), _frame(topic, frame or {})))


def gone(topic: str, name: str) -> None:
    """Tell watchers of the topic that what has this name (`kind:name`) was deleted: its page asks for nothing more."""
    hint(topic, {"gone": name})


def stamp() -> int:
    """The version of a list at this moment, in milliseconds: what a page has seen when it reads its rows after this.

    Not a count of events: whoever looks at one list learns nothing of how much happens in the others.
    """
    return int(now().timestamp() * 1000)


def has_moved(topic: str, since: int) -> bool:
    """Whether anything of this list was journaled after that version; for one of long ago simply yes."""
    moment = stamp()
    if moment - since > LIST_MEMORY_MS:
        return True
    # An event is dated when it is written, and seen when its transaction holds: a page looks once too often at worst.
    start = datetime.fromtimestamp((min(since, moment) - LATE_MS) / 1000, UTC)
    texts = Event.objects.filter(created_at__gt=start).annotate(text=Cast("lists", TextField()))
    return texts.filter(text__contains=json.dumps(topic)).exists()


def missed(topic: str, since: int) -> list[Event] | None:
    """The events after version `since`, or None when the journal no longer has them all."""
    events = list(Event.objects.filter(topic=topic, version__gt=since).order_by("version")[: CATCH_UP_LIMIT + 1])
    if len(events) > CATCH_UP_LIMIT or (events and events[0].version != since + 1):
        return None
    return events
