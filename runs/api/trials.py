"""The trials of a sweep."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Invalid
from runs import stored_messages
from runs.api import serializers as s
from runs.api.base import RunView, query
from runs.models import Run
from runs.queries.trials import TrialRow, settings_of, trials_of
from workspaces.models import Role


class TrialsView(RunView):
    needs = {"get": Role.READER}

    @extend_schema(
        operation_id="run_trials",
        parameters=[query("earlier", "`1` adds the trials of the sweeps that this one resumes from.", bool)],
        responses=s.Trials,
    )
    def get(self, request: Request, id: UUID) -> Response:
        """All trials of a sweep, at most 1,000, in the order of their numbers."""
        run = self.run(id, graph=False)
        settings = settings_of(run)
        if settings is None:
            raise Invalid("This run is no sweep, and has no trials.", code="no_sweep")
        rows = trials_of(run, settings)
        if self.flag("earlier", default=False):
            earlier = Run.objects.filter(pk__in=settings.resume_from, workspace=run.workspace_id).order_by("id")
            rows += [row for other in earlier for row in trials_of(other, settings)]
        items = [_document(row) for row in rows]
        return Response({"metric": settings.metric, "goal": settings.goal, "items": items})


def _document(row: TrialRow) -> dict[str, Any]:
    stopped, resumed = row.trial.stopped, row.trial.resumed_from_id
    return {
        "run": str(row.run.pk),
        "number": row.trial.number,
        "status": row.run.status,
        "hyperparameters": row.hyperparameters,
        "best_primary_metric": row.best,
        "logged": len(row.state.values),
        "stopped": stored_messages.localized(stopped) if stopped else None,
        "resumed_from": str(resumed) if resumed else None,
    }
