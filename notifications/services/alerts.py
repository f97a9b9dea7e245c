"""The rule by which the addresses of a monitor are told, made and changed with them. Nothing is promised that no mail can keep."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from django.conf import settings
from django.utils.translation import gettext as _

from core.errors import Conflict, Forbidden
from monitors.models import Monitor
from notifications.models import Channel, Rule
from notifications.services import channels, rules
from workspaces.access import WorkspaceContext
from workspaces.models import Role

EVENTS = (Rule.Event.DRIFT, Rule.Event.PERFORMANCE)
# Of a monitor's name in that of a rule or a channel.
LONGEST_NAME = 100


def set_addresses(context: WorkspaceContext, monitor: Monitor, addresses: Sequence[str]) -> None:
    """Have these addresses told of a monitor, and no others by its rule. Inside a transaction.

    Raises Conflict without a mail server, Forbidden where only an owner may say that a workspace writes there, Invalid.
    """
    rule = Rule.objects.select_related("owner").filter(monitor=monitor, is_of_alerts=True).first()
    if not addresses:
        if rule is not None:
            rules.delete(context, rule)
        return
    if not settings.EMAIL_HOST:
        raise Conflict(rules.no_server(), code="no_mail_server")
    channel = _channel(context, monitor, [*dict.fromkeys(addresses)])
    if rule is not None:
        rules.change(context, rule, {"channels": [channel.pk], "is_active": True})
        return
    asked = {"name": monitor.name[:LONGEST_NAME], "scope": Rule.Scope.MONITOR, "monitor": monitor.pk}
    made = rules.create(context, {**asked, "events": EVENTS, "channels": [channel.pk]})
    Rule.objects.filter(pk=made.pk).update(is_of_alerts=True)


def _channel(context: WorkspaceContext, monitor: Monitor, addresses: list[str]) -> Channel:
    """The channel of just these addresses; owners make one where there is none."""
    there = Channel.objects.filter(workspace=context.workspace)
    for channel in there.filter(kind=Channel.Kind.EMAIL).order_by("id"):
        if set(channel.recipients) == set(addresses):
            return channel
    if not context.may(Role.OWNER):
        text = _(
            "Owners say where a workspace writes to. Ask one for a channel of e-mail with just these addresses; it is used then."
        )
        raise Forbidden(text, code="no_channel")
    names = {name.casefold() for name in there.values_list("name", flat=True)}
    wanted = monitor.name[:LONGEST_NAME]
    offered = itertools.chain([wanted], (f"{wanted} {number}" for number in itertools.count(2)))
    name = next(each for each in offered if each.casefold() not in names)
    return channels.create(context, {"name": name, "kind": Channel.Kind.EMAIL, "recipients": addresses})[0]
