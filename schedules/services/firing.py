"""From the timetable to runs: what is due becomes a tick, and each tick fires once, whoever dies on the way.

The ticker writes the ticks of all schedules that are due and moves their `next_at` on, in one transaction for each: so a moment
is a row, or is due. Workers fire the ticks, oldest first for each schedule. A tick names its run in the transaction in which that
appears: of two workers that fire the same one, the second is refused by the row, and its run is undone.
"""

from __future__ import annotations

import logging
import random
import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Min, Q

from core import outbox, slices
from core.clock import now
from core.errors import Conflict, StudioError
from core.work import send
from pipelines.models import PipelineEndpoint
from runs.models import Run
from runs.queries.runs import get_run
from runs.services.orchestration.cancel import cancel_tree
from runs.services.submission import publish
from schedules import changes, stored_messages, timetable
from schedules.models import Schedule, Tick
from schedules.services import watching
from schedules.timetable import Timetable
from workspaces.access import WorkspaceContext, authorize
from workspaces.models import Role

log = logging.getLogger(__name__)
Status = Tick.Status
OPEN = (Status.DUE, Status.QUEUED)
# A tick that is late by more was missed: the studio was away.
GRACE = timedelta(minutes=1)
# Of missed ticks so many, the newest, are counted and made up for at most; a studio that was away for a year begins anew.
MOST_MISSED = 1000
# Schedules that one look moves on; the next one, a second later, goes on with the others.
AT_ONCE = 500
# Whoever has claimed a tick and has not fired it after so long has died.
CLAIM = timedelta(seconds=60)
# Ticks of a schedule that one call fires, and schedules that are looked up at once.
FIRED_AT_ONCE = 20
NOBODY = "nobody"
# What became of a time is known for so long; a schedule of every minute leaves half a million rows a year.
KEPT = timedelta(days=90)
PRUNED = 5_000
# So many threads of a process fire at once.
_AT_IT = threading.BoundedSemaphore(2)


def look() -> None:
    """The ticker's look, once a second: write the ticks that are due, wake a worker where some may fire."""
    moment = now()
    due = Schedule.objects.filter(next_at__lte=moment).order_by("next_at").values_list("pk", flat=True)[:AT_ONCE]
    for key in list(due):
        try:
            advance(key, moment)
        except Exception:  # one schedule's fault must not keep the others from being due
            log.exception("schedule %s could not be advanced", key)
    if _ready(moment):
        send("schedules.fire")


def fire_all() -> None:
    """Fire what is due, until nothing is. A process does so in few threads: runs are submitted one after the other in any case,
    since each writes, and many at once would only wait for each other."""
    if not _AT_IT.acquire(blocking=False):
        return
    try:
        tried: set[UUID] = set()
        while keys := [key for key in _ready(now()) if key not in tried][:FIRED_AT_ONCE]:
            for key in keys:
                tried.add(key)
                try:
                    fire(key)
                except Exception:  # nor one schedule's fault the others from firing; it is tried again at the next look
                    log.exception("schedule %s could not be fired", key)
    finally:
        _AT_IT.release()


def _ready(moment: datetime) -> list[UUID]:
    """Schedules of which a tick may fire, or waits for the end of a run while none is under way; who has waited longest first."""
    unclaimed = Q(claimed_at__isnull=True) | Q(claimed_at__lt=moment - CLAIM)
    ticks = Tick.objects.filter(settled_at__isnull=True, status__in=OPEN, fires_at__lte=moment).order_by()
    rows = list(
        ticks.values_list("schedule").annotate(
            first=Min("fires_at"),
            free=Count("pk", filter=unclaimed),
            queued=Count("pk", filter=Q(status=Status.QUEUED)),
        )
    )
    busy = _busy() if any(queued for *_, queued in rows) else set()
    rows.sort(key=lambda row: row[1])
    return [key for key, _, free, queued in rows if free or (queued and key not in busy)]


def _busy() -> set[UUID]:
    """Schedules with a run under way, looked for from the open runs: a schedule may have a year of ticks."""
    open_runs = Run.objects.filter(parent__isnull=True).exclude(status__in=Run.ENDS)
    return set(Tick.objects.filter(run__in=open_runs).values_list("schedule", flat=True))


def advance(key: UUID, moment: datetime) -> None:
    """Write the ticks of a schedule up to `moment`, and when it is due next. May be repeated."""
    files, why = watching.look(key)  # before the row is locked: a store may take its time
    with slices.writing():
        schedule = Schedule.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace").get(pk=key)
        if schedule.next_at is None or schedule.next_at > moment:
            return
        found = timetable.read(schedule.timetable)
        if schedule.watch is not None:
            ticks = _changes(schedule, files, why, moment)
            schedule.next_at = _before_end(schedule, found.after(moment, schedule.created_at))
        else:
            ticks, schedule.next_at = _ticks(schedule, found, moment)
        Tick.objects.bulk_create(ticks, ignore_conflicts=True)
        schedule.save(update_fields=["next_at", "seen", "watch_error"] if schedule.watch else ["next_at"])
        tell(schedule)


