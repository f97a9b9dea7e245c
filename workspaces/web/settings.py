"""What programs need of a workspace: tokens, its config.json, how far steps reach."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from workspaces.access import Room
from workspaces.models import Role
from workspaces.scopes import Scope
from workspaces.services import workspaces
from workspaces.web import door
from workspaces.web.people import TokenForm, settings_page

TEMPLATE = "workspaces/settings.html"


@door.page()
def overview(request: HttpRequest, room: Room) -> HttpResponse:
    """Tokens, config.json, what steps may do."""
    return render(request, room)


def render(request: HttpRequest, room: Room, **more: Any) -> HttpResponse:
    """The page, perhaps with a form that was refused or a secret that is shown once."""
    facts: dict[str, Any] = {
        "token_form": TokenForm(room),
        "scopes": Scope.choices,
        "tab": "programs",
        **more,
    }
    return door.show(request, TEMPLATE, settings_page(room, config_text(request, room)), section="settings", **facts)


@door.page()
def config_file(request: HttpRequest, room: Room) -> HttpResponse:
    """The file that programs find this workspace with."""
    answer = HttpResponse(config_text(request, room), content_type="application/json")
    answer["Content-Disposition"] = 'attachment; filename="config.json"'
    return answer


def config_text(request: HttpRequest, room: Room) -> str:
    """The three keys that programs expect, and where this studio is."""
    address = getattr(settings.DUTO, "public_url", "") or request.build_absolute_uri("/")
    values = {
        "subscription_id": str(room.workspace.pk),
        "resource_group": "duto",
        "workspace_name": room.workspace.name,
        "studio_url": address.rstrip("/"),
    }
    return json.dumps(values, indent=2) + "\n"


@door.deed(Role.OWNER)
def run_token_scope(request: HttpRequest, room: Room) -> HttpResponse:
    """How far the tokens of runs reach."""
    workspaces.set_run_token_scope(room, request.POST.get("scope", ""))
    return door.done(
        request,
        _("Saved. It holds for running steps, too."),
        reverse("workspaces:settings", args=[room.workspace.name]) + "#steps",
    )
