"""Resume a run that failed or was canceled: a new, linked run that adopts what was finished there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from core.errors import Conflict, Invalid
from duto.spec.secrets import merged
from runs.models import Run
from runs.services.submission.submit import submit_run
from workspaces.access import WorkspaceContext


def check(run: Run) -> Run:
    """The run, when it can be resumed. Raises Invalid for what is no pipeline, Conflict for one that has no need."""
    if run.kind != Run.Kind.PIPELINE or not run.is_root:
        raise Invalid(
            _(
                "Only a pipeline run can be resumed. Name the pipeline's run, not one of its steps; submit others again."
            ),
            code="not_resumable",
        )
    if run.status not in Run.ENDS:
        raise Conflict(
            _("Run #%(number)s is not over yet. Cancel it or wait for its end, then resume it.")
            % {"number": run.number},
            code="not_over",
        )
    if run.status == Run.Status.COMPLETED:
        raise Conflict(
            _("Nothing failed in run #%(number)s, so there is nothing to resume. Submit it again instead.")
            % {"number": run.number},
            code="nothing_failed",
        )
    return run


def resume(context: WorkspaceContext, run: Run, *, parameters: Mapping[str, Any] | None = None) -> Run:
    """Submit the run's graph again, with these parameters changed; finished steps that still hold are adopted.

    Raises what check() and submit_run() do.
    """
    return submit_run(context, **resumption_of(run, parameters or {}))


def resumption_of(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What `resume` submits. Raises what check() does."""
    check(run)
    return {
        "experiment": run.experiment.name,
        "kind": run.kind,
        "graph": run.graph or {},
        "parameters": merged(run.parameters, parameters),
        "tags": run.tags,
        # Who wanted nothing older than that run gets nothing older than that run.
        "regenerate_outputs": run.is_forced,
        "continue_on_step_failure": run.continue_on_step_failure,
        "display_name": run.display_name,
        "resumed_from": run,
        "priority": run.priority,
        "trigger": {"kind": "resume", "name": f"#{run.number}"},
    }
