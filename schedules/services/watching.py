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
from core.sentences import Kept
from datasets.services.datastores import datastore
from datasets.stored_messages import of_refusal
from datasets.stores import root_of
from schedules import changes, stored_messages, timetable
from schedules.models import Schedule, Tick
from schedules.services.ticks import before_end, from_facts, notify_pages
from workspaces.models import Workspace

log = logging.getLogger(__name__)
# Datastores that are scanned side by side, each by one thread.
MOST_STORES = 16
# Schedules that one search for what is due reads.
BATCH = 5_000
# Pages say of a store that it is slow when it has not answered for so long.
SLOW_S = 60.0
Store = tuple[UUID, str]


@dataclass
class _Scan:
    """The scans of one datastore by one thread: the schedules that watch it, one after the other."""

    keys: list[UUID]
    # When the one under way was started, by the monotonic clock.
    started: float = field(default_factory=time.monotonic)
    is_reported: bool = False


_scans: dict[Store, _Scan] = {}


def start_scans(moment: datetime) -> None:
    """Start the scans that are due. Each datastore has one thread at most; where there are too many threads, it is scanned later."""
    due = Schedule.objects.filter(next_at__lte=moment, watch__isnull=False, workspace__archived_at__isnull=True)
    due = due.order_by("next_at")
    stores: dict[Store, list[UUID]] = defaultdict(list)
    for key, workspace, watch in due.values_list("pk", "workspace", "watch")[:BATCH]:
        stores[workspace, str((watch or {}).get("datastore"))].append(key)
    for store, keys in stores.items():
        if (scan := _scans.get(store)) is not None:
            _report_slow(scan)
        elif len(_scans) < MOST_STORES:
            _scans[store] = _Scan(keys)
            threading.Thread(target=_run_scan, args=(store,), name=f"watch {store[1]}", daemon=True).start()


def _run_scan(store: Store) -> None:
    scan = _scans[store]
    try:
        for key in scan.keys:
            scan.started, scan.is_reported = time.monotonic(), False
            try:
                scan_schedule(key)
            except Exception:  # one schedule's fault must not keep the others from being looked at
                log.exception("the files of schedule %s could not be looked at", key)
    finally:
        del _scans[store]
        connections.close_all()


def _report_slow(scan: _Scan) -> None:
    """Say on the pages of all schedules that wait for this store that it is slow."""
    if scan.is_reported or time.monotonic() - scan.started < SLOW_S:
        return
    scan.is_reported = True
    why = stored_messages.keep("slow", seconds=int(SLOW_S))
    waiting = Schedule.objects.filter(pk__in=scan.keys, next_at__lte=now())
    waiting.update(watch_error=why["text"], watch_error_parts=sentences.parts_of(why))
    for each in waiting.select_related("workspace").only("workspace__name"):
        notify_pages(each)


def scan_schedule(key: UUID) -> None:
    """List the files that a schedule watches, if it is due, and write the ticks of what has changed. May be repeated."""
    started = now()
    asked = Schedule.objects.select_related("workspace").defer("seen").filter(pk=key, next_at__lte=started).first()
    if asked is None or asked.watch is None:
        return
    found, why = _files(asked)  # before the row is locked: a store may take its time
    with slices.writing():
        rows = Schedule.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace").defer("seen")
        schedule = rows.filter(pk=key).first()
        if schedule is None or (schedule.next_at, schedule.watch) != (asked.next_at, asked.watch):
            return  # another worker was faster, or the schedule was changed meanwhile
        fields = ["next_at", "watch_error", "watch_error_parts"]
        schedule.watch_error, schedule.watch_error_parts = sentences.text_of(why), sentences.parts_of(why)
        # What was seen last stays where the store is away.
        if found is not None and found.digest != schedule.seen_digest:
            Tick.objects.bulk_create(_changes(schedule, found, started))
            fields += ["seen", "seen_digest"]
        following = timetable.read(schedule.timetable).after(now(), schedule.created_at)
        schedule.next_at = before_end(schedule, following)
        schedule.save(update_fields=fields)
        notify_pages(schedule)


def _changes(schedule: Schedule, found: changes.Listing, moment: datetime) -> list[Tick]:
    """The ticks of what has changed, which is seen from then on: so a change fires once."""
    watch = changes.read(schedule.watch or {})
    changed = changes.compare(watch, schedule.seen, found, moment.timestamp())
    schedule.seen, schedule.seen_digest = found.files, found.digest
    places = changed if watch.each_file else [watch.path] if changed else []
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


def _files(schedule: Schedule) -> tuple[changes.Listing | None, Kept]:
    """The files, or why they cannot be seen."""
    try:
        return files_of(schedule.workspace, changes.read(schedule.watch or {})), ""
    except StudioError as error:
        return None, of_refusal(error)
    except OSError as error:
        return None, str(error)


def files_of(workspace: Workspace, watch: changes.Watch) -> changes.Listing:
    """The files of a folder. Raises NotFound for a datastore that is not there, OSError for one that is away."""
    return changes.listing(watch, root_of(datastore(workspace, watch.datastore)).walk(watch.path))
