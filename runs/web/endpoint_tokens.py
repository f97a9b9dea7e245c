"""Tokens of an endpoint, made and revoked by hand."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from core.errors import StudioError
from pipelines import queries
from pipelines.services import endpoint_access
from runs.web import endpoints
from runs.web.endpoint_access import TokenForm
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog


@sensitive_variables("minted")
@workspace_dialog()
def create(request: HttpRequest, context: WorkspaceContext, endpoint_id: UUID) -> HttpResponse:
    """Make a token and show its text, this once."""
    endpoint = queries.endpoint(context.workspace, endpoint_id)
    form = TokenForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            minted = endpoint_access.create_token(context, endpoint, **form.asked())
        except StudioError as error:
            form.add_error("name", error.message)
        else:
            return endpoints.render_page(request, context, endpoint, minted=minted.text, minted_name=minted.token.name)
    return endpoints.render_page(request, context, endpoint, token_form=form, open_dialog="create-token")


@workspace_action(Role.CONTRIBUTOR, archived_too=True)
def revoke(request: HttpRequest, context: WorkspaceContext, endpoint_id: UUID, token_id: UUID) -> HttpResponse:
    endpoint = queries.endpoint(context.workspace, endpoint_id)
    token = endpoint_access.revoke_token(context, endpoint, token_id)
    text = _("“%(name)s” is revoked: programs that use it are refused from now on.") % {"name": token.name}
    return responses.done(
        request, text, reverse("endpoints:endpoint", args=[context.workspace.name, endpoint.pk]) + "#access"
    )
