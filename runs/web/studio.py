"""The pages of the installation: how its parts are, all workspaces, all people, the message of every page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import PreconditionFailed, StudioError
from core.paging import page_of
from runs.queries import health
from runs.queries.workspaces import Overview, overviews
from workspaces.models import AuditEntry, Banner, User, Workspace
from workspaces.services import installation
from workspaces.web import responses
from workspaces.web.decorators import signed_in_page
from workspaces.web.editing import editing, seen_in

PARTS = {
    "web": gettext_lazy("Web"),
    "worker": gettext_lazy("Worker"),
    "database": gettext_lazy("Database"),
    "broker": gettext_lazy("Broker"),
    "hosts": gettext_lazy("Hosts"),
    "disk": gettext_lazy("Disk"),
    "artifact_store": gettext_lazy("Artifact store"),
}
# Names of products are the same in every language.
VERSIONS = {"database": gettext_lazy("database"), "system": gettext_lazy("system")}


class BannerForm(forms.Form):
    """A message on every page, or none."""

    text = forms.CharField(
        label=gettext_lazy("Message"), required=False, max_length=installation.LONGEST,
        help_text=gettext_lazy("An empty one takes it away."), widget=forms.Textarea(attrs={"rows": 2}),
    )  # fmt: skip
    level = forms.ChoiceField(label=gettext_lazy("Kind"), choices=Banner.Level.choices)
    until = forms.DateField(
        label=gettext_lazy("Until the end of"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def asked(self) -> dict[str, Any]:
        day = self.cleaned_data["until"]
        return {**self.cleaned_data, "until": datetime.combine(day, time.max, UTC) if day else None}


@dataclass(frozen=True)
class HealthPage:
    """What studio/health.html may show."""

    parts: list[tuple[Any, health.Part]]
    versions: list[tuple[Any, str]]
    entries: list[AuditEntry]


@dataclass(frozen=True)
class Listed:
    """A page of rows."""

    rows: list[Any]
    next: str | None
    search: str = ""


@signed_in_page("GET", "HEAD", studio=True)
def overview(request: HttpRequest) -> HttpResponse:
    """How the parts are, what runs here, and what was done to the installation last."""
    entries = installation.audit_entries(_me(request)).order_by("-id")[:20]
    parts = [(PARTS[each.name], each) for each in health.parts()]
    versions = [(VERSIONS.get(name, name), value) for name, value in health.versions().items()]
    shown = HealthPage(parts, versions, list(entries))
    return _show(request, "health", shown)


@signed_in_page("GET", "HEAD", studio=True)
def workspaces(request: HttpRequest) -> HttpResponse:
    """All workspaces, also those that the reader does not belong to."""
    found = page_of(
        Workspace.objects.filter(deleted_at__isnull=True), after=request.GET.get("after"), limit=100, keys=("name",)
    )
    rows: list[Overview] = overviews(dict.fromkeys(found.items, ""))
    return _show(request, "workspaces", Listed(rows, found.next))


@signed_in_page("GET", "HEAD", studio=True)
def people(request: HttpRequest) -> HttpResponse:
    """All accounts."""
    search = request.GET.get("q", "").strip()
    rows = installation.people()
    rows = rows.filter(username__icontains=search) if search else rows
    found = page_of(rows, after=request.GET.get("after"), limit=100, keys=("username",))
    return _show(request, "people", Listed(found.items, found.next, search), me=request.user)


@signed_in_page("POST", studio=True)
def activate(request: HttpRequest, user_id: str) -> HttpResponse:
    """Close an account, or open it again."""
    found = installation.set_active(_me(request), user_id, request.POST.get("active") == "1")
    text = (
        _("The account “%(name)s” is open.")
        if found.is_active
        else _("The account “%(name)s” is closed: its tokens are gone, its open runs are canceled.")
    )
    return responses.done(request, text % {"name": found.get_username()}, reverse("studio-people"))  # fmt: skip


@signed_in_page("GET", "HEAD", "POST", studio=True)
def banner(request: HttpRequest) -> HttpResponse:
    """The message of every page."""
    now_said = installation.said()
    initial = {"text": now_said.text, "level": now_said.level, "until": now_said.until} if now_said else {}
    form = BannerForm(request.POST) if request.method == "POST" else BannerForm(initial=initial)
    refused: StudioError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            made = installation.say(_me(request), seen=seen_in(request), **form.asked())
            text = _("Every page says so now.") if made else _("No page says it any more.")
            return responses.done(request, text, reverse("studio-banner"))
        except PreconditionFailed as refusal:
            refused = refusal
        except StudioError as error:
            form.add_error("until" if error.code == "past" else "text", error.message)
    edited = editing(request, installation.state(), (form, BannerForm(initial=initial)), refusal=refused)
    return _show(request, "banner", now_said, form=form, editing=edited)


def _me(request: HttpRequest) -> User:
    return installation.require_owner(request.user)


def _show(request: HttpRequest, name: str, page: object, **more: Any) -> HttpResponse:
    return responses.show(request, f"studio/{name}.html", page, section="studio", tab=name, **more)
