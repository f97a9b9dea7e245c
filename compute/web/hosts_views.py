"""Add, drain and detach a host."""

from __future__ import annotations

from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from compute.services import enrolments, host_maintenance
from core.errors import StudioError
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog

ENDS = ((1, gettext_lazy("an hour")), (24, gettext_lazy("a day")), (168, gettext_lazy("a week")))
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class HostForm(forms.Form):
    """A new host."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=63, required=False,
        help_text=gettext_lazy("small letters, digits and hyphens; without one the machine's own name"),
        widget=forms.TextInput(attrs={"placeholder": "gpu-box", "autocomplete": "off"}),
    )  # fmt: skip
    hours = forms.TypedChoiceField(label=gettext_lazy("The command works for"), choices=ENDS, coerce=int, initial=1)


@sensitive_variables("minted", "command")
@workspace_dialog(Role.OWNER)
def add(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The form, and then the command, this once."""
    # The page holds the form of a new cluster, too, and each field has its own id.
    form = HostForm(request.POST or None, auto_id="id_host_%s")
    if request.method == "POST" and form.is_valid():
        try:
            minted = enrolments.create(context, form.cleaned_data["name"], form.cleaned_data["hours"])
        except StudioError as error:
            form.add_error("name", error.message)
        else:
            return _show(request, minted.text)
    return render(request, "compute/dialog_host.html", {"form": form, **responses.rights(request)})


def _show(request: HttpRequest, token: str) -> HttpResponse:
    studio = settings.DUTO.public_url or request.build_absolute_uri("/")
    command = enrolments.command_of(studio, token)
    is_loopback = urlsplit(studio).hostname in LOOPBACK
    given = {"command": command, "is_loopback": is_loopback, **responses.rights(request)}
    answer = render(request, "compute/dialog_host.html", given)
    answer["Cache-Control"] = "no-store"
    return answer


@workspace_action()
def drain(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    host_maintenance.drain(context, name)
    return _done(request, context, _("Drained: it gets no new steps, and those that run there finish."))


@workspace_action()
def undrain(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    host_maintenance.undrain(context, name)
    return _done(request, context, _("The host takes steps again."))


@workspace_action(Role.OWNER)
def detach(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    host_maintenance.revoke(context, name)
    return _done(request, context, _("The host is detached; what it ran is tried again elsewhere."))


def _done(request: HttpRequest, context: WorkspaceContext, text: str) -> HttpResponse:
    return responses.done(
        request, text, responses.back(request, reverse("compute:list", args=[context.workspace.name]))
    )
