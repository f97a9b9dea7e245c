"""From the timetable to runs: what is due becomes a tick, and each tick fires once, also where a worker dies on the way.

The ticker writes the ticks of all schedules that are due and moves their `next_at` on, in one transaction for each: so a moment
is a row, or is due. Workers fire the ticks, oldest first for each schedule. A tick names its run in the transaction in which that
appears: of two workers that fire the same one, the second is refused by the row, and its run is undone.
"""

from __future__ import annotations

import copy
import json
import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import Count, F, Min, OuterRef, Q, Subquery

from core import slices, words
from core.clock import now
from core.errors import Conflict, StudioError
from core.prepared import Probe
from core.work import send
from environments.services.versions import look
from pipelines.models import PipelineEndpoint
from runs.models import Run
from runs.queries.runs import get_run
from runs.services.orchestration.cancel import cancel_tree
from runs.services.orchestration.progress import advance_together, advancing_later
from runs.services.submission import publish
from runs.services.submission.checks import environments
from runs.services.submission.submit import Ready, submit_all
from schedules import stored_messages, timetable
from schedules.models import Backfill, Schedule, Tick
from schedules.services import backfills, watching
from schedules.services.schedules import seal_as_given
from schedules.services.ticks import OPEN, notify_pages, of_times, settle, stop, write
from workspaces.access import WorkspaceContext, authorize
from workspaces.models import Role, User

log = logging.getLogger(__name__)
Status = Tick.Status
# Schedules that one call of `check_due` advances, the next one, a second later, goes on with the others; and by one transaction.
BATCH, ADVANCED_AT_ONCE = 1000, 250
# A worker that has claimed a tick and has not fired it after so long has died.
CLAIM = timedelta(seconds=60)
# A tick that an unexpected error keeps from firing is tried so often, after 10, 30, 90 and 270 seconds, and then has failed.
MOST_TRIES, PAUSE, ERROR_LENGTH = 5, timedelta(seconds=10), 500
# Ticks of a schedule that one call fires.
FIRED_AT_ONCE = 20
# Schedules whose next tick is claimed by the same statements: few, since a claim ends while large graphs are submitted.
CLAIMED_AT_ONCE = 20
# Runs wait so many seconds for ticks that are due before the first of them is carried forward, so many at a time.
PATIENCE_S, CARRIED_AT_ONCE = 15.0, 20
# A schedule is looked at again after so many seconds, as by the ticker.
AGAIN_S = 1.0
NOBODY, SOURCE = "nobody", "schedule"
# What became of a time is known for so long; a schedule of every minute leaves half a million rows a year.
KEPT = timedelta(days=90)
PRUNED = 5_000
# Held by the one thread of a process that fires.
_FIRING = threading.Lock()


def check_due() -> None:
    """A duty of the ticker, once a second: write the ticks that are due, wake a worker where some may fire."""
    moment = now()
    backfills.release()
    if _DUE(moment):
        watching.start_scans(moment)
        _advance_due(moment)
    if _OPEN_TICKS(moment) and _ready(moment):
        send("schedules.fire")


_DUE = Probe(lambda moment: Schedule.objects.filter(next_at__lte=moment), datetime)
_OPEN_TICKS = Probe(
    lambda moment: Tick.objects.filter(settled_at__isnull=True, status__in=OPEN, fires_at__lte=moment),
    datetime,
)


def _advance_due(moment: datetime) -> None:
    # Those of an archived workspace rest: what they miss is made up for as after a time in which the studio was away.
    due = Schedule.objects.filter(next_at__lte=moment, watch__isnull=True, workspace__archived_at__isnull=True)
    due = due.order_by("next_at")
    for part in slices.of(list(due.values_list("pk", flat=True)[:BATCH]), ADVANCED_AT_ONCE):
        _advance_safely(part, moment)


def _advance_safely(keys: Sequence[UUID], moment: datetime) -> None:
    """One schedule's fault must not keep the others from being due."""
    try:
        while advance(keys, moment):
            slices.pause()
    except Exception:
        if len(keys) > 1:
            for key in keys:
                _advance_safely([key], moment)
        else:
            log.exception("schedule %s could not be advanced", *keys)


