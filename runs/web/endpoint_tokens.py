"""Tokens of an endpoint and the link of its form, made and ended by hand."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from core.addresses import studio_address
from core.errors import StudioError
from pipelines import queries
from pipelines.models import PipelineEndpoint
from pipelines.services import endpoint_access
from runs.web import endpoints
from runs.web.endpoint_access import LinkForm, TokenForm
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
            title = _("Token “%(name)s”") % {"name": minted.token.name}
            return endpoints.render_page(request, context, endpoint, minted=minted.text, minted_title=title)
    return endpoints.render_page(request, context, endpoint, token_form=form, open_dialog="create-token")


@workspace_action(Role.CONTRIBUTOR, archived_too=True)
def revoke(request: HttpRequest, context: WorkspaceContext, endpoint_id: UUID, token_id: UUID) -> HttpResponse:
    endpoint = queries.endpoint(context.workspace, endpoint_id)
    token = endpoint_access.revoke_token(context, endpoint, token_id)
    text = _("“%(name)s” is revoked: programs that use it are refused from now on.") % {"name": token.name}
    return responses.done(request, text, _section(context, endpoint))


@sensitive_variables("minted")
@workspace_dialog(Role.OWNER)
def open_form(request: HttpRequest, context: WorkspaceContext, endpoint_id: UUID) -> HttpResponse:
    """Let anyone with the link run the endpoint, and show the link, this once."""
    endpoint = queries.endpoint(context.workspace, endpoint_id)
    form = LinkForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            minted = endpoint_access.open_form(context, endpoint, **form.asked())
        except StudioError as error:
            form.add_error("runs_per_hour", error.message)
        else:
            link = studio_address(request) + reverse("endpoint-form", args=[minted.text])
            return endpoints.render_page(request, context, endpoint, minted=link, minted_title=_("Link of the form"))
    return endpoints.render_page(request, context, endpoint, link_form=form, open_dialog="open-form")


@workspace_action(Role.OWNER, archived_too=True)
def close_form(request: HttpRequest, context: WorkspaceContext, endpoint_id: UUID) -> HttpResponse:
    endpoint = queries.endpoint(context.workspace, endpoint_id)
    endpoint_access.close_form(context, endpoint)
    text = _("The form is off: its link leads nowhere from now on.")
    return responses.done(request, text, _section(context, endpoint))


def _section(context: WorkspaceContext, endpoint: PipelineEndpoint) -> str:
    return reverse("endpoints:endpoint", args=[context.workspace.name, endpoint.pk]) + "#access"
