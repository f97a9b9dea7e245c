"""The outbox: events are written with the rows they tell of, and published afterwards, without a network call inside a
transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

from core import frames, outbox_publisher
from core.clock import stamp
from core.models import Event
from core.work import after_commit

CATCH_UP_LIMIT = 500
LIST_MEMORY_MS, LATE_MS = 3_600_000, 2_000


@dataclass(frozen=True)
class Change:
    """One change of a topic, with the version that it produced; `lists` are topics of lists that show the changed thing, whose
    watchers are told to look again."""

    topic: str
    version: int
    payload: dict[str, Any]
    lists: tuple[str, ...] = ()


def record(topic: str, version: int, payload: dict[str, Any], *, lists: tuple[str, ...] = ()) -> None:
    """Journal one change (see Change). Call inside the transaction that made it."""
    record_all([Change(topic, version, payload, lists)])


def record_all(changes: Sequence[Change]) -> None:
    """The same for several changes of one transaction, by one statement."""
    Event.objects.bulk_create(
        Event(topic=each.topic, version=each.version, payload=each.payload, lists=[*each.lists]) for each in changes
    )
    after_commit(outbox_publisher.wake)


def send(topic: str, frame: dict[str, Any]) -> bool:
    """Send one frame to those who watch the topic; False when the channel layer is away."""
    return frames.publish([frames.of(topic, frame)])


def hint(topic: str, frame: dict[str, Any] | None = None) -> None:
    """Tell watchers of a list or a log after commit; such frames are not recorded, the page reads the state itself."""
    after_commit(lambda: frames.post(*frames.of(topic, frame or {})))


def gone(topic: str, name: str) -> None:
    """Tell watchers of the topic that what has this name (`kind:name`) was deleted: its page asks for nothing more."""
    hint(topic, {"gone": name})


def has_moved(topic: str, since: int) -> bool:
    """Whether anything of this list was recorded after that version; for one of long ago simply yes."""
    moment = stamp()
    if moment - since > LIST_MEMORY_MS:
        return True
    # An event is dated when it is written, and seen when its transaction holds: a page looks once too often at worst.
    start = datetime.fromtimestamp((min(since, moment) - LATE_MS) / 1000, UTC)
    texts = Event.objects.filter(created_at__gt=start).annotate(text=Cast("lists", TextField()))
    return texts.filter(text__contains=json.dumps(topic)).exists()


def missed(topic: str, since: int) -> list[Event] | None:
    """The events after version `since`, or None when the outbox no longer has them all."""
    events = list(Event.objects.filter(topic=topic, version__gt=since).order_by("version")[: CATCH_UP_LIMIT + 1])
    if len(events) > CATCH_UP_LIMIT or (events and events[0].version != since + 1):
        return None
    return events
