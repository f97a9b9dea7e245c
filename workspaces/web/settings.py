"""What programs need of a workspace: tokens, secrets, its config.json, how far steps reach."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from core.addresses import studio_address
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.scopes import Scope
from workspaces.services import workspaces
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_page
from workspaces.web.people import SecretForm, TokenForm, settings_page

TEMPLATE = "workspaces/settings.html"


@workspace_page()
def overview(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Tokens, secrets by name, config.json, what steps may do."""
    return render(request, context)


def render(request: HttpRequest, context: WorkspaceContext, **more: Any) -> HttpResponse:
    """The page, perhaps with a form that was refused or a secret that is shown once."""
    facts: dict[str, Any] = {
        "token_form": TokenForm(context),
        "secret_form": SecretForm(),
        "scopes": Scope.choices,
        "tab": "programs",
        **more,
    }
    return responses.show(
        request, TEMPLATE, settings_page(context, config_text(request, context)), section="settings", **facts
    )


@workspace_page()
def config_file(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The file that programs find this workspace with."""
    answer = HttpResponse(config_text(request, context), content_type="application/json")
    answer["Content-Disposition"] = 'attachment; filename="config.json"'
    return answer


def config_text(request: HttpRequest, context: WorkspaceContext) -> str:
    """The three keys that programs expect, and where this studio is."""
    values = {
        "subscription_id": str(context.workspace.pk),
        "resource_group": "duto",
        "workspace_name": context.workspace.name,
        "studio_url": studio_address(request),
    }
    return json.dumps(values, indent=2) + "\n"


@workspace_action(Role.OWNER)
def run_token_scope(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """How far the tokens of runs reach."""
    workspaces.set_run_token_scope(context, request.POST.get("scope", ""))
    return responses.done(
        request,
        _("Saved. It holds for running steps, too."),
        reverse("workspaces:settings", args=[context.workspace.name]) + "#steps",
    )
