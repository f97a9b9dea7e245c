"""The log of deliveries: the list, and one of them with what it tells and each try."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from core.paging import page_of
from notifications import messages, queries
from notifications.models import Alert, Channel, Delivery, DeliveryAttempt, Rule
from notifications.services import deliveries
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_page


@dataclass(frozen=True)
class DeliveriesPage:
    """What notifications/deliveries.html may show."""

    rows: list[Delivery]
    next: str | None
    statuses: list[tuple[str, str]]
    channels: list[Channel]
    rules: list[Rule]
    wanted: dict[str, str]
    topic: str


@dataclass(frozen=True)
class DeliveryPage:
    """What notifications/delivery.html may show."""

    delivery: Delivery
    alerts: list[Alert]
    more: int
    attempts: list[DeliveryAttempt]
    may_send: bool
    topic: str


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """All messages, newest first; of a status, channel or rule where one is chosen."""
    wanted = {name: request.GET.get(name, "")[:60] for name in ("status", "channel", "rule")}
    found = queries.deliveries_in(context, **wanted)
    page = page_of(found, after=request.GET.get("after"))
    facts = DeliveriesPage(
        rows=list(page.items),
        next=page.next,
        statuses=[(value, str(label)) for value, label in Delivery.Status.choices],
        channels=list(queries.channels_in(context).order_by("name")),
        rules=list(queries.rules_in(context).order_by("name")),
        wanted=wanted,
        topic=f"list:{context.workspace.name}:notifications",
    )
    return responses.show(request, "notifications/deliveries.html", facts, section="settings", parts=("rows",))


@workspace_page()
def detail(request: HttpRequest, context: WorkspaceContext, delivery_id: UUID) -> HttpResponse:
    """One message: what it tells, each try and its answer."""
    delivery = queries.delivery(context, delivery_id)
    alerts = queries.alerts_of(delivery, messages.LISTED_FOR_PROGRAMS)
    is_own = context.user is not None and delivery.user_id == context.user.pk
    facts = DeliveryPage(
        delivery=delivery,
        alerts=alerts,
        more=max(0, delivery.count - len(alerts)),
        attempts=list(DeliveryAttempt.objects.filter(delivery=delivery).order_by("-number")),
        may_send=delivery.status not in deliveries.OPEN and (is_own or context.may(Role.OWNER)),
        topic=f"list:{context.workspace.name}:notifications",
    )
    return responses.show(request, "notifications/delivery.html", facts, section="settings", parts=("delivery",))


@workspace_action(Role.READER)
def again(request: HttpRequest, context: WorkspaceContext, delivery_id: UUID) -> HttpResponse:
    """Try it once more."""
    delivery = queries.delivery(context, delivery_id)
    deliveries.send_again(context, delivery)
    place = reverse("notifications:delivery", args=[context.workspace.name, delivery.pk])
    return responses.done(request, _("It is on its way again."), place)
