"""What a submit is checked for before anything is written; a plan is checked for the same. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from compute.models import ComputeTarget
from core import sealed, sentences
from core.errors import Unprocessable
from core.ids import as_uuid
from core.sentences import Kept
from core.storage import safe
from datasets import references
from duto.spec import canonical, distribution
from duto.spec import parameters as parameter_rules
from duto.spec.errors import SpecError
from duto.spec.graph import Graph, Step
from duto.spec.kinds import KINDS
from duto.spec.sentences import said
from environments.models import EnvironmentVersion
from environments.services import versions as environment_versions
from runs.models import Run, Snapshot
from runs.services.results import output_conflicts
from runs.services.scheduling import abilities
from runs.services.submission import sweep_checks
from workspaces.access import WorkspaceContext, require_run
from workspaces.models import Role, Workspace
from workspaces.scopes import Act

Manifest = Mapping[str, str]


class Checked:
    """A graph that may run, with all it refers to: clusters by lower name, snapshots as digests by path, data."""

    def __init__(
        self,
        graph: Graph,
        parameters: dict[str, Any],
        targets: dict[str, ComputeTarget],
        manifests: dict[str, Manifest],
        data: references.Known,
    ) -> None:
        self.graph, self.parameters, self.targets = graph, parameters, targets
        self.manifests, self.data = manifests, data
        self.document = graph.to_document()

    def goes_on(self, asked: bool | None) -> bool:
        """Whether the run goes on after a failure: as its submitter says, else as its graph does."""
        return self.graph.continue_on_step_failure if asked is None else asked


def check(
    context: WorkspaceContext,
    document: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    kind: str,
    resumed_from: Run | None = None,
    manifests: Mapping[str, Manifest] | None = None,
    data: references.Known | None = None,
) -> Checked:
    """Whether this may be submitted. `manifests`: snapshots beside those that are there; `data`: datasets beside those.

    Raises Unprocessable naming every problem of the graph at once, Forbidden for readers and for a step beyond its scope.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.SUBMIT)
    if resumed_from is not None:
        require_run(context, resumed_from)
    data = references.Known(context.workspace) if data is None else data
    found = _read(context, _on_default(context, document), given, dict(manifests or {}), data)
    sweep_checks.check(context, kind, found.graph)
    _keep_off_runs(context, found.graph)
    output_conflicts.keep_off(context, found.graph)
    return found


def environments(
    context: WorkspaceContext,
    checked: Checked,
    resolve: Callable[[Workspace, Mapping[str, Any]], EnvironmentVersion],
) -> dict[str, EnvironmentVersion | None]:
    """The environment of each step; one that many steps share is looked up once. Raises Unprocessable."""
    known: dict[str, EnvironmentVersion] = {}
    found: dict[str, EnvironmentVersion | None] = {}
    for step in checked.graph.steps:
        if not step.environment:
            found[step.id] = None
            continue
        key = canonical.digest(dict(step.environment))
        if key not in known:
            known[key] = resolve(context.workspace, dict(step.environment))
        found[step.id] = known[key]
    abilities.require_hosts(context.workspace, checked.graph.steps, found, checked.targets)
    return found


def with_notes(
    checked: Checked, environments_of: Mapping[str, EnvironmentVersion | None], warnings: Sequence[Kept]
) -> list[Kept]:
    """The run's warnings, and of environments that stand in for others: its submitter hears of them with the answer."""
    steps = checked.graph.steps
    notes = (
        each for step in steps for each in environment_versions.notes_of(environments_of[step.id], step.environment)
    )
    return sentences.once([*warnings, *notes])


