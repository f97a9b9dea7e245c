"""Events that no call announces: runs that are late, and steps that wait for a place. A worker looks for them every 15 seconds."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Min, Q

from core import slices, words
from core.clock import now
from core.work import send
from notifications import history
from notifications.models import Alert, Rule
from notifications.services import facts, matching
from runs.models import Attempt, Run
from runs.services.scheduling import waiting

log = logging.getLogger(__name__)
Event = Rule.Event
# Runs of a workspace that one pass looks at, the oldest first: they are late before the others.
BATCH = 2_000
# Reasons of waiting that a message names.
MOST_REASONS = 3
_WATCHING = threading.BoundedSemaphore(1)


def wake_worker() -> None:
    """A duty of the ticker: have a worker look, where any rule is about late runs or waiting steps."""
    if _rules():
        send("notifications.watch")


def watch() -> None:
    """Notify of runs that have become late and of steps that wait too long."""
    if not _WATCHING.acquire(blocking=False):
        return
    try:
        moment = now()
        by_workspace: dict[UUID, list[Rule]] = defaultdict(list)
        for rule in _rules():
            by_workspace[rule.workspace_id].append(rule)
        for workspace, rules in by_workspace.items():
            try:
                _late(workspace, [rule for rule in rules if Event.LATE in rule.events], moment)
                _waiting(workspace, [rule for rule in rules if Event.WAITING in rule.events], moment)
            except Exception:  # one workspace's fault must not keep the others from being looked at
                log.exception("late runs of workspace %s were not looked for", workspace)
    finally:
        _WATCHING.release()


def _rules() -> list[Rule]:
    # In an archived workspace nothing is placed, and nobody could do anything about it.
    rows = matching.active_rules().filter(workspace__deleted_at__isnull=True, workspace__archived_at__isnull=True)
    return [rule for rule in rows if Event.LATE in rule.events or Event.WAITING in rule.events]


def _late(workspace: UUID, rules: list[Rule], moment: datetime) -> None:
    if not rules:
        return
    open_runs = matching.runs_with_names().filter(
        workspace=workspace, parent__isnull=True, started_at__isnull=False, started_at__lt=moment - history.LEAST_TIME
    )
    usual: dict[object, timedelta | None] = {}
    for run in open_runs.exclude(status__in=Run.ENDS).order_by("id")[:BATCH]:
        by_limit: dict[timedelta, list[Rule]] = defaultdict(list)
        for rule in rules:
            by_limit[timedelta(minutes=rule.late_minutes or 0)].append(rule)
        for given, some in by_limit.items():
            limit = given
            if not given:
                key = history.key_of(run)
                if key not in usual:
                    usual[key] = history.usual_time(run)
                limit = usual[key] or timedelta.max
            if moment - run.started_at > limit:
                found = partial(facts.of_delay, run, limit, is_usual=not given)
                _notify(some, matching.of_run(run, Event.LATE, found), moment)


def _waiting(workspace: UUID, rules: list[Rule], moment: datetime) -> None:
    if not rules:
        return
    shortest = min(rule.wait_minutes for rule in rules)
    queued = Attempt.objects.filter(
        Q(not_before__isnull=True) | Q(not_before__lt=moment), workspace=workspace, status=Attempt.Status.QUEUED,
        node__isnull=True, node_rank=0, queued_at__lt=moment - timedelta(minutes=shortest),
    )  # fmt: skip
    since = dict(queued.order_by().values_list("run__root").annotate(first=Min("queued_at"))[:BATCH])
    for run in matching.runs_with_names().filter(pk__in=since).order_by("id"):
        attempt = queued.filter(run__root=run.pk, queued_at=since[run.pk]).select_related("run__step").first()
        some = [rule for rule in rules if since[run.pk] < moment - timedelta(minutes=rule.wait_minutes)]
        if attempt is not None and some:
            _notify(some, matching.of_run(run, Event.WAITING, partial(_waiting_facts, run, attempt)), moment)


def _waiting_facts(run: Run, attempt: Attempt) -> dict[str, Any]:
    with words.stored():
        reasons = [each.text for each in waiting.reasons(attempt)]
    return facts.of_waiting(run, attempt, reasons[:MOST_REASONS])


def _notify(rules: list[Rule], event: matching.NotificationEvent, moment: datetime) -> None:
    """Notify by these rules, unless all their recipients know of it: a run that is late stays so at each look."""
    matching_rules = [rule for rule in rules if matching.matches(rule, event)]
    keys = {key for rule in matching_rules for key in matching.keys_of(rule, event, moment).values()}
    if not keys:
        return
    known = Alert.objects.filter(subject=event.subject, event=event.kind).values_list("target", flat=True)
    if not keys <= set(known):
        notification = matching.notification_of(event, matching_rules)
        with slices.writing():
            matching.enqueue(notification)
