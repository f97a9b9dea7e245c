"""Rules: those of the workspace are made by contributors and tell channels, one's own by every member and tell that person alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from core import once, outbox
from core.clock import now
from core.errors import Conflict, Invalid, NotFound
from core.ids import as_key
from core.names import one_line
from monitors import queries as monitors
from monitors.models import Monitor
from notifications import queries
from notifications.models import Channel, Delivery, MailAddress, Mute, Rule
from notifications.services import deliveries
from notifications.services.channels import check_address
from pipelines import queries as pipelines
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.services import audit, edits

MOST, MOST_OWN = 200, 50
LONGEST_MINUTES = 100_000
LONGEST_MUTE = timedelta(days=366)
Scope, Event = Rule.Scope, Rule.Event
NUMBERS = {"late_minutes": 1, "wait_minutes": 1, "digest_minutes": 0}


@transaction.atomic
def create(context: WorkspaceContext, asked: Mapping[str, Any]) -> Rule:
    """A new rule: with `is_own` the caller's own.

    Raises Invalid for what cannot be meant, NotFound for a pipeline, endpoint or channel that is not there, Forbidden.
    """
    is_own = bool(asked.get("is_own"))
    made = Rule(workspace=context.workspace, owner=context.user if is_own else None, created_by=context.user)
    require(context, made)
    same = Rule.objects.filter(workspace=context.workspace, owner=made.owner)
    most = MOST_OWN if is_own else MOST
    if same.count() >= most:
        raise Conflict(
            _("There are %(most)d rules already, and there may be no more.") % {"most": most}, code="too_many"
        )
    channels = _apply(context, made, asked)
    made.save(force_insert=True)
    made.channels.set(channels or [])
    once.settle(made)
    audit.note(context, "notification.rule_created", made.name, own=is_own)
    _notify_pages(context)
    return made


@transaction.atomic
def change(context: WorkspaceContext, rule: Rule, asked: Mapping[str, Any], *, seen: edits.Seen = None) -> Rule:
    """Change it; what is left out stays. Raises as `create`, and PreconditionFailed where it is not as it was `seen`."""
    require(context, rule)
    if asked.get("is_own") is not None and bool(asked["is_own"]) != (rule.owner_id is not None):
        raise Invalid(_("Whose a rule is does not change. Make another one."), code="bad_rule")
    found = (
        Rule.objects.select_for_update(of=("self",)).select_related("workspace", "owner", "created_by").get(pk=rule.pk)
    )
    edits.require_unchanged(seen, state(found), context.workspace, id=str(found.pk))
    channels = _apply(context, found, asked)
    found.save()
    if channels is not None:
        found.channels.set(channels)
    facts = {"own": found.owner_id is not None, "id": str(found.pk)}
    edits.note(context, "notification.rule_changed", found.name, state(found), **facts)
    _notify_pages(context)
    return found


def state(rule: Rule) -> dict[str, Any]:
    """All that a change may overwrite."""
    names = (
        "name", "scope", "pipeline_id", "endpoint_id", "monitor_id", "events", "is_active", "muted_until", "by_email", "by_browser", *NUMBERS
    )  # fmt: skip
    channels = sorted(str(each.pk) for each in rule.channels.all())
    return {**{name: getattr(rule, name) for name in names}, "channels": channels}


@transaction.atomic
def delete(context: WorkspaceContext, rule: Rule) -> None:
    """Remove it. What it has gathered and not sent is kept as muted; its deliveries stay in the log."""
    require(context, rule)
    _hold_back(rule)
    if rule.is_of_alerts:  # a monitor must not name addresses that nobody tells
        Monitor.objects.filter(pk__in=[rule.monitor_id]).update(alert_emails=[])
    audit.note(context, "notification.rule_deleted", rule.name, own=rule.owner_id is not None)
    Rule.objects.filter(pk=rule.pk).delete()
    _notify_pages(context)


@transaction.atomic
def mute_pipeline(context: WorkspaceContext, pipeline_id: object, until: datetime) -> Mute:
    """No rule tells of this pipeline until then. Raises Invalid, NotFound, Forbidden."""
    context.require(Role.CONTRIBUTOR).require_person()
    pipeline = pipelines.one(context.workspace, pipeline_id)
    values = {"workspace": context.workspace, "until": _until(until), "created_by": context.user}
    made, _is_new = Mute.objects.update_or_create(pipeline=pipeline, defaults=values)
    once.settle(made)
    audit.note(context, "notification.muted", pipeline.name, until=f"{until:%Y-%m-%dT%H:%M:%SZ}")
    _notify_pages(context)
    return made


@transaction.atomic
def unmute_pipeline(context: WorkspaceContext, mute: Mute) -> None:
    """Rules tell of it again."""
    context.require(Role.CONTRIBUTOR).require_person()
    audit.note(context, "notification.unmuted", mute.pipeline.name)
    Mute.objects.filter(pk=mute.pk).delete()
    _notify_pages(context)


@transaction.atomic
def set_address(context: WorkspaceContext, address: str) -> bool:
    """Where one's own messages go, of all rules in all workspaces; whether a link is sent there, which has to be followed first.
    What was confirmed once, and the address of one's account, is not asked for again. Raises Invalid, Conflict."""
    context.require_person().require(Role.READER)
    if context.user is None:
        raise Invalid(_("Only people have an address."), code="bad_rule")
    address = check_address(address.strip())
    if address in (queries.mail_address_of(context.user), context.user.email):
        confirmed = "" if address == context.user.email else address
        MailAddress.objects.filter(user=context.user).update(confirmed=confirmed, pending="")
        return False
    if not settings.EMAIL_HOST:
        raise Conflict(no_server(), code="no_mail_server")
    deliveries.confirm(context, address)
    return True


