"""The settings of a workspace: its members, its tokens, its config.json."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from core.errors import StudioError
from workspaces.access import Room
from workspaces.models import Member, Role
from workspaces.scopes import Scope
from workspaces.services import members, workspaces
from workspaces.web import door
from workspaces.web.people import ROLES, MemberForm, TokenForm, settings_page

TEMPLATE = "workspaces/settings.html"


@door.page()
def overview(request: HttpRequest, room: Room) -> HttpResponse:
    """Members, tokens, the workspace itself."""
    return render(request, room)


def render(request: HttpRequest, room: Room, **more: Any) -> HttpResponse:
    """The page, perhaps with a form that was refused or a secret that is shown once."""
    facts: dict[str, Any] = {
        "member_form": MemberForm(),
        "token_form": TokenForm(room),
        "roles": ROLES,
        "scopes": Scope.choices,
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


@door.dialog(Role.OWNER)
def add_member(request: HttpRequest, room: Room) -> HttpResponse:
    """Let somebody in; a new account comes with a link that is shown once."""
    form = MemberForm(request.POST)
    if request.method == "POST" and form.is_valid():
        try:
            invited = members.add(
                room, form.cleaned_data["username"], form.cleaned_data["role"], form.cleaned_data["email"]
            )
        except StudioError as error:
            form.add_error("username", error.message)
        else:
            link = request.build_absolute_uri(invited.link) if invited.link else ""
            return render(request, room, invited=form.cleaned_data["username"], link=link)
    return render(request, room, member_form=form, open_dialog="add-member")


@door.deed(Role.OWNER)
def change_role(request: HttpRequest, room: Room, member_id: str) -> HttpResponse:
    member = members.change_role(room, member_id, request.POST.get("role", ""))
    text = _("%(name)s is now %(role)s.") % {
        "name": member.user.get_username() if isinstance(member, Member) else member.username,
        "role": Role(member.role).label.lower(),
    }
    return door.done(request, text, reverse("workspaces:settings", args=[room.workspace.name]))


@door.deed(Role.OWNER)
def remove_member(request: HttpRequest, room: Room, member_id: str) -> HttpResponse:
    members.remove(room, member_id)
    return door.done(
        request,
        _("Removed, with their tokens; their open runs are canceled."),
        reverse("workspaces:settings", args=[room.workspace.name]),
    )


@door.deed(Role.OWNER)
def withdraw(request: HttpRequest, room: Room, member_id: str) -> HttpResponse:
    members.remove(room, member_id)
    return door.done(
        request, _("Withdrawn: the link is spent."), reverse("workspaces:settings", args=[room.workspace.name])
    )


@door.deed(Role.OWNER)
def run_token_scope(request: HttpRequest, room: Room) -> HttpResponse:
    """How far the tokens of runs reach."""
    workspaces.set_run_token_scope(room, request.POST.get("scope", ""))
    return door.done(
        request,
        _("Saved. It holds for running steps, too."),
        reverse("workspaces:settings", args=[room.workspace.name]) + "#steps",
    )
