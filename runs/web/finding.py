"""The filters of the list of runs, as they stand in its address."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.clock import now
from runs.models import Run
from runs.queries import finding
from runs.web.rows import HEAVY
from runs.web.shell import LIVE
from workspaces.models import Workspace

S = Run.Status
STATES: dict[str, tuple[Any, list[str]]] = {
    "live": (pgettext_lazy("runs", "Live"), LIVE),
    "failed": (_("Failed"), [S.FAILED]),
    "completed": (_("Completed"), [S.COMPLETED]),
    "canceled": (_("Canceled"), [S.CANCELED]),
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


def found(workspace: Workspace, asked: Filters) -> QuerySet[Run]:
    """The roots that fit, to be cut by a page."""
    name, equals, value = asked.tag.partition("=")
    runs = finding.find(
        workspace,
        finding.Filters(
            experiment=asked.experiment,
            statuses=tuple(STATES[asked.state][1]) if asked.state else (),
            tags={name: value if equals else None} if name else {},
            created_after=now() - timedelta(days=SINCE[asked.since][1]) if asked.since else None,
            q=asked.q,
            archived=asked.archived,
        ),
    )
    if asked.by:
        runs = runs.filter(submitted_by__username=asked.by)
    return runs.defer(*HEAVY)