def fire_all() -> None:
    """Fire what is due, until nothing is. A process does so in one thread: each submit writes, and several would only wait for
    each other."""
    if not _FIRING.acquire(blocking=False):
        return
    try:
        _fire_due()
    finally:
        _FIRING.release()


def _fire_due() -> None:
    """Runs that have to exist come before steps: on few cores those that run would keep the others from being submitted. Where more
    is due than can be fired for long, both take turns."""
    looked_at: dict[UUID, float] = {}
    keys: Sequence[UUID] = []
    submitted: list[UUID] = []
    waiting_since = 0.0
    while True:
        moment = time.monotonic()
        keys = keys or [key for key in _ready(now()) if moment - looked_at.get(key, -AGAIN_S) >= AGAIN_S]
        part, keys = keys[:CLAIMED_AT_ONCE], keys[CLAIMED_AT_ONCE:]
        if part:
            looked_at.update(dict.fromkeys(part, moment))
            waiting_since = waiting_since if submitted else moment
            with advancing_later(submitted):
                fire(part)
        if submitted and (not keys or moment - waiting_since > PATIENCE_S):
            carried, submitted = submitted[:CARRIED_AT_ONCE], submitted[CARRIED_AT_ONCE:]
            advance_together(carried)
        elif not part:
            return


def _ready(moment: datetime) -> list[UUID]:
    """Schedules of which a tick may fire, or waits for the end of a run while none is under way; the longest waiting first."""
    ticks = Tick.objects.filter(
        settled_at__isnull=True, status__in=OPEN, fires_at__lte=moment, schedule__workspace__archived_at__isnull=True
    ).order_by()
    rows = list(
        ticks.values_list("schedule").annotate(
            first=Min("fires_at"),
            free=Count("pk", filter=_unclaimed(moment)),
            queued=Count("pk", filter=Q(status=Status.QUEUED)),
        )
    )
    busy = _busy() if any(queued for *_, queued in rows) else set()
    rows.sort(key=lambda row: row[1])
    return [key for key, _, free, queued in rows if free or (queued and key not in busy)]


def _unclaimed(moment: datetime) -> Q:
    """No worker has claimed it, or the one that has died. A claim of a time to come was made before clocks went back."""
    stale = Q(claimed_at__lt=moment - CLAIM) | Q(claimed_at__gt=moment + CLAIM)
    return Q(claimed_at__isnull=True) | stale


def _busy() -> set[UUID]:
    """Schedules with a run under way, looked for from the open runs: a schedule may have a year of ticks."""
    open_runs = Run.objects.filter(parent__isnull=True).exclude(status__in=Run.ENDS)
    return set(Tick.objects.filter(run__in=open_runs, backfill__isnull=True).values_list("schedule", flat=True))


def advance(keys: Sequence[UUID], moment: datetime) -> bool:
    """Write the ticks of these timetables up to `moment`, and when they are due next. May be repeated.

    Whether some are left: those of a studio that was away may have a thousand ticks each.
    """
    with slices.writing():
        rows = Schedule.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace").defer("seen")
        due = list(rows.filter(pk__in=keys, next_at__lte=moment, watch__isnull=True).order_by("pk"))
        made: list[Tick] = []
        advanced: list[Schedule] = []
        for schedule in due:
            if len(made) >= slices.SLICE:
                break
            ticks, schedule.next_at = of_times(schedule, timetable.read(schedule.timetable), moment)
            made += ticks
            advanced.append(schedule)
        write(made)
        Schedule.objects.bulk_update(advanced, ["next_at"])
        notify_pages(*advanced)
    return len(advanced) < len(due)


def fire(keys: Sequence[UUID]) -> None:
    """Fire the ticks of these schedules that are due: the oldest of each, then the next of each. May be repeated, and by several
    at once."""
    for _ in range(FIRED_AT_ONCE):
        ticks = _claim(keys)
        if not ticks:
            return
        left = _fire_together(ticks)
        keys = [tick.schedule_id for tick in ticks if tick not in left or _fire_safely(tick)]


