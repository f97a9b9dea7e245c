"""Drafts as runs know them: made of a run, checked as a submit is, submitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from core import outbox
from core.errors import Invalid, NotFound, StudioError
from duto.spec import canonical
from duto.spec.secrets import is_sealed
from environments.services import versions as environment_versions
from pipelines.models import PipelineDraft
from pipelines.services import drafts
from runs.models import DraftRun, Run, Trigger
from runs.queries.runs import get_run
from runs.services.submission import experiments
from runs.services.submission.checks import Checked, check, environments
from runs.services.submission.submit import resubmission_of, submit_run
from workspaces.access import WorkspaceContext


def copy_of(context: WorkspaceContext, run_id: object) -> dict[str, Any]:
    """Answers `pipelines.hooks.copy_of_run`: what running it again would submit; of a trial that is a script run of its own."""
    run = get_run(context.workspace, run_id)
    again = resubmission_of(context, run, {})
    graph = again["graph"]
    if not graph.get("steps"):
        text = _("Only a run with a graph can be copied: a pipeline, or a script. Copy the run above this one.")
        raise Invalid(text, code="no_graph")
    defaults = {each["name"]: each.get("default") for each in graph.get("parameters", ())}
    values = again["parameters"]
    return {
        "name": (run.display_name or run.experiment.name)[: drafts.NAME_MAX],
        "description": run.description,
        "graph": {**graph, "continue_on_step_failure": run.continue_on_step_failure},
        # Who changes the steps of a draft could have them tell a secret: whoever submits it gives it anew.
        "parameters": {
            name: value for name, value in values.items() if defaults.get(name, value) != value and not is_sealed(value)
        },
        **{name: again[name] for name in ("experiment", "kind", "priority", "tags")},
        "of_run_id": run.pk,
    }


def submission_of(
    draft: PipelineDraft,
    *,
    experiment: str = "",
    parameters: Mapping[str, Any] | None = None,
    regenerate_outputs: bool = False,
) -> dict[str, Any]:
    """What `submit` submits. `parameters` stand before its own, for this run alone."""
    return {
        "experiment": experiment or draft.experiment or experiments.name_from(draft.name),
        "kind": draft.kind,
        "graph": draft.graph,
        "parameters": {**draft.parameters, **(parameters or {})},
        "tags": draft.tags,
        "properties": draft.properties,
        "regenerate_outputs": regenerate_outputs,
        "display_name": draft.name,
        "description": draft.description,
        "priority": draft.priority,
    }


def problems_of(
    context: WorkspaceContext, draft: PipelineDraft, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """All for which it could not be submitted as it is, each with code, message and step (None: of the whole). Reads only."""
    asked = submission_of(draft, parameters=parameters)
    try:
        checked = check(context, asked["graph"], asked["parameters"], kind=draft.kind)
    except StudioError as refusal:
        return _problems_of(refusal)
    found = list(_problems_of_environments(context, checked))
    try:
        if not found:
            environments(context, checked, environment_versions.look)
    except StudioError as refusal:
        return _problems_of(refusal)
    return found


def _problems_of_environments(context: WorkspaceContext, checked: Checked) -> Iterator[dict[str, Any]]:
    """Of each step, that its environment is none."""
    known: dict[str, list[dict[str, Any]]] = {}
    for step in checked.graph.steps:
        asked = dict(step.environment or {})
        key = canonical.digest(asked)
        if asked and key not in known:
            known[key] = []
            try:
                environment_versions.look(context.workspace, asked)
            except StudioError as refusal:
                known[key] = _problems_of(refusal)
        yield from ({**each, "step": step.id} for each in known.get(key, ()))


def _problems_of(refusal: StudioError) -> list[dict[str, Any]]:
    """The problems that a refusal tells of."""
    alone = {"code": refusal.code, "message": refusal.message, "step": refusal.facts.get("step")}
    problems = refusal.facts.get("problems") or [alone]
    return [{**alone, **each} for each in problems]


def submit(context: WorkspaceContext, draft: PipelineDraft, **asked: Any) -> Run:
    """Run it as it is, the rest as in `submission_of`; the draft stays as it was.

    Raises Unprocessable naming every problem at once, NotFound where it was deleted meanwhile.
    """

    def note(runs: Sequence[Run]) -> None:
        (run,) = runs
        if not PipelineDraft.objects.filter(pk=draft.pk).update(last_run_id=run.pk):
            raise NotFound(_("The draft '%(name)s' was deleted meanwhile.") % {"name": draft.name})
        DraftRun.objects.create(run=run, draft=draft, version=draft.version)
        outbox.hint(f"uses:{context.workspace.name}:{draft.pk}")
        drafts.tell(context.workspace)

    copied = Run.objects.filter(workspace=context.workspace, pk=draft.of_run_id).first() if draft.of_run_id else None
    by: Trigger = {"kind": "draft", "name": draft.name}
    return submit_run(context, **submission_of(draft, **asked), trigger=by, cloned_from=copied, on_made=note)
