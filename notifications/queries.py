"""Reading rules, channels, mutes and deliveries: those of the workspace, and of personal ones the reader's own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from core.clock import iso, now
from core.errors import NotFound
from core.ids import as_key
from notifications.models import Alert, Channel, Delivery, DeliveryAttempt, MailAddress, Mute, Rule
from workspaces.access import WorkspaceContext
from workspaces.models import Role, User


def mail_address_of(user: User) -> str:
    """Where messages to a person go: the address that they have confirmed, else that of their account; or empty."""
    confirmed = MailAddress.objects.filter(user=user).values_list("confirmed", flat=True).first()
    return confirmed or user.email


def pending_address_of(user: User) -> str:
    """The address that waits for its confirmation, or empty."""
    return MailAddress.objects.filter(user=user).values_list("pending", flat=True).first() or ""


def rules_in(context: WorkspaceContext) -> QuerySet[Rule]:
    """Those of the workspace and the caller's own."""
    rows = Rule.objects.filter(workspace=context.workspace)
    rows = rows.filter(Q(owner__isnull=True) | Q(owner=context.user))
    related = rows.select_related("owner", "pipeline", "endpoint", "monitor", "created_by").defer("pipeline__graph")
    return related.prefetch_related("channels")


def rule(context: WorkspaceContext, rule_id: object) -> Rule:
    """A rule by its id. Raises NotFound, also for another person's own."""
    found = rules_in(context).filter(pk=as_key(rule_id)).first()
    if found is None:
        raise NotFound(_("There is no such rule in this workspace."))
    return found


def channels_in(context: WorkspaceContext) -> QuerySet[Channel]:
    rows = Channel.objects.filter(workspace=context.workspace).select_related("workspace", "created_by")
    return rows.defer("sealed")


def channel(context: WorkspaceContext, channel_id: object) -> Channel:
    """A channel by its id. Raises NotFound."""
    found = channels_in(context).filter(pk=as_key(channel_id)).first()
    if found is None:
        raise NotFound(_("There is no such channel in this workspace."))
    return found


def mutes_in(context: WorkspaceContext) -> QuerySet[Mute]:
    """Pipelines that are muted now."""
    rows = Mute.objects.filter(workspace=context.workspace, until__gt=now())
    return rows.select_related("pipeline", "created_by").defer("pipeline__graph")


def deliveries_in(
    context: WorkspaceContext, *, status: str = "", channel: object = None, rule: object = None
) -> QuerySet[Delivery]:
    """Messages of the workspace's rules and of the caller's own, of this status, channel or rule where one is said."""
    rows = Delivery.objects.filter(workspace=context.workspace).filter(Q(user__isnull=True) | Q(user=context.user))
    rows = rows.select_related("rule", "channel", "user").defer("channel__sealed")
    rows = rows.filter(status=status) if status else rows
    rows = rows.filter(channel=as_key(channel)) if channel else rows
    return rows.filter(rule=as_key(rule)) if rule else rows


def delivery(context: WorkspaceContext, delivery_id: object) -> Delivery:
    """A message by its id. Raises NotFound, also for another person's own."""
    found = deliveries_in(context).filter(pk=as_key(delivery_id)).first()
    if found is None:
        raise NotFound(_("There is no such delivery in this workspace."))
    return found


def alerts_of(found: Delivery, most: int) -> list[Alert]:
    """What it tells, in the order in which it happened."""
    return list(Alert.objects.filter(delivery=found).order_by("id")[:most])


def rule_document(found: Rule) -> dict[str, Any]:
    """A rule as REST shows it."""
    return {
        "id": str(found.pk),
        "name": found.name,
        "is_own": found.owner_id is not None,
        "is_active": found.is_active,
        "scope": found.scope,
        "pipeline_id": _text(found.pipeline_id),
        "endpoint_id": _text(found.endpoint_id),
        "monitor_id": _text(found.monitor_id),
        "events": found.events,
        "late_minutes": found.late_minutes,
        "wait_minutes": found.wait_minutes,
        "digest_minutes": found.digest_minutes,
        "channels": [str(each.pk) for each in found.channels.all()],
        "by_email": found.by_email,
        "by_browser": found.by_browser,
        "muted_until": iso(found.muted_until),
        "created_by": found.created_by.get_username() if found.created_by else None,
        "created_at": iso(found.created_at),
    }


def channel_document(found: Channel) -> dict[str, Any]:
    """A channel as REST shows it: of an address of the web its host alone, since whoever has the address may write there."""
    return {
        "id": str(found.pk),
        "name": found.name,
        "kind": found.kind,
        "host": found.host,
        "recipients": found.recipients,
        "unsubscribed": found.unsubscribed,
        "created_by": found.created_by.get_username() if found.created_by else None,
        "created_at": iso(found.created_at),
    }


def mute_document(found: Mute) -> dict[str, Any]:
    return {
        "id": str(found.pk),
        "pipeline_id": str(found.pipeline_id),
        "until": iso(found.until),
        "created_by": found.created_by.get_username() if found.created_by else None,
    }


def delivery_document(found: Delivery) -> dict[str, Any]:
    """A message as the list of REST shows it."""
    return {
        "id": str(found.pk),
        "purpose": found.purpose,
        "rule_id": _text(found.rule_id),
        "channel_id": _text(found.channel_id),
        "way": found.way,
        "address": found.address,
        "status": found.status,
        "count": found.count,
        "tries": found.tries,
        "send_at": iso(found.send_at) if found.settled_at is None else None,
        "settled_at": iso(found.settled_at),
        "why": found.why,
        "created_at": iso(found.created_at),
    }


def whole_delivery(context: WorkspaceContext, found: Delivery, most: int) -> dict[str, Any]:
    """A message with what it tells and each try. What a receiver answered is shown to owners: it may be a page of a network
    that others do not see."""
    attempts = DeliveryAttempt.objects.filter(delivery=found).order_by("number")
    return {
        **delivery_document(found),
        "alerts": [{"event": each.event, **each.facts} for each in alerts_of(found, most)],
        "attempts": [attempt_document(context, each) for each in attempts],
    }


def attempt_document(context: WorkspaceContext, found: DeliveryAttempt) -> dict[str, Any]:
    return {
        "number": found.number,
        "started_at": iso(found.started_at),
        "seconds": found.seconds,
        "code": found.code,
        "error": found.error,
        "answer": found.answer if context.may(Role.OWNER) else None,
    }


def _text(key: UUID | None) -> str | None:
    return str(key) if key else None