def _fire_together(ticks: Sequence[Tick]) -> set[Tick]:
    """Fire those of a workspace and a person by one transaction, each pipeline with its parameters checked once. What is left is
    fired one by one, also where one of them is refused: each then says why."""
    groups: dict[tuple[object, object], list[Tick]] = {}
    left: set[Tick] = set()
    for tick in ticks:
        if _is_plain(tick):
            groups.setdefault((tick.schedule.workspace_id, tick.schedule.created_by_id), []).append(tick)
        else:
            left.add(tick)
    for group in groups.values():
        left.update(group if len(group) == 1 else _fire_group(group))
    return left


def _is_plain(tick: Tick) -> bool:
    """Whether nothing but a refusal of the run keeps it from firing."""
    schedule = tick.schedule
    may = schedule.status == Schedule.Status.ACTIVE and schedule.overlap == Schedule.Overlap.ALLOW
    return may and tick.backfill_id is None and schedule.max_runs is None and tick.tries <= MOST_TRIES


def _fire_group(ticks: Sequence[Tick]) -> Sequence[Tick]:
    """Those that are left: all, or none."""
    schedule = ticks[0].schedule
    try:
        with words.stored():
            context = _context(schedule, schedule.created_by)
            if context is None:
                return ticks
            _start(context, ticks)
    except Exception as error:
        log.info("%d ticks of %s are fired one by one: %s", len(ticks), schedule.workspace.name, error)
        return ticks
    return ()


def _fire_safely(tick: Tick) -> bool:
    """Whether the next one of its schedule may follow at once. One schedule's fault must not keep the others from firing."""
    try:
        return _fire_or_postpone(tick)
    except Exception:  # the claim ends, and then it is tried again
        log.exception("what became of tick %s could not be written", tick.pk)
        return False


def _fire_or_postpone(tick: Tick) -> bool:
    try:
        with words.stored():  # what is kept of a refusal is said anew to each reader
            return _fire(tick)
    except StudioError as refusal:
        # Busy, no room just now, or a workspace (no endpoint) that was archived in this moment: it is due, and is fired later.
        rests = refusal.code == "archived" and "endpoint" not in refusal.facts
        if refusal.status >= 500 or refusal.status == 429 or rests:
            return _postpone(tick, PAUSE, tick.tries - 1)
        settle(tick, Status.FAILED, _reason_of(tick, refusal))
    except (OperationalError, InterfaceError):  # the database is away, or others hold it: no fault of this tick
        log.exception("tick %s could not be fired", tick.pk)
        return _postpone(tick, PAUSE, tick.tries - 1)
    except Exception as error:
        log.exception("tick %s could not be fired", tick.pk)
        return _retry_or_fail(tick, error)
    return True


def _reason_of(tick: Tick, refusal: StudioError) -> dict[str, Any]:
    """Why it was refused, to be kept. What cannot be said anew is asked again in that language: the checks start nothing."""
    kept, texts = stored_messages.of_refusal(refusal), dict[str, str]()
    for language in words.other_languages():
        if stored_messages.localized(kept) == kept["text"]:
            again = _refused_again(tick)
            if again is not None and again.code == refusal.code:
                texts[language] = again.message
    return {**kept, "texts": texts} if texts else kept


def _refused_again(tick: Tick) -> StudioError | None:
    try:
        context = _context(tick.schedule, (tick.backfill or tick.schedule).created_by)
        if context is not None:
            environments(context, _ready_run(context, tick, {}).checked, look)
    except StudioError as again:
        return again
    return None


def _retry_or_fail(tick: Tick, error: Exception) -> bool:
    """After an unexpected error try again, later each time, and then fail; the ticks after this one go on meanwhile."""
    if tick.tries < MOST_TRIES:
        _postpone(tick, PAUSE * 3 ** (tick.tries - 1), tick.tries)
        return True
    what = f"{type(error).__name__}: {error}"[:ERROR_LENGTH].replace("\0", "\ufffd")
    settle(tick, Status.FAILED, stored_messages.keep("fault", tries=tick.tries, error=what))
    return True


def _postpone(tick: Tick, pause: timedelta, tries: int) -> bool:
    """Have it fired later; the ticks behind it do not wait for it, from the next look on."""
    mine = Tick.objects.filter(pk=tick.pk, status__in=OPEN)
    mine.update(fires_at=now() + pause, claimed_at=None, tries=tries)
    return False


