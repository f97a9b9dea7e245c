"""From notification events to messages: the rules that match an event, their recipients, and the message that carries the alert.

What a rule notifies one recipient of within a while becomes one message, a digest: the first goes after `GATHER`, what follows soon
after it waits for the next one. A message that is closed is never added to; it and its alerts are written in one transaction.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from core import outbox, slices
from core.clock import now
from monitors.models import MonitorWindow
from notifications import history
from notifications.models import Alert, Delivery, Mute, Occurrence, Rule, Way
from notifications.queries import mail_address_of
from notifications.services import facts as facts_of
from registry.models import ModelVersion
from runs.models import EndpointRun, Run
from schedules.models import Tick
from workspaces.models import Member, Workspace

log = logging.getLogger(__name__)
Event = Rule.Event
# Events of the same moment go out in one message.
GATHER = timedelta(seconds=5)
BATCH = 100
# With this begins the key of an alert that was muted.
MUTED = "muted:"
# An event that no message could be made of in that time is a fault of the studio, whose log says so.
KEPT = timedelta(days=1)
_MATCHING = threading.BoundedSemaphore(1)


@dataclass(frozen=True)
class NotificationEvent:
    """Something happened that rules may match. `facts` makes what a message says of it, and is called only where a rule matches."""

    workspace: Workspace
    # One of Rule.Event.
    kind: str
    # The id of the run, the tick, the model version or the window of a monitor.
    subject: UUID
    facts: Callable[[], dict[str, Any]]
    pipeline: UUID | None = None
    endpoint: UUID | None = None
    monitor: UUID | None = None
    person: UUID | None = None

    @cached_property
    def muted_until(self) -> datetime | None:
        """Until when its pipeline is muted: asked once, however many rules there are."""
        mutes = Mute.objects.filter(pipeline=self.pipeline) if self.pipeline is not None else Mute.objects.none()
        return mutes.values_list("until", flat=True).first()


@dataclass(frozen=True)
class Target:
    """One recipient: a channel, an address of one, or a person by one way."""

    key: str
    way: str
    receiver: str
    channel: UUID | None = None
    user: UUID | None = None
    address: str = ""


@dataclass(frozen=True)
class Notification:
    """An event with its recipients, each with the rule that names it and the key of its alert, and what the message says."""

    event: NotificationEvent
    recipients: list[tuple[Rule, Target, str]]
    facts: dict[str, Any]


def match_all() -> None:
    """Match all occurrences, oldest first. In one thread of a process: each of them locks the rules that match."""
    if not _MATCHING.acquire(blocking=False):
        return
    try:
        tried: set[UUID] = set()
        while rows := list(Occurrence.objects.exclude(pk__in=tried).order_by("id")[:BATCH]):
            for each in rows:
                tried.add(each.pk)
                try:
                    match(each)
                except Exception:  # one fault must not hold up the others; it is tried again at the next look
                    log.exception("%s %s could not be matched", each.kind, each.subject)
    finally:
        _MATCHING.release()


def match(occurrence: Occurrence) -> None:
    """Match one, once: its row goes in the transaction that writes the messages. What they say is found out before it, since
    logs and secrets are read for that."""
    notifications = [notification_of(each) for each in _events_of(occurrence)]
    with slices.writing():
        if Occurrence.objects.filter(pk=occurrence.pk).delete()[0]:
            for each in notifications:
                enqueue(each)


def prune() -> None:
    """Forget occurrences that could not be matched for a day."""
    slices.delete(Occurrence.objects.filter(created_at__lt=now() - KEPT))


def _events_of(occurrence: Occurrence) -> Iterator[NotificationEvent]:
    """The events of an occurrence; none where what it names was deleted since."""
    if occurrence.kind == Occurrence.Kind.RUN:
        run = runs_with_names().filter(pk=occurrence.subject).first()
        if run is not None:
            yield from _of_run(run)
    elif occurrence.kind == Occurrence.Kind.TICK:
        ticks = Tick.objects.select_related("schedule__workspace").defer("schedule__seen")
        tick = ticks.filter(pk=occurrence.subject).first()
        if tick is not None:
            schedule = tick.schedule
            yield NotificationEvent(
                schedule.workspace, Event.MISSED, tick.pk, lambda: facts_of.of_tick(tick),
                schedule.pipeline_id, schedule.endpoint_id, person=schedule.created_by_id,
            )  # fmt: skip
    elif occurrence.kind in (Occurrence.Kind.DRIFT, Occurrence.Kind.PERFORMANCE):
        window = MonitorWindow.objects.select_related("monitor__workspace").filter(pk=occurrence.subject).first()
        if window is not None:
            yield from _of_window(window, occurrence.kind)
    else:
        version = ModelVersion.objects.select_related("model__workspace", "created_by").filter(pk=occurrence.subject)
        if (found := version.first()) is not None:
            root = Run.objects.defer("graph").filter(tree__pk=found.run_id).first() if found.run_id else None
            yield NotificationEvent(
                found.model.workspace, Event.MODEL, found.pk, lambda: facts_of.of_model(found),
                root.published_pipeline_id if root else None, endpoint_of(root), person=found.created_by_id,
            )  # fmt: skip


def _of_window(window: MonitorWindow, kind: str) -> Iterator[NotificationEvent]:
    """Nothing where it was looked at again since and is calm now."""
    if kind == Occurrence.Kind.DRIFT and window.has_drifted:
        event, facts = Event.DRIFT, facts_of.of_drift
    elif kind == Occurrence.Kind.PERFORMANCE and window.has_degraded:
        event, facts = Event.PERFORMANCE, facts_of.of_degradation
    else:
        return
    monitor = window.monitor
    yield NotificationEvent(
        monitor.workspace, event, window.pk, lambda: facts(window), monitor.pipeline_id, monitor=monitor.pk,
        person=monitor.created_by_id,
    )  # fmt: skip


def _of_run(run: Run) -> Iterator[NotificationEvent]:
    before = history.failures_before(run)
    if run.status == Run.Status.FAILED:
        yield of_run(run, Event.FAILED, lambda: facts_of.of_failure(run, before))
    elif run.status == Run.Status.COMPLETED and before is not None:
        yield of_run(run, Event.RECOVERED, lambda: facts_of.of_recovery(run, before))


def of_run(run: Run, kind: str, facts: Callable[[], dict[str, Any]]) -> NotificationEvent:
    """An event of a run."""
    return NotificationEvent(
        run.workspace, kind, run.pk, facts, run.published_pipeline_id, endpoint_of(run), person=run.submitted_by_id
    )


def runs_with_names() -> Any:
    """Whole runs with what their facts name."""
    return Run.objects.select_related("workspace", "experiment", "submitted_by").defer("graph")


def endpoint_of(run: Run | None) -> UUID | None:
    if run is None or run.published_pipeline_id is None:
        return None
    return EndpointRun.objects.filter(run=run.pk).values_list("endpoint", flat=True).first()


def notification_of(event: NotificationEvent, rules: Sequence[Rule] | None = None) -> Notification:
    """Its recipients by all active rules of the workspace, or by those given, and what the message says."""
    if rules is None:
        rules = list(active_rules().filter(workspace=event.workspace).order_by("id"))
    moment = now()
    recipients = [
        (rule, target, key)
        for rule in rules
        if matches(rule, event)
        for target, key in keys_of(rule, event, moment).items()
    ]
    return Notification(event, recipients, event.facts() if recipients else {})


def enqueue(notification: Notification) -> None:
    """Add it to messages that are gathered, or begin them. Inside a transaction."""
    moment, event = now(), notification.event
    alerts = Alert.objects.filter(subject=event.subject, event=event.kind)
    known = set(alerts.values_list("target", flat=True))
    for rule, target, key in notification.recipients:
        if key not in known:  # of many rules most have recipients that another one has
            known.add(key)
            _add_alert(rule, target, key, notification, moment)
    if notification.recipients:
        outbox.hint(f"list:{notification.event.workspace.name}:notifications")


def keys_of(rule: Rule, event: NotificationEvent, moment: datetime) -> dict[Target, str]:
    """A rule's recipients of it, each with the key of its alert: one recipient has at most one alert of a key. A muted alert has
    another key, so that a rule that is not muted notifies of it all the same."""
    is_muted = any(until is not None and until > moment for until in (rule.muted_until, event.muted_until))
    prefix = f"{MUTED}{rule.pk}:" if is_muted else ""
    return {target: prefix + target.key for target in targets_of(rule)}


def matches(rule: Rule, event: NotificationEvent) -> bool:
    """Whether an active rule is about it."""
    if event.kind not in rule.events:
        return False
    return {
        Rule.Scope.WORKSPACE: True,
        Rule.Scope.PIPELINE: rule.pipeline_id is not None and rule.pipeline_id == event.pipeline,
        Rule.Scope.ENDPOINT: rule.endpoint_id is not None and rule.endpoint_id == event.endpoint,
        Rule.Scope.MONITOR: rule.monitor_id is not None and rule.monitor_id == event.monitor,
        Rule.Scope.MINE: rule.owner_id is not None and rule.owner_id == event.person,
    }[Rule.Scope(rule.scope)]


def active_rules() -> QuerySet[Rule]:
    """Those that may tell of something: none of a person who does not belong to the workspace any more."""
    members = Member.objects.filter(workspace=OuterRef("workspace"), user=OuterRef("owner"), user__is_active=True)
    rows = Rule.objects.filter(Q(owner__isnull=True) | Exists(members), is_active=True)
    return rows.select_related("owner")


def targets_of(rule: Rule) -> list[Target]:
    """The recipients of a rule."""
    if rule.owner is not None:
        found = []
        address = mail_address_of(rule.owner) if rule.by_email else ""
        if address:
            found.append(Target(f"user:{rule.owner.pk}:email", Way.EMAIL, "mail", user=rule.owner.pk, address=address))
        if rule.by_browser:
            found.append(Target(f"user:{rule.owner.pk}:browser", Way.BROWSER, "browser", user=rule.owner.pk))
        return found
    return [target for channel in rule.channels.order_by("id") for target in targets_of_channel(channel)]


def targets_of_channel(channel: Any) -> list[Target]:
    """Each address of a mailing list that still wants it, or the one address of the others."""
    if channel.kind != Way.EMAIL:
        key = f"channel:{channel.pk}"
        return [Target(key, channel.kind, key, channel=channel.pk)]
    away = set(channel.unsubscribed)
    return [
        Target(f"channel:{channel.pk}:{each}", Way.EMAIL, "mail", channel=channel.pk, address=each)
        for each in channel.recipients
        if each not in away
    ]


def _add_alert(rule: Rule, target: Target, key: str, notification: Notification, moment: datetime) -> None:
    """Add an alert to the message that this rule gathers for this recipient, or begin one."""
    event = notification.event
    # One at a time for each rule: two workers would begin two messages.
    Rule.objects.select_for_update(no_key=True).only("pk").get(pk=rule.pk)
    mine = Delivery.objects.filter(rule=rule, target=target.key, purpose=Delivery.Purpose.ALERTS)
    is_muted = key.startswith(MUTED)
    open_ones = mine.filter(status=Delivery.Status.MUTED if is_muted else Delivery.Status.HELD)
    if is_muted:
        open_ones = open_ones.filter(created_at__gt=moment - timedelta(days=1))
    found = open_ones.select_for_update(no_key=True, of=("self",)).order_by("-id").first()
    if found is None:
        send_at = moment + GATHER
        last = mine.filter(closed_at__isnull=False).order_by("-id").values_list("closed_at", flat=True).first()
        if last is not None:
            send_at = max(send_at, last + timedelta(minutes=rule.digest_minutes))
        found = Delivery.objects.create(
            workspace=event.workspace, rule=rule, channel_id=target.channel, user_id=target.user, way=target.way,
            address=target.address, receiver=target.receiver, target=target.key, send_at=send_at,
            status=Delivery.Status.MUTED if is_muted else Delivery.Status.HELD, settled_at=moment if is_muted else None,
        )  # fmt: skip
    alert = Alert(delivery=found, target=key, event=event.kind, subject=event.subject, facts=notification.facts)
    Alert.objects.bulk_create([alert], ignore_conflicts=True)
    if Alert.objects.filter(pk=alert.pk).exists():  # unless another rule has notified them meanwhile
        Delivery.objects.filter(pk=found.pk).update(count=F("count") + 1)