def require(context: WorkspaceContext, rule: Rule) -> None:
    """One's own rule needs a member, one of the workspace a contributor; steps make none."""
    context.require_person().require(Role.READER if rule.owner_id is not None else Role.CONTRIBUTOR)
    context.require_open()
    if rule.owner is not None and rule.owner != context.user:
        raise NotFound(_("There is no such rule in this workspace."))


def _apply(context: WorkspaceContext, rule: Rule, asked: Mapping[str, Any]) -> list[Channel] | None:
    """Put what is asked into the row and see that it can be meant as a whole; the channels, where some are named."""
    if asked.get("name") is not None or not rule.name:
        rule.name = one_line(" ".join(str(asked.get("name") or "").split()))
    if not rule.name or len(rule.name) > 120:
        raise Invalid(_("A rule has a name of 1 to 120 characters."), code="bad_name")
    if asked.get("is_active") is not None:
        rule.is_active = bool(asked["is_active"])
    _apply_scope(context, rule, asked)
    _apply_events(rule, asked)
    for name, least in NUMBERS.items():
        if name in asked and (asked[name] is not None or name == "late_minutes"):
            value = asked[name]
            if value is not None and not (type(value) is int and least <= value <= LONGEST_MINUTES):
                text = _("'%(name)s' is a number of minutes from %(least)d to %(most)d.")
                raise Invalid(text % {"name": name, "least": least, "most": LONGEST_MINUTES}, code="bad_minutes")
            setattr(rule, name, value)
    if "muted_until" in asked:
        rule.muted_until = None if asked["muted_until"] is None else _until(asked["muted_until"])
    if asked.get("muted_until") is not None or not rule.is_active:
        _hold_back(rule)
    return _apply_recipients(context, rule, asked)


def _hold_back(rule: Rule) -> None:
    """What it has gathered is not sent, and stays in the log."""
    held = Delivery.objects.filter(rule=rule.pk, status=Delivery.Status.HELD)
    held.update(status=Delivery.Status.MUTED, settled_at=now())


