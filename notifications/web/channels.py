"""The form of a channel, its test, its key and its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from core.errors import StudioError
from notifications import queries
from notifications.models import Channel
from notifications.services import channels, deliveries
from notifications.web.forms import ChannelForm
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog
from workspaces.web.editing import Editing, editing, seen_in


@dataclass(frozen=True)
class ChannelPage:
    """What notifications/channel.html may show."""

    channel: Channel | None
    form: ChannelForm
    error: str
    # The key of a webhook, shown this once.
    key: str
    editing: Editing | None = None


@sensitive_post_parameters("url")
@sensitive_variables("form", "key")
@workspace_dialog(Role.OWNER)
def create(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The form of a new channel; of a webhook it ends with the key."""
    form = ChannelForm(None, request.POST or None)
    error = ""
    if request.method == "POST" and form.is_valid():
        try:
            made, key = channels.create(context, form.asked())
        except StudioError as refusal:
            error = refusal.message
        else:
            if key:
                return _show(request, made, _form_of(made), key=key)
            text = _("The channel “%(name)s” is there.") % {"name": made.name}
            return responses.done(request, text, _place(context, made))
    return _show(request, None, form, error)


@sensitive_post_parameters("url")
@sensitive_variables("form")
@workspace_dialog(Role.OWNER)
def edit(request: HttpRequest, context: WorkspaceContext, channel_id: UUID) -> HttpResponse:
    """The form of a channel that there is."""
    channel = queries.channel(context, channel_id)
    form = _form_of(channel, request.POST or None)
    refused: StudioError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            channels.change(context, channel, form.asked(), seen=seen_in(request))
            return responses.done(request, _("Saved."), _place(context, channel))
        except StudioError as refusal:
            refused, channel = refusal, queries.channel(context, channel_id)
    shown = _editing(request, channel, form, refused)
    error = refused.message if refused is not None and not shown.over else ""
    return _show(request, channel, form, error, shown=shown)


@sensitive_variables("key")
@workspace_action(Role.OWNER)
def new_key(request: HttpRequest, context: WorkspaceContext, channel_id: UUID) -> HttpResponse:
    """Another key for a webhook, shown this once."""
    channel = queries.channel(context, channel_id)
    key = channels.new_key(context, channel)
    return _show(request, queries.channel(context, channel_id), _form_of(channel), key=key)


@workspace_action(Role.OWNER)
def test(request: HttpRequest, context: WorkspaceContext, channel_id: UUID) -> HttpResponse:
    """Send a message that says that it is a test; its page shows what becomes of it."""
    made = deliveries.test(context, queries.channel(context, channel_id))
    place = reverse("notifications:delivery", args=[context.workspace.name, made[0].pk])
    if len(made) > 1:
        place = reverse("notifications:deliveries", args=[context.workspace.name]) + f"?channel={channel_id}"
    return responses.done(request, _("A test is on its way."), place)


@workspace_action(Role.OWNER)
def delete(request: HttpRequest, context: WorkspaceContext, channel_id: UUID) -> HttpResponse:
    channel = queries.channel(context, channel_id)
    channels.delete(context, channel)
    text = _("The channel “%(name)s” is deleted.") % {"name": channel.name}
    return responses.done(request, text, reverse("notifications:page", args=[context.workspace.name]))


@sensitive_variables("key", "form")
def _show(
    request: HttpRequest,
    channel: Channel | None,
    form: ChannelForm,
    error: str = "",
    key: str = "",
    shown: Editing | None = None,
) -> HttpResponse:
    if channel is not None and shown is None:
        shown = _editing(request, channel, form)
    facts = ChannelPage(channel, form, error, key, shown)
    return responses.show(request, "notifications/channel.html", facts, section="settings")


def _form_of(channel: Channel, data: Any = None) -> ChannelForm:
    return ChannelForm(channel, data, initial={"name": channel.name, "recipients": "\n".join(channel.recipients)})


def _editing(request: HttpRequest, channel: Channel, form: ChannelForm, refused: StudioError | None = None) -> Editing:
    return editing(request, channels.state(channel), (form, _form_of(channel)), refusal=refused)


def _place(context: WorkspaceContext, channel: Channel) -> str:
    return reverse("notifications:channel", args=[context.workspace.name, channel.pk])