def _read(
    context: WorkspaceContext,
    document: Mapping[str, Any],
    given: Mapping[str, Any],
    files: dict[str, Manifest],
    data: references.Known,
) -> Checked:
    """Read the graph and look up what it names. Every problem is told at once."""
    # Not read yet, so anything may stand here: the graph's own reader says what is wrong with it.
    steps = document.get("steps")
    most = settings.DUTO.run_max_steps
    if isinstance(steps, list) and len(steps) > most:
        raise Unprocessable(
            _(
                "The graph has %(count)s steps, and this studio takes runs of at most %(most)s (%(setting)s). "
                "Let a step do more, or submit several runs."
            )
            % {"count": f"{len(steps):,}", "most": most, "setting": "DUTO_RUN_MAX_STEPS"},
            code="too_many_steps",
            most=most,
        )
    digests = [step.get("snapshot") for step in steps if isinstance(step, Mapping)] if isinstance(steps, list) else []
    rows = Snapshot.objects.filter(workspace=context.workspace, digest__in=[d for d in digests if isinstance(d, str)])
    files.update({row.digest: {each["path"]: each["digest"] for each in row.files} for row in rows})
    try:
        graph = Graph.from_document(document, files)
        bound = parameter_rules.bind(graph.parameters, given, is_whole=True)
    except SpecError as error:
        raise refused(error) from error
    parameters = sealed.seal(context.workspace.pk, graph.parameters, bound)
    clusters = ComputeTarget.objects.filter(workspace=context.workspace)
    targets = {target.name.lower(): target for target in clusters if not target.is_leaving}
    data.load((each for step in graph.steps for each in step.inputs), parameters)
    problems = [
        problem for step in graph.steps for problem in _lookups(context, step, targets, files, data, parameters)
    ]
    if problems:
        raise Unprocessable("\n".join(p["message"] for p in problems), code=problems[0]["code"], problems=problems)
    return Checked(graph, parameters, targets, files, data)


def _on_default(context: WorkspaceContext, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The graph with the workspace's default cluster for steps that name none: the run keeps what it was then."""
    name, steps = context.workspace.default_compute, document.get("steps")
    if not name or not isinstance(steps, list):
        return document
    said = [
        {**each, "compute": name} if isinstance(each, Mapping) and not each.get("compute") else each for each in steps
    ]
    return {**document, "steps": said}


def refused(error: SpecError) -> Unprocessable:
    """The refusal that carries all problems of a document."""
    problems = [problem.to_document() for problem in error.problems]
    return Unprocessable(str(error), code=problems[0]["code"] if problems else "invalid", problems=problems)


def _lookups(
    context: WorkspaceContext,
    step: Step,
    targets: Mapping[str, ComputeTarget],
    files: Mapping[str, Any],
    data: references.Known,
    parameters: Mapping[str, Any],
) -> list[dict[str, Any]]:
    found: list[tuple[str, str]] = []
    if not step.compute or step.compute.lower() not in targets:
        names = ", ".join(sorted(target.name for target in targets.values()))
        facts = {"step": step.name, **({"names": names} if names else {})}
        if step.compute:
            code = "step_compute_unknown" if names else "step_compute_unknown_none"
            facts |= {"name": step.compute, "workspace": context.workspace.name}
        else:
            code = "step_compute_unnamed" if names else "step_compute_unnamed_none"
        found.append(("unknown_compute", sentences.here(said(code, **facts))))
    spread = None
    if step.distribution is not None:  # what parameters make of it; the graph was looked at before
        spread = distribution.resolved(step.distribution, parameters)
        found += [("bad_distribution", f"Step '{step.name}': {text}") for text in distribution.faults(spread)]
    if text := distribution.nodes_fault(distribution.valued(step.node_count, parameters), spread):
        found.append(("bad_node_count", f"Step '{step.name}' {text}"))
    found += [(code, f"Step '{step.name}': {text}") for code, text in _wrong_values(step, parameters)]
    if step.snapshot not in files:
        found.append(("missing_snapshot", sentences.here(said("step_snapshot_missing", step=step.name))))
    found += references.problems_of(context.workspace, step.inputs, step.outputs, data, parameters)
    return [{"code": code, "message": message, "step": step.id} for code, message in found]


def _wrong_values(step: Step, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with the settings that parameters hold, with the values that they have in this run."""
    held = {
        name: each["parameter"]
        for name, each in step.settings.items()
        if isinstance(each, Mapping) and set(each) == {"parameter"}
    }
    if not held:
        return []
    values = {name: parameters.get(parameter) for name, parameter in held.items()}
    bound = replace(step, settings={**step.settings, **values})
    return [(code, text) for code, text in KINDS[step.kind].check(bound, None) if code == "bad_settings"]


def _keep_off_runs(context: WorkspaceContext, graph: Graph) -> None:
    """A step lets nothing be kept below the folder of a run of another tree. Raises Forbidden."""
    if not context.is_run:
        return
    outputs = (output for step in graph.steps for output in step.outputs if output.destination)
    chosen = (safe(str(each.destination).replace("{output-name}", each.name)) for each in outputs)
    parts = [path.split("/") for path in chosen]
    named = {key for part in parts if part[0] == "azureml" and len(part) > 1 and (key := as_uuid(part[1]))}
    for run in Run.objects.only("root_id").filter(workspace=context.workspace, pk__in=named):
        require_run(context, run)