def _claim(keys: Sequence[UUID]) -> list[Tick]:
    """Of each of these schedules the oldest tick that may fire, without those that another is at; by three statements."""
    moment = now()
    open_ones = Tick.objects.filter(
        schedule=OuterRef("pk"), settled_at__isnull=True, status__in=OPEN, fires_at__lte=moment
    )
    # What may fire at once before what may have to wait for the end of a run.
    first = open_ones.order_by(F("backfill").asc(nulls_last=True), "due_at").values("pk")[:1]
    rows = Schedule.objects.filter(pk__in=keys).order_by().annotate(first=Subquery(first))
    found = [key for key in rows.values_list("first", flat=True) if key is not None]
    free = _unclaimed(moment) | Q(status=Status.QUEUED)
    if not found or not Tick.objects.filter(free, pk__in=found, status__in=OPEN).update(
        claimed_at=moment, tries=F("tries") + 1
    ):
        return []
    related = ("schedule__workspace", "schedule__created_by", "backfill__created_by")
    claimed = Tick.objects.filter(pk__in=found, status__in=OPEN, claimed_at=moment).select_related(*related)
    return list(claimed.defer("schedule__seen").order_by("fires_at"))


def _fire(tick: Tick) -> bool:
    """Fire a tick, or say why not; whether it is over with it, and does not wait for the end of a run."""
    schedule = tick.schedule
    if tick.tries > MOST_TRIES:
        return _settle(tick, Status.FAILED, "given_up", tries=MOST_TRIES)
    if tick.backfill is not None:
        # A person has asked for it: status, overlap and `max_runs` of the schedule are about its own ticks.
        context = _context(schedule, tick.backfill.created_by)
        if context is None:
            return _settle(tick, Status.FAILED, NOBODY)
        start(context, tick)
        return True
    if schedule.max_runs is not None and schedule.run_count >= schedule.max_runs:
        return _settle(tick, Status.SKIPPED, "all_done", most=schedule.max_runs)
    if schedule.status != Schedule.Status.ACTIVE:
        return _settle(tick, Status.SKIPPED, "disabled")
    if not _may_start(tick):
        return not Tick.objects.filter(pk=tick.pk, status=Status.QUEUED).exists()
    context = _context(schedule, schedule.created_by)
    if context is None:
        stop(schedule, stored_messages.keep(NOBODY))
        return _settle(tick, Status.FAILED, NOBODY)
    start(context, tick)
    return True


def _settle(tick: Tick, status: Status, code: str, **facts: Any) -> bool:
    settle(tick, status, stored_messages.keep(code, **facts))
    return True


def start(context: WorkspaceContext, tick: Tick) -> Run:
    """Start the run of a tick. Raises Conflict where another has, and what a trigger raises."""
    try:
        (run,) = _start(context, [tick])
    except Conflict as conflict:
        if conflict.code == "fired":
            tick.refresh_from_db()
            if tick.run_id:
                return get_run(tick.schedule.workspace, tick.run_id)
        raise
    return run


def _start(context: WorkspaceContext, ticks: Sequence[Tick]) -> list[Run]:
    """Start the runs of ticks. Raises Conflict (`fired`) where another has started one, and what a trigger raises."""
    following = iter(ticks)

    def record(runs: Sequence[Run]) -> None:
        moment, mine = now(), []
        for run in runs:
            tick = copy.copy(next(following))  # undone with its transaction, it is due as before
            tick.status, tick.run, tick.settled_at = Status.FIRED, run, moment
            mine.append(tick)
        _settle_fired(mine)
        for tick, run in zip(mine, runs, strict=True):
            own = {name: value for name, value in run.parameters.items() if name not in tick.parameters}
            seal_as_given(tick.schedule, own)

    known: dict[object, Ready] = {}
    return submit_all(context, [_ready_run(context, tick, known) for tick in ticks], record)


