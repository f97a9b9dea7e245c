"""Submitting: check, snapshot and upload what the studio lacks, then hand the graph over."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from duto.client.tags import texts
from duto.exceptions import UserErrorException
from duto.pipeline import git_info
from duto.pipeline.graph_builder import GraphBuilder
from duto.pipeline.plan import RunPlan
from duto.run import snapshots
from duto.run.lookup import run_of
from duto.spec import snapshot
from duto.spec.errors import Problem, SpecError
from duto.spec.graph import Graph
from duto.spec.parameters import bind
from duto.steps.parameter import value_of
from duto.steps.unsaved import Drafts, Save

# Of steps that bring no code: one empty snapshot.
_NOWHERE = Path()


def submit_pipeline(
    experiment: Any,
    builder: GraphBuilder,
    parameters: Optional[Mapping[str, Any]] = None,
    continue_on_step_failure: bool = False,
    regenerate_outputs: bool = False,
    tags: Optional[Mapping[str, object]] = None,
    kind: str = "pipeline",
    display_name: Optional[str] = None,
    priority: Optional[int] = None,
    resume_from: Optional[str] = None,
) -> Any:
    """The new run. Raises `UserErrorException` with every problem, `SnapshotException` for a folder too
    large."""
    workspace = experiment.workspace
    graph = prepare(builder, continue_on_step_failure)
    given = bound(graph, parameters or {}, workspace)
    folders = (step.folder(builder.default_source_directory) for step in builder.steps)
    properties, difference = git_info.describe(next((each for each in folders if each is not None), Path()))
    body = {
        "experiment": experiment.name,
        "kind": kind,
        "graph": graph.to_document(),
        "parameters": given,
        "tags": texts(tags),
        "regenerate_outputs": bool(regenerate_outputs),
        "continue_on_step_failure": bool(continue_on_step_failure),
        "properties": properties,
        "display_name": display_name,
        "priority": priority or 0,
    }
    if resume_from is not None:
        body["resume_from"] = resume_from
    document = workspace._client.post(workspace._path("runs/"), body)
    for text in document.get("warnings") or ():
        warnings.warn(str(text), stacklevel=4)
    run = run_of(workspace, document, experiment)
    if difference:
        run._put_artifact("system_logs/git/working_tree.diff", difference.encode("utf-8", "replace"))
    print(f"Submitted {type(run).__name__} {run.id}\nLink to the studio: {run.get_portal_url()}", flush=True)
    return run


def plan_pipeline(
    builder: GraphBuilder,
    experiment: str,
    parameters: Optional[Mapping[str, Any]] = None,
    continue_on_step_failure: bool = False,
    regenerate_outputs: bool = False,
    priority: Optional[int] = None,
    resume_from: Optional[str] = None,
    kind: str = "pipeline",
) -> RunPlan:
    """What `submit_pipeline` would do. Nothing is uploaded or saved: what would be travels as it is told of."""
    workspace, drafts = builder.workspace, Drafts()
    digests, taken = _taken(builder)
    graph = replace(builder.build(digests, save=drafts), continue_on_step_failure=continue_on_step_failure)
    body = {
        "experiment": experiment,
        "kind": kind,
        "graph": graph.to_document(),
        "parameters": bound(graph, parameters or {}, workspace, drafts),
        "regenerate_outputs": bool(regenerate_outputs),
        "continue_on_step_failure": bool(continue_on_step_failure),
        "priority": priority or 0,
        "snapshots": [manifest.to_document() for manifest in taken.values()],
        "datasets": drafts.documents,
    }
    if resume_from is not None:
        body["resume_from"] = resume_from
    return RunPlan(workspace._client.post(workspace._path("plan/"), body))


def bound(graph: Graph, parameters: Mapping[str, Any], workspace: Any, save: Save = True) -> Dict[str, Any]:
    """The values of parameters as they are sent. Raises `UserErrorException` for those that do not fit."""
    given = {name: value_of(value, workspace, save) for name, value in parameters.items()}
    try:
        values = bind(graph.parameters, given, is_whole=True)
    except SpecError as error:
        raise refusal(list(error.problems)) from error
    return {name: values[name] for name in given}


def prepare(builder: GraphBuilder, continue_on_step_failure: bool = False) -> Graph:
    """The checked graph, its snapshots in the studio. Raises `UserErrorException`, `SnapshotException`."""
    digests, taken = _taken(builder)
    for root, manifest in taken.items():
        snapshots.upload(builder.workspace, root, manifest)
    return replace(builder.build(digests, save=True), continue_on_step_failure=continue_on_step_failure)


def _taken(builder: GraphBuilder) -> Tuple[Dict[str, str], Dict[Path, snapshot.Manifest]]:
    """The digest of each step's snapshot by its id, and the snapshots of this machine's folders. Raises as `prepare`."""
    draft = builder.build()
    problems = builder.problems + draft.problems() + missing_scripts(builder)
    if any(step.compute is None for step in draft.steps):  # names that do not exist are the studio's to refuse
        problems += missing_targets(builder.workspace, draft)
    if problems:
        raise refusal(problems)
    digests: Dict[str, str] = {}
    taken: Dict[Path, snapshot.Manifest] = {}
    for step in builder.steps:
        folder = step.folder(builder.default_source_directory)
        if folder is None and step._snapshot is not None:
            digests[builder.ids[step]] = step._snapshot
            continue
        root = _NOWHERE if folder is None else folder.resolve()
        if root not in taken:
            taken[root] = snapshot.Manifest(()) if folder is None else snapshots.take(root)
        digests[builder.ids[step]] = taken[root].digest
    graph = builder.build(digests, save=False)
    files = {manifest.digest: manifest.paths for manifest in taken.values()}
    problems = graph.problems(files)
    if problems:
        raise refusal(problems)
    return digests, taken


def missing_scripts(builder: GraphBuilder) -> List[Problem]:
    """Folders and scripts that are not there."""
    found = []
    for step in builder.steps:
        folder = step.folder(builder.default_source_directory)
        name = builder.ids[step]
        if folder is None:
            continue
        if not folder.is_dir():
            text = f"Step '{name}': the source directory '{folder}' does not exist."
            found.append(Problem("missing_source", text, name))
        elif step.script_name and not (folder / step.script_name).is_file():
            text = f"Step '{name}': there is no script '{step.script_name}' in '{folder}'."
            found.append(Problem("missing_script", text, name))
    return found


def missing_targets(workspace: Any, graph: Graph) -> List[Problem]:
    """Steps whose compute target is not there, or that name none where the workspace has no default cluster."""
    names = list(workspace.compute_targets)
    known = {name.lower() for name in names}
    there = f"There are: {', '.join(sorted(names))}." if names else "There is none yet: create one first."
    unnamed = any(step.compute is None for step in graph.steps)
    # Asked anew, not of what this object has seen: an owner may have chosen the default a moment ago.
    on_default = unnamed and workspace._client.get(workspace._path("")).get("default_compute")
    found = []
    for step in graph.steps:
        if step.compute is None:
            if on_default:
                continue
            text = (
                f"Step '{step.id}' names no compute target, and nothing runs on the machine of the program ('local'): "
                "name one by compute_target= or by the target of its run configuration, or let an owner choose the "
                f"workspace's default cluster. {there}"
            )
            found.append(Problem("unknown_compute", text, step.id))
        elif step.compute.lower() not in known:
            text = f"Step '{step.id}': there is no compute target '{step.compute}'. {there}"
            found.append(Problem("unknown_compute", text, step.id))
    return found


def refusal(problems: List[Problem]) -> UserErrorException:
    """The error that names all problems."""
    texts = list(dict.fromkeys(problem.message for problem in problems))
    error = UserErrorException("\n".join(texts))
    error.code = problems[0].code
    error.facts = {"problems": [problem.to_document() for problem in problems]}
    return error
