"""Looks at the datastores that schedules watch, in threads of their own: a store that hangs holds up no other, and no timetable."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connections

from core import sentences, slices
from core.clock import iso, now
from core.errors import StudioError
from datasets.services.datastores import datastore
from datasets.stores import root_of
from schedules import changes, stored_messages, timetable
from schedules.models import Schedule, Tick
from schedules.services.ticks import before_end, from_facts, tell
from workspaces.models import Workspace

log = logging.getLogger(__name__)
# Datastores that are looked at side by side; of each one look after the other.
MOST_STORES = 16
# Schedules whose turn is found at once.
AT_ONCE = 5_000
# A store that has not answered for so long is said on the page.
SLOW_S = 60.0
Store = tuple[UUID, str]


@dataclass
class _Turn:
    """The looks that one thread takes at one datastore."""

    keys: list[UUID]
    # When the one under way has begun, by the monotonic clock.
    began: float = field(default_factory=time.monotonic)
    is_told: bool = False


_turns: dict[Store, _Turn] = {}


def look_around(moment: datetime) -> None:
    """Start the looks that are due. Each datastore has one thread at most; who finds no place is looked at later."""
    due = Schedule.objects.filter(next_at__lte=moment, watch__isnull=False, workspace__archived_at__isnull=True)
    due = due.order_by("next_at")
    stores: dict[Store, list[UUID]] = defaultdict(list)
    for key, workspace, watch in due.values_list("pk", "workspace", "watch")[:AT_ONCE]:
        stores[workspace, str((watch or {}).get("datastore"))].append(key)
    for store, keys in stores.items():
        if (turn := _turns.get(store)) is not None:
            _say_slow(turn)
        elif len(_turns) < MOST_STORES:
            _turns[store] = _Turn(keys)
            threading.Thread(target=_take, args=(store,), name=f"watch {store[1]}", daemon=True).start()


def _take(store: Store) -> None:
    turn = _turns[store]
    try:
        for key in turn.keys:
            turn.began, turn.is_told = time.monotonic(), False
            try:
                look(key)
            except Exception:  # one schedule's fault must not keep the others from being looked at
                log.exception("the files of schedule %s could not be looked at", key)
    finally:
        del _turns[store]
        connections.close_all()


def _say_slow(turn: _Turn) -> None:
    """Tell on the pages of all that wait for this store."""
    if turn.is_told or time.monotonic() - turn.began < SLOW_S:
        return
    turn.is_told = True
    why = stored_messages.keep("slow", seconds=int(SLOW_S))
    waiting = Schedule.objects.filter(pk__in=turn.keys, next_at__lte=now())
    waiting.update(watch_error=why["text"], watch_error_parts=sentences.parts_of(why))
    for each in waiting.select_related("workspace").only("workspace__name"):
        tell(each)


def look(key: UUID) -> None:
    """Look at what a schedule watches, if it is due, and write the ticks of what has changed. May be repeated."""
    began = now()
    asked = Schedule.objects.select_related("workspace").defer("seen").filter(pk=key, next_at__lte=began).first()
    if asked is None or asked.watch is None:
        return
    found, why = _files(asked)  # before the row is locked: a store may take its time
    with slices.writing():
        rows = Schedule.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace").defer("seen")
        schedule = rows.filter(pk=key).first()
        if schedule is None or (schedule.next_at, schedule.watch) != (asked.next_at, asked.watch):
            return  # another was faster, or something else is to be looked at by now
        fields = ["next_at", "watch_error", "watch_error_parts"]
        schedule.watch_error, schedule.watch_error_parts = why, None
        # Of a store that is away nothing is known, and nothing is forgotten.
        if found is not None and found.digest != schedule.seen_digest:
            Tick.objects.bulk_create(_changes(schedule, found, began))
            fields += ["seen", "seen_digest"]
        following = timetable.read(schedule.timetable).after(now(), schedule.created_at)
        schedule.next_at = before_end(schedule, following)
        schedule.save(update_fields=fields)
        tell(schedule)


def _changes(schedule: Schedule, found: changes.Listing, moment: datetime) -> list[Tick]:
    """The ticks of what has changed, which from then on is known: so a change is told once."""
    watch = changes.read(schedule.watch or {})
    told = changes.compare(watch, schedule.seen, found, moment.timestamp())
    schedule.seen, schedule.seen_digest = found.files, found.digest
    places = told if watch.each_file else [watch.path] if told else []
    facts = from_facts(schedule, {"due_at": iso(moment)})
    return [
        Tick(
            schedule=schedule,
            due_at=moment + timedelta(microseconds=number),
            fires_at=moment,
            parameters=facts
            | ({watch.parameter: {"datastore": watch.datastore, "path": path}} if watch.parameter else {}),
        )
        for number, path in enumerate(places)
    ]


def _files(schedule: Schedule) -> tuple[changes.Listing | None, str]:
    """The files, or why they cannot be seen."""
    try:
        return files_of(schedule.workspace, changes.read(schedule.watch or {})), ""
    except (OSError, StudioError) as error:
        return None, str(error)


def files_of(workspace: Workspace, watch: changes.Watch) -> changes.Listing:
    """The files of a folder. Raises NotFound for a datastore that is not there, OSError for one that is away."""
    return changes.listing(watch, root_of(datastore(workspace, watch.datastore)).walk(watch.path))