def write_due(schedule: Schedule, moment: datetime) -> None:
    """Write the ticks of a locked schedule that is about to change: what was due by then is not forgotten. What it watches is
    compared with the last look in any case."""
    if schedule.watch is None and schedule.next_at is not None and schedule.next_at <= moment:
        ticks, schedule.next_at = _ticks(schedule, timetable.read(schedule.timetable), moment)
        Tick.objects.bulk_create(ticks, ignore_conflicts=True)


def _ticks(schedule: Schedule, found: Timetable, moment: datetime) -> tuple[list[Tick], datetime | None]:
    """The ticks from `next_at` to `moment`, and what is due after them."""
    assert schedule.next_at is not None
    anchor = schedule.created_at
    until = moment if schedule.end_at is None else min(moment, schedule.end_at)
    start, since = schedule.next_at, moment - GRACE
    # One more than is made up for: where it is there, older ones may be as well, and are not counted.
    missed = timetable.newest(found, start, min(until, since), anchor, MOST_MISSED + 1) if start <= since else []
    fresh = [start] if since < start <= until else []
    fresh += timetable.between(found, max(start, since), until, anchor)
    following = _before_end(schedule, found.after(moment, anchor))
    most = MOST_MISSED if schedule.catch_up is None else min(schedule.catch_up, MOST_MISSED)
    kept = missed[max(0, len(missed) - most) :]
    ticks = [_due(schedule, each, moment) for each in (*kept, *fresh)]
    if dropped := missed[: len(missed) - len(kept)]:
        why = stored_messages.keep("missed")
        if missed[0] != start:
            why = stored_messages.keep("missed_more", count=MOST_MISSED)
        elif len(dropped) > 1:
            why = stored_messages.keep("missed_many", count=len(dropped) - 1)
        ticks.insert(0, _settled(schedule, dropped[-1], Status.SKIPPED, why))
    return ticks, following


def _changes(schedule: Schedule, files: dict[str, list[float]] | None, why: str, moment: datetime) -> list[Tick]:
    """The ticks of what has changed, which from then on is known: so a change is told once. Of a store that is away nothing is
    known, and nothing is forgotten."""
    schedule.watch_error = why
    if files is None:
        return []
    watch = changes.read(schedule.watch or {})
    told = changes.changed(watch, schedule.seen, files, moment.timestamp())
    schedule.seen = changes.seen_after(schedule.seen, files, told)
    places = told if watch.each_file else [watch.path] if told else []
    return [
        Tick(
            schedule=schedule,
            due_at=moment + timedelta(microseconds=number),
            fires_at=moment,
            parameters={watch.parameter: {"datastore": watch.datastore, "path": path}} if watch.parameter else {},
        )
        for number, path in enumerate(places)
    ]


def _before_end(schedule: Schedule, at: datetime | None) -> datetime | None:
    return None if at is None or (schedule.end_at is not None and at > schedule.end_at) else at


def _due(schedule: Schedule, at: datetime, moment: datetime) -> Tick:
    put_off = timedelta(seconds=random.uniform(0, schedule.jitter)) if schedule.jitter else timedelta()  # noqa: S311
    return Tick(schedule=schedule, due_at=at, fires_at=at + put_off)


def _settled(schedule: Schedule, at: datetime, status: str, reason: dict[str, Any]) -> Tick:
    return Tick(schedule=schedule, due_at=at, fires_at=at, status=status, settled_at=now(), reason=reason)


def fire(key: UUID) -> None:
    """Fire the ticks of a schedule that are due, oldest first. May be repeated, and by several at once."""
    for _ in range(FIRED_AT_ONCE):
        tick = _claim(key)
        if tick is None:
            return
        try:
            _fire(tick)
        except StudioError as refusal:
            # Busy, or no room just now: it is due, and is fired later.
            if refusal.status >= 500 or refusal.status == 429:
                raise
            _settle(tick, Status.FAILED, {"text": refusal.message})
        if Tick.objects.filter(pk=tick.pk, status=Status.QUEUED).exists():
            return


def _claim(key: UUID) -> Tick | None:
    """The oldest tick that may fire; None where there is none, or another is at it."""
    moment = now()
    open_ones = Tick.objects.filter(schedule=key, settled_at__isnull=True, status__in=OPEN, fires_at__lte=moment)
    open_ones = open_ones.order_by("due_at")
    tick = open_ones.select_related("schedule__workspace", "schedule__created_by").defer("schedule__seen").first()
    if tick is None:
        return None
    free = Q(claimed_at__isnull=True) | Q(claimed_at__lt=moment - CLAIM) | Q(status=Status.QUEUED)
    mine = Tick.objects.filter(free, pk=tick.pk, status__in=OPEN).update(claimed_at=moment)
    return tick if mine else None


