"""Links in mails, which work without signing in: each is signed, and says what it is for. Looking at one changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.utils.translation import gettext as _

from core import outbox
from core.errors import NotFound
from core.ids import as_key
from notifications.models import Channel, Delivery, MailAddress, Rule

SALT = "duto.notifications"
UNSUBSCRIBE, CONFIRM = "unsubscribe", "confirm"


@dataclass(frozen=True)
class Link:
    """What a link of a mail does, and for which address."""

    action: str
    address: str
    # Of unsubscribing: the channel, or a person's own rule by its id.
    channel: UUID | None = None
    rule: UUID | None = None
    user: UUID | None = None


def of_delivery(delivery: Delivery) -> str:
    """The link by which the recipient of this mail unsubscribes; empty where there is nothing to unsubscribe from."""
    if delivery.channel_id:
        return _url({"a": UNSUBSCRIBE, "m": delivery.address, "c": str(delivery.channel_id)})
    if delivery.rule_id:
        return _url({"a": UNSUBSCRIBE, "m": delivery.address, "r": str(delivery.rule_id)})
    return ""


def to_confirm(user: UUID, address: str) -> str:
    """The link by which a person says that this address is theirs."""
    return _url({"a": CONFIRM, "m": address, "u": str(user)})


def _url(facts: dict[str, str]) -> str:
    # The studio's own path is reversed in `web`; a mail is written by a worker, which has no request.
    return f"{settings.DUTO.running_url}/notifications/{signing.dumps(facts, salt=SALT, compress=True)}/"


def read(token: str) -> Link:
    """What a link says. Raises NotFound for one that the studio has not signed."""
    try:
        facts: Any = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        facts = None
    if not isinstance(facts, dict):
        raise NotFound(_("This link is not whole. Copy all of it from the message."))
    keys = {
        name: as_key(facts[short]) for name, short in (("channel", "c"), ("rule", "r"), ("user", "u")) if short in facts
    }
    return Link(facts["a"], facts["m"], **keys)


@transaction.atomic
def follow(link: Link) -> None:
    """Unsubscribe, or confirm an address. May be repeated. Raises NotFound where an address is not asked for any more."""
    if link.action == CONFIRM:
        found = MailAddress.objects.select_for_update().filter(user=link.user).first()
        if found is None or link.address not in (found.pending, found.confirmed):
            raise NotFound(_("This address is not asked for any more. Set it once more on the page Notifications."))
        found.confirmed, found.pending = link.address, ""
        found.save(update_fields=["confirmed", "pending"])
    elif link.channel:
        channel = (
            Channel.objects.select_for_update(of=("self",))
            .select_related("workspace")
            .filter(pk=as_key(link.channel))
            .first()
        )
        if channel is not None and link.address not in channel.unsubscribed:
            channel.unsubscribed = [*channel.unsubscribed, link.address]
            channel.save(update_fields=["unsubscribed"])
            outbox.hint(f"list:{channel.workspace.name}:notifications")
    else:
        rule = (
            Rule.objects.select_for_update(of=("self",))
            .select_related("workspace")
            .filter(pk=as_key(link.rule))
            .first()
        )
        if rule is not None:
            rule.by_email = False
            rule.save(update_fields=["by_email"])
            outbox.hint(f"list:{rule.workspace.name}:notifications")
    if link.action == UNSUBSCRIBE:
        _mute_open(link)


@transaction.atomic
def resubscribe(link: Link) -> None:
    """Subscribe again to a channel or a rule, for who pressed the button by mistake."""
    if link.channel:
        channel = Channel.objects.select_for_update().filter(pk=as_key(link.channel)).first()
        if channel is not None:
            channel.unsubscribed = [each for each in channel.unsubscribed if each != link.address]
            channel.save(update_fields=["unsubscribed"])
    elif link.rule:
        Rule.objects.filter(pk=as_key(link.rule)).update(by_email=True)


def _mute_open(link: Link) -> None:
    """Messages that are on their way to who unsubscribed are not sent."""
    mine = Delivery.objects.filter(way="email", address=link.address, status__in=("held", "due"))
    mine = mine.filter(channel=link.channel) if link.channel else mine.filter(rule=link.rule)
    mine.update(status=Delivery.Status.MUTED, why="unsubscribed")
