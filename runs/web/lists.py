"""The list of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from core.paging import page_of
from runs.web import finding
from runs.web.rows import RunRow, lines
from runs.web.shell import live_text
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page


@dataclass(frozen=True)
class RunsPage:
    """What runs/list.html may show."""

    lines: list[RunRow]
    next: str | None
    is_first: bool
    filters: finding.Filters
    states: list[tuple[str, Any]]
    since: list[tuple[str, Any]]
    topic: str


@workspace_page()
def runs(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """All root runs that fit the filters of the address, newest first; `part=count` is the number in the frame."""
    if request.GET.get("part") == "count":
        return HttpResponse(live_text(context.workspace) or "")
    asked = finding.read(request.GET)
    page = page_of(finding.found(context.workspace, asked), after=request.GET.get("after"))
    facts = RunsPage(
        lines=lines(page.items),
        next=page.next,
        is_first=not request.GET.get("after"),
        filters=asked,
        states=[("", _("All")), *((key, word) for key, (word, _states) in finding.STATES.items())],
        since=[(key, word) for key, (word, _days) in finding.SINCE.items()],
        topic=f"list:{context.workspace.name}:runs",
    )
    return responses.show(request, "runs/list.html", facts, section="runs", parts=("rows",))
