"""Keys for programs, made and revoked by hand."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from core.errors import StudioError
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.services import tokens
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog
from workspaces.web.people import TokenForm
from workspaces.web.settings import render


@sensitive_variables("minted")
@workspace_dialog(Role.READER)
def create(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Make a token and show its text, this once."""
    form = TokenForm(context, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            minted = tokens.create(
                context, values["name"], values["role"], int(values["days"]) if values["days"] else None
            )
        except StudioError as error:
            form.add_error("name", error.message)
        else:
            return render(request, context, minted=minted.text, minted_name=minted.token.name)
    return render(request, context, token_form=form, open_dialog="create-token")


@workspace_action(Role.READER)
def revoke(request: HttpRequest, context: WorkspaceContext, token_id: str) -> HttpResponse:
    token = tokens.revoke(context, token_id)
    text = _("“%(name)s” is revoked: programs that use it are refused from now on.") % {"name": token.name}
    return responses.done(request, text, reverse("workspaces:settings", args=[context.workspace.name]) + "#tokens")
