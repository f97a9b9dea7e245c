"""What of a sweep can only be checked beside other runs, and a trial as a run of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from core.errors import Unprocessable
from core.ids import as_uuid
from duto.spec.graph import Graph, Step
from duto.spec.sweeps import read_sweep
from runs.models import Run, StepRun
from runs.queries.graphs import parsed
from runs.queries.trials import settings_of
from workspaces.access import WorkspaceContext


def check(context: WorkspaceContext, kind: str, graph: Graph) -> None:
    """Raises Unprocessable for a sweep run that is none, and for one that resumes from what it cannot."""
    sweeps = [step for step in graph.steps if step.kind == "sweep"]
    if kind == Run.Kind.SWEEP and (len(graph.steps) != 1 or not sweeps):
        raise Unprocessable("A sweep run is a graph of one step of the kind 'sweep'.", code="no_sweep")
    if kind == Run.Kind.SCRIPT and sweeps:
        raise Unprocessable("A script run has no sweep: submit it as the kind 'sweep'.", code="no_script")
    if kind == Run.Kind.AUTOML and [step.kind for step in graph.steps] != ["automl"]:
        raise Unprocessable(
            "A run of automated machine learning is a graph of one step of the kind 'automl'.", code="no_automl"
        )
    problems = [
        {
            "code": "bad_sweep",
            "message": _("Step '%(step)s': %(why)s") % {"step": step.name, "why": text},
            "step": step.id,
        }
        for step in sweeps
        for text in _earlier(context, step)
    ]
    if problems:
        raise Unprocessable("\n".join(each["message"] for each in problems), code="bad_sweep", problems=problems)


def _earlier(context: WorkspaceContext, step: Step) -> Iterator[str]:
    settings = read_sweep(step.settings)[0]
    if settings is None:
        return
    runs = Run.objects.select_related("step").defer("graph").filter(workspace=context.workspace)
    for name in settings.resume_from:
        key = as_uuid(name)
        run = runs.filter(pk=key, sweep__isnull=False).first() if key else None
        if run is None:
            text = _("it resumes from '%(name)s', and there is no sweep of this id in workspace '%(workspace)s'.")
            yield text % {"name": name, "workspace": context.workspace.name}
        elif not run.is_final:
            yield _("it resumes from the sweep '%(name)s', which is not over yet. Wait for it, or cancel it.") % {
                "name": name
            }
        else:
            earlier = settings_of(run)
            if earlier is None or earlier.space != settings.space:
                text = _(
                    "it resumes from the sweep '%(name)s', which has other hyperparameters: give it the same ones."
                )
                yield text % {"name": name}
    if settings.resume_trials:
        yield _("%(name)s is not part of Duto yet: give the earlier sweep as %(other)s.") % {
            "name": "resume_child_runs", "other": "resume_from",
        }  # fmt: skip


def alone(trial: Run) -> dict[str, Any]:
    """The graph of a trial as a run of its own: data of other steps are read where they lie."""
    graph = parsed(trial.pk).graph
    document = graph.to_document()
    [step] = document["steps"]
    step["id"] = step["name"]
    for source in step["inputs"]:
        origin = source["from"]
        if "step" in origin:
            source["from"] = _place(trial, origin["step"], origin["output"])
    return document


def _place(trial: Run, node: str, output: str) -> dict[str, str]:
    rows = StepRun.objects.filter(run__root=trial.root_id, node_id=node).values_list("output_digests", flat=True)
    place = (rows.first() or {}).get(output)
    if place is None:
        raise Unprocessable(
            f"The output '{output}' of step '{node}' is not there, and the trial reads it.", code="gone"
        )
    return {"datastore": place["datastore"], "path": place["path"]}
