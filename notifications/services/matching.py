"""From what happened to messages: the rules that mean it, who they tell, and the message that tells it.

What a rule tells one receiver within a while becomes one message, a digest: the first goes after `GATHER`, what follows soon after
it waits for the next one. A message that is closed is never added to; it and its alerts are written in one transaction.
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
# What happens in the same moment is told together.
GATHER = timedelta(seconds=5)
AT_ONCE = 100
MUTED = "muted:"
# What could not be told in that time is a fault of the studio, whose log says so.
KEPT = timedelta(days=1)
_AT_IT = threading.BoundedSemaphore(1)


@dataclass(frozen=True)
class Happening:
    """One thing that rules may mean, and what is told of it where one does."""

    workspace: Workspace
    event: str
    subject: UUID
    facts: Callable[[], dict[str, Any]]
    pipeline: UUID | None = None
    endpoint: UUID | None = None
    person: UUID | None = None

    @cached_property
    def muted_until(self) -> datetime | None:
        """Until when its pipeline is muted: asked once, however many rules there are."""
        mutes = Mute.objects.filter(pipeline=self.pipeline) if self.pipeline is not None else Mute.objects.none()
        return mutes.values_list("until", flat=True).first()


@dataclass(frozen=True)
class Target:
    """One receiver: a channel, an address of one, or a person by one way."""

    key: str
    way: str
    receiver: str
    channel: UUID | None = None
    user: UUID | None = None
    address: str = ""


@dataclass(frozen=True)
class Prepared:
    """Whom rules tell of a happening, by which key each, and what."""

    happening: Happening
    whom: list[tuple[Rule, Target, str]]
    facts: dict[str, Any]


def match_all() -> None:
    """Tell of all that has happened, oldest first. In one thread of a process: each of them locks the rules that it is told by."""
    if not _AT_IT.acquire(blocking=False):
        return
    try:
        tried: set[UUID] = set()
        while rows := list(Occurrence.objects.exclude(pk__in=tried).order_by("id")[:AT_ONCE]):
            for each in rows:
                tried.add(each.pk)
                try:
                    match(each)
                except (
                    Exception
                ):  # one fault must not keep the others from being told; it is tried again at the next look
                    log.exception("%s %s could not be told", each.kind, each.subject)
    finally:
        _AT_IT.release()


def match(occurrence: Occurrence) -> None:
    """Tell of one, once: its row goes in the transaction that writes the messages. What they say is found out before it, since
    logs and secrets are read for that."""
    told = [prepared(each) for each in _happenings(occurrence)]
    with slices.writing():
        if Occurrence.objects.filter(pk=occurrence.pk).delete()[0]:
            for each in told:
                tell(each)


def prune() -> None:
    """Forget what could not be told for a day."""
    slices.delete(Occurrence.objects.filter(created_at__lt=now() - KEPT))


def _happenings(occurrence: Occurrence) -> Iterator[Happening]:
    """What it means; nothing where it was deleted since."""
    if occurrence.kind == Occurrence.Kind.RUN:
        run = runs_with_names().filter(pk=occurrence.subject).first()
        if run is not None:
            yield from _of_run(run)
    elif occurrence.kind == Occurrence.Kind.TICK:
        rows = Tick.objects.select_related("schedule__workspace").defer("schedule__seen")
        tick = rows.filter(pk=occurrence.subject).first()
        if tick is not None:
            schedule = tick.schedule
            yield Happening(
                schedule.workspace, Event.MISSED, tick.pk, lambda: facts_of.of_tick(tick),
                schedule.pipeline_id, schedule.endpoint_id, schedule.created_by_id,
            )  # fmt: skip
    else:
        version = ModelVersion.objects.select_related("model__workspace", "created_by").filter(pk=occurrence.subject)
        if (found := version.first()) is not None:
            root = Run.objects.defer("graph").filter(tree__pk=found.run_id).first() if found.run_id else None
            yield Happening(
                found.model.workspace, Event.MODEL, found.pk, lambda: facts_of.of_model(found),
                root.published_pipeline_id if root else None, endpoint_of(root), found.created_by_id,
            )  # fmt: skip


def _of_run(run: Run) -> Iterator[Happening]:
    before = history.failures_before(run)
    if run.status == Run.Status.FAILED:
        yield of_run(run, Event.FAILED, lambda: facts_of.of_failure(run, before))
    elif run.status == Run.Status.COMPLETED and before is not None:
        yield of_run(run, Event.RECOVERED, lambda: facts_of.of_recovery(run, before))


def of_run(run: Run, event: str, facts: Callable[[], dict[str, Any]]) -> Happening:
    """Something about a run."""
    return Happening(
        run.workspace, event, run.pk, facts, run.published_pipeline_id, endpoint_of(run), run.submitted_by_id
    )


def runs_with_names() -> Any:
    """Whole runs with what their facts name."""
    return Run.objects.select_related("workspace", "experiment", "submitted_by").defer("graph")


def endpoint_of(run: Run | None) -> UUID | None:
    if run is None or run.published_pipeline_id is None:
        return None
    return EndpointRun.objects.filter(run=run.pk).values_list("endpoint", flat=True).first()


def prepared(happening: Happening, among: Sequence[Rule] | None = None) -> Prepared:
    """Whom all rules that mean it tell of it, or those among some, and what."""
    if among is None:
        among = list(active_rules().filter(workspace=happening.workspace).order_by("id"))
    moment = now()
    whom = [
        (rule, target, key)
        for rule in among
        if means(rule, happening)
        for target, key in keys_of(rule, happening, moment).items()
    ]
    return Prepared(happening, whom, happening.facts() if whom else {})


def tell(told: Prepared) -> None:
    """Put it into messages. Inside a transaction."""
    moment, happening = now(), told.happening
    alerts = Alert.objects.filter(subject=happening.subject, event=happening.event)
    known = set(alerts.values_list("target", flat=True))
    for rule, target, key in told.whom:
        if key not in known:  # of many rules most name whom another one has named
            known.add(key)
            _add(rule, target, key, told, moment)
    if told.whom:
        outbox.hint(f"list:{told.happening.workspace.name}:notifications")


def keys_of(rule: Rule, happening: Happening, moment: datetime) -> dict[Target, str]:
    """Who a rule tells of it, and by which key each of them is told once. What is muted is kept by another one: a rule that
    is not muted tells of it all the same."""
    is_muted = any(until is not None and until > moment for until in (rule.muted_until, happening.muted_until))
    prefix = f"{MUTED}{rule.pk}:" if is_muted else ""
    return {target: prefix + target.key for target in targets_of(rule)}


def means(rule: Rule, happening: Happening) -> bool:
    """Whether an active rule is about it."""
    if happening.event not in rule.events:
        return False
    return {
        Rule.Scope.WORKSPACE: True,
        Rule.Scope.PIPELINE: rule.pipeline_id is not None and rule.pipeline_id == happening.pipeline,
        Rule.Scope.ENDPOINT: rule.endpoint_id is not None and rule.endpoint_id == happening.endpoint,
        Rule.Scope.MINE: rule.owner_id is not None and rule.owner_id == happening.person,
    }[Rule.Scope(rule.scope)]


def active_rules() -> QuerySet[Rule]:
    """Those that may tell of something: none of a person who does not belong to the workspace any more."""
    members = Member.objects.filter(workspace=OuterRef("workspace"), user=OuterRef("owner"), user__is_active=True)
    rows = Rule.objects.filter(Q(owner__isnull=True) | Exists(members), is_active=True)
    return rows.select_related("owner")


def targets_of(rule: Rule) -> list[Target]:
    """Who a rule tells."""
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


def _add(rule: Rule, target: Target, key: str, told: Prepared, moment: datetime) -> None:
    """Put it into the message that this rule gathers for this receiver, or begin one."""
    happening = told.happening
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
            workspace=happening.workspace, rule=rule, channel_id=target.channel, user_id=target.user, way=target.way,
            address=target.address, receiver=target.receiver, target=target.key, send_at=send_at,
            status=Delivery.Status.MUTED if is_muted else Delivery.Status.HELD, settled_at=moment if is_muted else None,
        )  # fmt: skip
    alert = Alert(delivery=found, target=key, event=happening.event, subject=happening.subject, facts=told.facts)
    Alert.objects.bulk_create([alert], ignore_conflicts=True)
    if Alert.objects.filter(pk=alert.pk).exists():  # unless another rule has told them meanwhile
        Delivery.objects.filter(pk=found.pk).update(count=F("count") + 1)