def _fire(tick: Tick) -> None:
    schedule = tick.schedule
    if schedule.max_runs is not None and schedule.run_count >= schedule.max_runs:
        return _settle(tick, Status.SKIPPED, stored_messages.keep("all_done", most=schedule.max_runs))
    if schedule.status != Schedule.Status.ACTIVE:
        return _settle(tick, Status.SKIPPED, stored_messages.keep("disabled"))
    if not _may_start(tick):
        return None
    context = _context(schedule)
    if context is None:
        _settle(tick, Status.FAILED, stored_messages.keep(NOBODY))
        return _stop(schedule, stored_messages.keep(NOBODY))
    start(context, tick)


def start(context: WorkspaceContext, tick: Tick) -> Run:
    """Start the run of a tick. Raises Conflict where another has, and what a trigger raises."""
    schedule = tick.schedule

    def note(run: Run) -> None:
        mine = Tick.objects.filter(pk=tick.pk, status__in=OPEN, run__isnull=True)
        if not mine.update(status=Status.FIRED, run=run, settled_at=now()):
            raise Conflict("The tick has fired already.", code="fired")
        count = Schedule.objects.select_for_update(no_key=True).only("run_count").get(pk=schedule.pk).run_count + 1
        Schedule.objects.filter(pk=schedule.pk).update(run_count=count)
        if schedule.max_runs is not None and count >= schedule.max_runs:
            _stop(schedule, stored_messages.keep("all_done", most=schedule.max_runs))
        tell(schedule)

    asked: dict[str, Any] = {
        "experiment": schedule.experiment_name,
        "parameters": {**schedule.parameters, **tick.parameters},
        "continue_on_step_failure": schedule.continue_on_step_failure,
        "source": "schedule",
        "name": schedule.name,
        "on_made": note,
    }
    try:
        if schedule.endpoint_id is not None:
            endpoint = PipelineEndpoint.objects.select_related("workspace").get(pk=schedule.endpoint_id)
            return publish.trigger_endpoint(context, endpoint, **asked)
        return publish.trigger(context, publish.get_published(context, schedule.pipeline_id), **asked)
    except Conflict as conflict:
        if conflict.code == "fired":
            tick.refresh_from_db()
            if tick.run_id:
                return get_run(schedule.workspace, tick.run_id)
        raise


def _may_start(tick: Tick) -> bool:
    """Whether the tick fires now, by what the schedule says of runs that are under way; if not, it is skipped or queued."""
    schedule = tick.schedule
    overlap = Schedule.Overlap(schedule.overlap)
    if overlap == Schedule.Overlap.ALLOW:
        return True
    started = Run.objects.filter(by_tick__schedule=schedule)
    running = started.exclude(status__in=Run.ENDS).order_by("id").first()
    if running is None:
        return True
    if overlap == Schedule.Overlap.SKIP:
        _settle(tick, Status.SKIPPED, stored_messages.keep("overlaps", number=running.number))
        return False
    if overlap == Schedule.Overlap.CANCEL and running.cancel_requested_at is None:
        cancel_tree(running.pk, f"the schedule '{schedule.name}'"[:150])
    Tick.objects.filter(pk=tick.pk, status__in=OPEN).update(status=Status.QUEUED, claimed_at=now())
    if overlap != Schedule.Overlap.QUEUE_ALL:
        # One waits: the first, or where the run makes way for what is newest, that.
        waiting = Tick.objects.filter(schedule=schedule, status__in=OPEN, fires_at__lte=now()).order_by("due_at")
        keys = list(waiting.values_list("pk", flat=True))
        spare = keys[1:] if overlap == Schedule.Overlap.QUEUE_ONE else keys[:-1]
        why = stored_messages.keep("queue_full", number=running.number)
        Tick.objects.filter(pk__in=spare, status__in=OPEN).update(status=Status.SKIPPED, settled_at=now(), reason=why)
    tell(schedule)
    return False


def _context(schedule: Schedule) -> WorkspaceContext | None:
    """The rights of who made the schedule, as they are now; None where they may start no run any more."""
    if schedule.created_by is None or not schedule.created_by.is_active:
        return None
    try:
        return authorize(schedule.created_by, schedule.workspace.name, needs=Role.CONTRIBUTOR)
    except Conflict:  # an archived workspace: its schedules rest, and go on when it is back
        raise
    except StudioError:
        return None


def _settle(tick: Tick, status: str, reason: dict[str, Any]) -> None:
    mine = Tick.objects.filter(pk=tick.pk, status__in=OPEN)
    with transaction.atomic():
        mine.update(status=status, settled_at=now(), reason=reason)
        tell(tick.schedule)


def _stop(schedule: Schedule, reason: dict[str, Any]) -> None:
    """The schedule cannot go on by itself."""
    Schedule.objects.filter(pk=schedule.pk).update(
        status=Schedule.Status.DISABLED, next_at=None, pause_reason=reason["text"]
    )
    tell(schedule)


def tell(schedule: Schedule) -> None:
    """Pages of the schedules look again."""
    outbox.hint(f"list:{schedule.workspace.name}:schedules")


def prune() -> None:
    """Forget ticks that were settled long ago. Their runs stay, as long as retention says."""
    slices.delete(Tick.objects.filter(settled_at__lt=now() - KEPT).order_by("settled_at"), PRUNED)