def _apply_scope(context: WorkspaceContext, rule: Rule, asked: Mapping[str, Any]) -> None:
    """What it is about."""
    scope = asked.get("scope") or rule.scope
    if scope not in Scope.values:
        raise Invalid(_("'scope' is one of %(values)s.") % {"values": ", ".join(Scope.values)}, code="bad_scope")
    if scope == Scope.MINE and rule.owner is None:
        raise Invalid(_("A rule about what one has started is one's own: say 'is_own'."), code="bad_scope")
    named = {name: asked[name] for name in ("pipeline", "endpoint", "monitor") if asked.get(name)}
    if wrong := [name for name in named if name != scope]:
        text = _("A rule about %(scope)s has no '%(name)s'.")
        raise Invalid(text % {"scope": scope, "name": wrong[0]}, code="bad_scope")
    if scope in ("pipeline", "endpoint", "monitor") and not named and (scope != rule.scope or rule._state.adding):
        raise Invalid(_("Say which: '%(name)s' is its id.") % {"name": scope}, code="bad_scope")
    rule.scope = scope
    if scope != Scope.PIPELINE:
        rule.pipeline = None
    if scope != Scope.ENDPOINT:
        rule.endpoint = None
    if scope != Scope.MONITOR:
        rule.monitor = None
    if "monitor" in named:
        rule.monitor = monitors.monitor(context.workspace, named["monitor"])
    if "pipeline" in named:
        rule.pipeline = pipelines.one(context.workspace, named["pipeline"])
    if "endpoint" in named:
        rule.endpoint = pipelines.endpoint(context.workspace, named["endpoint"])


def _apply_events(rule: Rule, asked: Mapping[str, Any]) -> None:
    if asked.get("events") is not None or not rule.events:
        events = list(dict.fromkeys(map(str, asked.get("events") or ())))
        unknown = [each for each in events if each not in Event.values]
        if unknown or not events:
            text = _("'events' names at least one of %(values)s.")
            raise Invalid(text % {"values": ", ".join(Event.values)}, code="bad_events")
        rule.events = events


def _apply_recipients(context: WorkspaceContext, rule: Rule, asked: Mapping[str, Any]) -> list[Channel] | None:
    """Who it tells: one's own rule oneself, one of the workspace at least one channel."""
    if rule.owner is None:
        if asked.get("by_email") or asked.get("by_browser"):
            raise Invalid(
                _("A rule of the workspace tells channels; by_email and by_browser are of one's own."),
                code="bad_receivers",
            )
        if asked.get("channels") is None and not rule._state.adding:
            return None
        keys = list(dict.fromkeys(as_key(each) for each in asked.get("channels") or ()))
        found = list(queries.channels_in(context).filter(pk__in=keys))
        if len(found) != len(keys):
            raise NotFound(_("There is no such channel in this workspace."))
        if not found:
            raise Invalid(_("Choose a channel: without one a rule tells nobody."), code="bad_receivers")
        return found
    if asked.get("channels"):
        raise Invalid(
            _("One's own rule tells oneself alone: channels are for rules of the workspace."), code="bad_receivers"
        )
    for name in ("by_email", "by_browser"):
        if asked.get(name) is not None:
            setattr(rule, name, bool(asked[name]))
    if not (rule.by_email or rule.by_browser) and (rule._state.adding or {"by_email", "by_browser"} & asked.keys()):
        raise Invalid(_("Choose e-mail or the browser: without one a rule tells nobody."), code="bad_receivers")
    if rule.by_email and asked.get("by_email"):
        if not settings.EMAIL_HOST:
            raise Conflict(no_server(), code="no_mail_server")
        if not queries.mail_address_of(rule.owner):
            raise Conflict(
                _("The studio knows no e-mail address of yours. Set one on the page Notifications first."),
                code="no_address",
            )
    return None


def no_server() -> str:
    """That no mail can be promised, and who may change that."""
    return _("The studio knows no mail server. Whoever looks after it sets DUTO_SMTP_HOST.")


def _until(given: datetime) -> datetime:
    """The end of a mute. Raises Invalid for one that is over, or too far away."""
    moment = now()
    if not moment < given <= moment + LONGEST_MUTE:
        raise Invalid(_("A mute ends in the future, and within a year."), code="bad_mute")
    return given


def _notify_pages(context: WorkspaceContext) -> None:
    outbox.hint(f"list:{context.workspace.name}:notifications")
