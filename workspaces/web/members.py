"""The page of people: who belongs to the workspace, who is invited, and what ends with whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables

from core.errors import StudioError
from workspaces.access import WorkspaceContext
from workspaces.models import Member, Role
from workspaces.queries import find_member
from workspaces.services import invitations, members
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog, workspace_page
from workspaces.web.people import ROLES, LinkForm, MemberForm, people_page


@dataclass(frozen=True)
class Choice:
    """What an owner may make of a member, and what would end with it."""

    key: str
    title: str
    text: str
    button: str
    action: str
    role: str
    is_smaller: bool
    ends: list[str]


@dataclass(frozen=True)
class MemberPage:
    """What workspaces/member.html may show."""

    member: Member
    choices: list[Choice]


@workspace_page()
def people(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    return _shown(request, context)


@sensitive_variables("link")
@workspace_dialog(Role.OWNER)
def add(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Let somebody in; who shares no workspace with the caller comes with a link that is shown once."""
    form = MemberForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            invited = members.add(context, values["username"], values["role"], values["email"], values["days"] or 1)
        except StudioError as error:
            form.add_error("username", error.message)
        else:
            link = request.build_absolute_uri(invited.link) if invited.link else ""
            return _shown(request, context, invited=values["username"], link=link)
    return _shown(request, context, member_form=form, open_dialog="add-member")


@sensitive_variables("path")
@workspace_dialog(Role.OWNER)
def make_link(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """A link for whoever holds it, shown once."""
    form = LinkForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            _made, path = invitations.invite_open(context, **form.cleaned_data)
        except StudioError as error:
            form.add_error(None, error.message)
        else:
            return _shown(request, context, link=request.build_absolute_uri(path))
    return _shown(request, context, link_form=form, open_dialog="make-link")


@workspace_page(Role.OWNER)
def member(request: HttpRequest, context: WorkspaceContext, member_id: str) -> HttpResponse:
    """What to make of one member, with what would end."""
    found = find_member(context, member_id)
    shown = MemberPage(found, [*_roles(context, found), _removal(context, found)])
    name = found.user.get_username()
    crumbs = [{"label": _("People"), "url": _address(context)}, {"label": name}]
    return responses.show(request, "workspaces/member.html", shown, section="settings", crumbs=crumbs)


@workspace_action(Role.OWNER, archived_too=True)
def change_role(request: HttpRequest, context: WorkspaceContext, member_id: str) -> HttpResponse:
    found = members.change_role(context, member_id, request.POST.get("role", ""))
    text = _("%(name)s is now %(role)s.") % {
        "name": found.user.get_username() if isinstance(found, Member) else found.username,
        "role": Role(found.role).label.lower(),
    }
    return responses.done(request, text, _address(context))


@workspace_action(Role.OWNER, archived_too=True)
def remove(request: HttpRequest, context: WorkspaceContext, member_id: str) -> HttpResponse:
    members.remove(context, member_id)
    return responses.done(request, _("Removed, with their tokens; their open runs are canceled."), _address(context))


@workspace_action(Role.OWNER, archived_too=True)
def withdraw(request: HttpRequest, context: WorkspaceContext, member_id: str) -> HttpResponse:
    members.remove(context, member_id)
    return responses.done(request, _("Withdrawn: the link is spent."), _address(context))


def _roles(context: WorkspaceContext, found: Member) -> list[Choice]:
    choices = []
    for role in reversed(Role):
        if role == found.role:
            continue
        is_smaller = role.rank < Role(found.role).rank
        ends = members.ends_with(context, found.pk, role.value) if is_smaller else {}
        choices.append(
            Choice(
                role.value, _("Make them %(role)s") % {"role": role.label.lower()}, str(ROLES[role]), _("Change the role"),
                reverse("workspaces:change-role", args=[context.workspace.name, found.pk]), role.value, is_smaller,
                in_words(ends),
            )
        )  # fmt: skip
    return choices


def _removal(context: WorkspaceContext, found: Member) -> Choice:
    text = _("They do not see this workspace any more. What they ran, registered and published stays.")
    action = reverse("workspaces:remove-member", args=[context.workspace.name, found.pk])
    ends = in_words(members.ends_with(context, found.pk, None))
    return Choice("none", _("Remove them"), text, _("Remove"), action, "", True, ends)


def in_words(ends: dict[str, int]) -> list[str]:
    """What ends, in sentences; of what there is none nothing is said."""
    said = {
        "tokens": ngettext("%(n)d token ends at once.", "%(n)d tokens end at once.", ends.get("tokens", 0)),
        "open_runs": ngettext(
            "%(n)d open run is canceled.", "%(n)d open runs are canceled.", ends.get("open_runs", 0)
        ),
        "invitations": ngettext(
            "%(n)d invitation that they made ends.", "%(n)d invitations that they made end.", ends.get("invitations", 0)
        ),
        "enrolments": ngettext(
            "%(n)d command that adds a host ends.", "%(n)d commands that add a host end.", ends.get("enrolments", 0)
        ),
    }  # fmt: skip
    return [said[name] % {"n": count} for name, count in ends.items() if count]


def _shown(request: HttpRequest, context: WorkspaceContext, **more: Any) -> HttpResponse:
    facts: dict[str, Any] = {"member_form": MemberForm(), "link_form": LinkForm(), "tab": "people", **more}
    shown = people_page(context, request.GET.get("after"))
    return responses.show(request, "workspaces/people.html", shown, section="settings", **facts)


def _address(context: WorkspaceContext) -> str:
    return reverse("workspaces:people", args=[context.workspace.name])
