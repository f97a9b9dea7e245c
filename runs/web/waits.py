"""Why a step waits: the reasons of this moment, for its panel and as a fragment that asks again when nodes change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from runs.models import Attempt, Run
from runs.queries.runs import get_run
from runs.services.scheduling.waiting import reasons_of
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

# States in which a step may be waiting for something.
BEFORE = frozenset({Run.Status.NOT_STARTED, Run.Status.QUEUED, Run.Status.PREPARING})


@dataclass(frozen=True)
class Waits:
    """What runs/panel/waits.html may show."""

    run: Run
    is_waiting: bool
    reasons: list[dict[str, Any]]
    since: datetime | None


def waits_of(run: Run, attempts: Sequence[Attempt]) -> Waits:
    """A step that an agent has does not wait, but in a queue of its host's; of one that does, what that or placement says now."""
    last = attempts[-1] if attempts else None
    is_unplaced = last is None or (last.status == Attempt.Status.QUEUED and last.node_id is None)
    open_ = run.status in BEFORE and (is_unplaced or (last is not None and last.is_in_queue))
    if not open_:
        return Waits(run, False, [], None)
    return Waits(run, True, reasons_of(run, attempts), last.queued_at if last else run.created_at)


def _tries(run: Run) -> list[Attempt]:
    return list(run.attempts.filter(node_rank=0).select_related("compute_target").order_by("number"))


@workspace_page()
def fragment(request: HttpRequest, context: WorkspaceContext, run_id: UUID) -> HttpResponse:
    run = get_run(context.workspace, run_id)
    attempts = _tries(run) if hasattr(run, "step") else []
    waits = waits_of(run, attempts) if hasattr(run, "step") else Waits(run, False, [], None)
    return render(request, "runs/panel/waits.html", {"waits": waits, **responses.rights(request)})
