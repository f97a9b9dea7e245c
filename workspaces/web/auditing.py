"""The page of the audit: who did what, when, from where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from core.errors import Invalid
from core.paging import page_of
from core.serving import stream
from workspaces import actions
from workspaces.access import WorkspaceContext
from workspaces.limits import audit_days_in
from workspaces.models import AuditEntry, Role, Workspace
from workspaces.services import auditing, workspaces
from workspaces.services.auditing import Filter
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_page

FILTERS = ("person", "action", "since", "until")
# So much of a fact is shown; files have all of it.
LONGEST = 120
SHORTEST = 30


@dataclass(frozen=True)
class Row:
    entry: AuditEntry

    @property
    def names(self) -> str:
        """What the facts are about, for the line that opens them."""
        return ", ".join(self.entry.facts)[:SHORTEST]

    @property
    def facts(self) -> list[tuple[str, str]]:
        return [(name, str(value)[:LONGEST]) for name, value in self.entry.facts.items()]


@dataclass(frozen=True)
class AuditPage:
    """What workspaces/audit.html may show. `kinds` are codes with
    their words, `query` is what is filtered by, as an address says it."""

    workspace: Workspace
    rows: list[Row]
    next: str | None
    wanted: Filter
    people: list[str]
    kinds: list[tuple[str, str]]
    days: int | None
    query: str
    problem: str

    @property
    def since(self) -> str:
        return _day(self.wanted.since)

    @property
    def until(self) -> str:
        return _day(self.wanted.until)


@workspace_page(Role.OWNER)
def page(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The newest entries that fit the filter of the address."""
    problem, wanted = "", Filter()
    try:
        wanted = filter_of(request)
    except Invalid as error:
        problem = error.message
    all_ = auditing.entries(context, Filter())
    found = page_of(auditing.filtered(all_, wanted), after=request.GET.get("after"), limit=50)
    asked = {name: request.GET[name] for name in FILTERS if request.GET.get(name)}
    shown = AuditPage(
        context.workspace,
        [Row(each) for each in found.items],
        found.next,
        wanted,
        auditing.people(all_),
        sorted(((each, actions.word(each)) for each in auditing.kinds(all_)), key=itemgetter(1)),
        audit_days_in(context.workspace.settings),
        f"?{urlencode(asked)}" if asked else "",
        problem,
    )
    return responses.show(request, "workspaces/audit.html", shown, section="settings", tab="audit")


@workspace_page(Role.OWNER)
def file(request: HttpRequest, context: WorkspaceContext) -> HttpResponseBase:
    """All entries that fit, as CSV or JSON lines."""
    kind = request.GET.get("kind", "csv")
    pieces = auditing.export(auditing.entries(context, filter_of(request)), kind)
    return stream(request, pieces, f"audit-{context.workspace.name}.{kind}", auditing.FORMATS[kind], as_file=True)


@workspace_action(Role.OWNER)
def keep(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """For how many days it is kept."""
    text = request.POST.get("days", "").strip()
    if text and not (text.isascii() and text.isdecimal() and len(text) < 9):
        raise Invalid(_("Days are a whole number, or nothing for ever."), code="bad_days")
    workspaces.set_audit_days(context, int(text) if text else None)
    return responses.done(request, _("Saved."), reverse("workspaces:audit", args=[context.workspace.name]))


def filter_of(request: HttpRequest) -> Filter:
    """What the address asks for. Raises Invalid."""
    values: dict[str, Any] = {name: request.GET.get(name, "") for name in FILTERS}
    return auditing.read_filter(**values)


def _day(moment: datetime | None) -> str:
    return moment.date().isoformat() if moment else ""