def _ready_run(context: WorkspaceContext, tick: Tick, known: dict[object, Ready]) -> Ready:
    """The run of a tick, checked: once for those that ask for the same."""
    of = tick.schedule
    values = {**of.parameters, **tick.parameters}
    key = (of.pipeline_id, of.endpoint_id, of.continue_on_step_failure, json.dumps(values, sort_keys=True))
    if key in known:
        return known[key].again(of.experiment_name, {"kind": SOURCE, "name": of.name})
    asked: dict[str, Any] = {
        "experiment": of.experiment_name,
        "parameters": values,
        "continue_on_step_failure": of.continue_on_step_failure,
        "source": SOURCE,
        "name": of.name,
    }
    if of.endpoint_id is not None:
        endpoint = PipelineEndpoint.objects.select_related("workspace").get(pk=of.endpoint_id)
        known[key] = publish.ready_to_trigger_endpoint(context, endpoint, **asked)
    else:
        known[key] = publish.ready_to_trigger(context, publish.get_published(context, of.pipeline_id), **asked)
    return known[key]


def _settle_fired(ticks: Sequence[Tick]) -> None:
    """Write that these have fired, and count them. Raises Conflict (`fired`) where another has fired one."""
    mine = Tick.objects.filter(status__in=OPEN, run__isnull=True)
    if mine.bulk_update(ticks, ["status", "run", "settled_at"]) < len(ticks):
        raise Conflict("The tick has fired already.", code="fired")
    own = [tick.schedule_id for tick in ticks if tick.backfill_id is None]
    schedules = Schedule.objects.filter(pk__in=own)
    if len(own) > 1:  # in the order in which the ticker locks them
        list(schedules.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    if own:
        schedules.update(run_count=F("run_count") + 1)
        for schedule in schedules.filter(run_count__gte=F("max_runs")).select_related("workspace").defer("seen"):
            stop(schedule, stored_messages.keep("all_done", most=schedule.max_runs))
    notify_pages(*(tick.schedule for tick in ticks))


def _may_start(tick: Tick) -> bool:
    """Whether the tick fires now, by what the schedule says of runs that are under way; if not, it is skipped or queued."""
    schedule = tick.schedule
    overlap = Schedule.Overlap(schedule.overlap)
    if overlap == Schedule.Overlap.ALLOW:
        return True
    started = Run.objects.filter(by_tick__schedule=schedule, by_tick__backfill__isnull=True)
    running = started.exclude(status__in=Run.ENDS).order_by("id").first()
    if running is None:
        return True
    if overlap == Schedule.Overlap.SKIP:
        settle(tick, Status.SKIPPED, stored_messages.keep("overlaps", number=running.number))
        return False
    if overlap == Schedule.Overlap.CANCEL and running.cancel_requested_at is None:
        cancel_tree(running.pk, f"the schedule '{schedule.name}'"[:150])
    Tick.objects.filter(pk=tick.pk, status__in=OPEN).update(status=Status.QUEUED, claimed_at=now(), tries=0)
    if overlap != Schedule.Overlap.QUEUE_ALL:
        # One waits: the first, or where the run makes way for what is newest, that.
        waiting = Tick.objects.filter(schedule=schedule, status__in=OPEN, backfill__isnull=True, fires_at__lte=now())
        ticks = list(waiting.order_by("due_at").select_related("schedule__workspace").defer("schedule__seen"))
        spare = ticks[1:] if overlap == Schedule.Overlap.QUEUE_ONE else ticks[:-1]
        why = stored_messages.keep("queue_full", number=running.number)
        for each in spare:
            settle(each, Status.SKIPPED, why)
    notify_pages(schedule)
    return False


def _context(schedule: Schedule, user: User | None) -> WorkspaceContext | None:
    """The rights of who made the schedule or the backfill, as they are now; None where they may start no run any more."""
    if user is None or not user.is_active:
        return None
    try:
        return authorize(user, schedule.workspace.name, needs=Role.CONTRIBUTOR)
    except Conflict:  # an archived workspace, which says nothing about rights
        raise
    except StudioError:
        return None


def prune() -> None:
    """Forget ticks that were settled long ago. Their runs stay, as long as retention says."""
    slices.delete(Tick.objects.filter(settled_at__lt=now() - KEPT).order_by("settled_at"), PRUNED)
    slices.delete(Backfill.objects.filter(created_at__lt=now() - KEPT, ticks__isnull=True), PRUNED)
