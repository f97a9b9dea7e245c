"""Secrets by hand: set and deleted, and shown to nobody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from core.errors import Invalid, StudioError
from workspaces.access import WorkspaceContext
from workspaces.services import keyvault
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog
from workspaces.web.people import SecretForm
from workspaces.web.settings import render


@sensitive_post_parameters("value")
@sensitive_variables("form", "values")
@workspace_dialog()
def put(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Set a secret. What is there already is replaced only where that is said."""
    form = SecretForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            keyvault.set_values(context, {values["name"]: values["value"]}, replace=values["replace"])
        except StudioError as error:
            is_of_value = isinstance(error, Invalid) and error.code == "bad_value"
            form.add_error("value" if is_of_value else "name", error.message)
        else:
            text = _("The secret “%(name)s” is set.") % {"name": values["name"]}
            return responses.done(request, text, _page(context))
    return render(request, context, secret_form=form, open_dialog="set-secret")


@workspace_action()
def delete(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    keyvault.delete(context, name)
    return responses.done(request, _("The secret “%(name)s” is deleted.") % {"name": name}, _page(context))


def _page(context: WorkspaceContext) -> str:
    return reverse("workspaces:settings", args=[context.workspace.name]) + "#secrets"
