"""The list of runs, and its filters as they stand in its address."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.clock import now
from core.paging import page_of
from core.pairs import pair
from runs.models import Run
from runs.queries.runs import RunFilter, find
from runs.web.rows import HEAVY, RunRow, lines
from runs.web.shell import LIVE, live_text
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

STATES: dict[str, tuple[Any, list[str]]] = {
    "live": (pgettext_lazy("runs", "Live"), LIVE),
    "failed": (_("Failed"), [Run.Status.FAILED]),
    "completed": (_("Completed"), [Run.Status.COMPLETED]),
    "canceled": (_("Canceled"), [Run.Status.CANCELED]),
}
SINCE = {"day": (_("Last 24 hours"), 1), "week": (_("Last 7 days"), 7), "month": (_("Last 30 days"), 30)}


@dataclass(frozen=True)
class Filters:
    """What the reader asked for."""

    q: str = ""
    state: str = ""
    experiment: str = ""
    by: str = ""
    since: str = ""
    tag: str = ""
    archived: bool = False
    chips: list[tuple[str, str]] = field(default_factory=list)

    @property
    def narrowing(self) -> RunFilter:
        """The same as REST's list is narrowed."""
        return RunFilter(
            experiment=self.experiment,
            statuses=tuple(STATES[self.state][1]) if self.state else (),
            tags=dict([pair(self.tag)]) if self.tag else {},
            created_after=now() - timedelta(days=SINCE[self.since][1]) if self.since else None,
            submitted_by=self.by,
            q=self.q,
            archived=self.archived,
        )

    @property
    def is_any(self) -> bool:
        return bool(self.q or self.state or self.experiment or self.by or self.since or self.tag or self.archived)


def read(query: QueryDict) -> Filters:
    """From the address; what it does not know is left out, so that an old link still opens."""
    state, since = query.get("state", ""), query.get("since", "")
    return Filters(
        q=query.get("q", "").strip()[:200],
        state=state if state in STATES else "",
        experiment=query.get("experiment", "")[:255],
        by=query.get("by", "")[:150],
        since=since if since in SINCE else "",
        tag=query.get("tag", "")[:200],
        archived=query.get("archived") == "1",
        chips=[(name, query.get(name, "")) for name in ("experiment", "by", "tag") if query.get(name)],
    )


@dataclass(frozen=True)
class RunsPage:
    """What runs/list.html may show."""

    lines: list[RunRow]
    next: str | None
    is_first: bool
    filters: Filters
    states: list[tuple[str, Any]]
    since: list[tuple[str, Any]]
    topic: str


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """All root runs that fit the filters of the address, newest first; `part=count` is the number in the frame."""
    if request.GET.get("part") == "count":
        return HttpResponse(live_text(context.workspace) or "")
    asked = read(request.GET)
    page = page_of(find(context.workspace, asked.narrowing).defer(*HEAVY), after=request.GET.get("after"))
    facts = RunsPage(
        lines=lines(page.items),
        next=page.next,
        is_first=not request.GET.get("after"),
        filters=asked,
        states=[("", _("All")), *((key, word) for key, (word, _states) in STATES.items())],
        since=[(key, word) for key, (word, _days) in SINCE.items()],
        topic=f"list:{context.workspace.name}:runs",
    )
    return responses.show(request, "runs/list.html", facts, section="runs", parts=("rows",))
