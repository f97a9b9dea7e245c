"""Submitting: check, snapshot and upload what the studio lacks, then hand the graph over."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from duto import gitinfo
from duto.exceptions import SnapshotException, UserErrorException
from duto.graph_builder import GraphBuilder
from duto.parameter import value_of
from duto.spec import snapshot
from duto.spec.errors import Problem, SpecError
from duto.spec.filenames import unspelled
from duto.spec.graph import Graph
from duto.spec.parameters import bind

_AT_ONCE = 8
_ASKED_AT_ONCE = 1000


def submit_pipeline(
    experiment: Any,
    builder: GraphBuilder,
    parameters: Optional[Mapping[str, Any]] = None,
    continue_on_step_failure: bool = False,
    regenerate_outputs: bool = False,
    tags: Optional[Mapping[str, str]] = None,
    kind: str = "pipeline",
    display_name: Optional[str] = None,
    priority: Optional[int] = None,
    resume_from: Optional[str] = None,
) -> Any:
    """The new run. Raises `UserErrorException` with every problem, `SnapshotException` for a folder too
    large."""
    from duto.run_lookup import run_of

    workspace = experiment.workspace
    graph = prepare(builder, continue_on_step_failure)
    given = bound(graph, parameters or {}, workspace)
    properties, difference = gitinfo.describe(builder.steps[0].folder(builder.default_source_directory))
    body = {
        "experiment": experiment.name,
        "kind": kind,
        "graph": graph.to_document(),
        "parameters": given,
        "tags": {key: str(value) for key, value in (tags or {}).items()},
        "regenerate_outputs": bool(regenerate_outputs),
        "continue_on_step_failure": bool(continue_on_step_failure),
        "properties": properties,
        "display_name": display_name,
        "priority": priority or 0,
    }
    if resume_from is not None:
        body["resume_from"] = resume_from
    document = workspace._client.post(workspace._path("runs/"), body)
    run = run_of(workspace, document, experiment)
    if difference:
        run._put_artifact("system_logs/git/working_tree.diff", difference.encode("utf-8", "replace"))
    print(f"Submitted {type(run).__name__} {run.id}\nLink to the studio: {run.get_portal_url()}", flush=True)
    return run


def bound(graph: Graph, parameters: Mapping[str, Any], workspace: Any) -> Dict[str, Any]:
    """The values of parameters as they are sent. Raises `UserErrorException` for those that do not fit."""
    given = {name: value_of(value, workspace, True) for name, value in parameters.items()}
    try:
        bind(graph.parameters, given)
    except SpecError as error:
        raise refusal(list(error.problems)) from error
    return given


def prepare(builder: GraphBuilder, continue_on_step_failure: bool = False) -> Graph:
    """The checked graph, its snapshots in the studio. Raises `UserErrorException`, `SnapshotException`."""
    draft = builder.build()
    problems = builder.problems + draft.problems() + missing_scripts(builder)
    if any(step.compute is None for step in draft.steps):  # names that do not exist are the studio's to refuse
        problems += missing_targets(builder.workspace, draft)
    if problems:
        raise refusal(problems)
    digests: Dict[str, str] = {}
    taken: Dict[Path, snapshot.Manifest] = {}
    for step in builder.steps:
        root = step.folder(builder.default_source_directory).resolve()
        if root not in taken:
            taken[root] = take(root)
        digests[builder.ids[step]] = taken[root].digest
    graph = builder.build(digests, save=False)
    files = {manifest.digest: manifest.paths for manifest in taken.values()}
    problems = graph.problems(files)
    if problems:
        raise refusal(problems)
    for root, manifest in taken.items():
        upload(builder.workspace, root, manifest)
    return replace(builder.build(digests, save=True), continue_on_step_failure=continue_on_step_failure)


def missing_scripts(builder: GraphBuilder) -> List[Problem]:
    """Folders and scripts that are not there."""
    found = []
    for step in builder.steps:
        folder = step.folder(builder.default_source_directory)
        name = builder.ids[step]
        if not folder.is_dir():
            text = f"Step '{name}': the source directory '{folder}' does not exist."
            found.append(Problem("missing_source", text, name))
        elif not (folder / step.script_name).is_file():
            text = f"Step '{name}': there is no script '{step.script_name}' in '{folder}'."
            found.append(Problem("missing_script", text, name))
    return found


def missing_targets(workspace: Any, graph: Graph) -> List[Problem]:
    """Steps whose compute target is not there, or that name none."""
    names = list(workspace.compute_targets)
    known = {name.lower() for name in names}
    there = f"There are: {', '.join(sorted(names))}." if names else "There is none yet: create one first."
    found = []
    for step in graph.steps:
        if step.compute is None:
            text = (
                f"Step '{step.id}' names no compute target, and nothing runs on the machine of the program ('local'): "
                f"name one by compute_target= or by the target of its run configuration. {there}"
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


def take(root: Path) -> snapshot.Manifest:
    """The manifest of a folder; digests of unchanged files come from a cache in the user's cache folder.

    The limits are Azure ML's, unless DUTO_SNAPSHOT_MAX_BYTES or DUTO_SNAPSHOT_MAX_FILES set others, or a program sets
    `azureml._restclient.snapshots_client.SNAPSHOT_MAX_SIZE_BYTES`. The studio has limits of its own.
    """
    told = getattr(sys.modules.get("azureml._restclient.snapshots_client"), "SNAPSHOT_MAX_SIZE_BYTES", None)
    limits = snapshot.Limits(
        int(os.environ.get("DUTO_SNAPSHOT_MAX_BYTES") or told or snapshot.Limits.size),
        int(os.environ.get("DUTO_SNAPSHOT_MAX_FILES") or snapshot.Limits.files),
    )
    if os.environ.get("AML_SNAPSHOT_NO_FILE_LIMIT"):
        limits = replace(limits, files=10**9)
    place = _cache_file(root)
    cache = _read_cache(place)
    before = dict(cache)
    try:
        manifest = snapshot.take(root, limits, cache)
    except SpecError as error:
        raise SnapshotException(str(error), inner_exception=error) from error
    if cache != before:
        _write_cache(place, dict(cache))
    return manifest


def upload(workspace: Any, root: Path, manifest: snapshot.Manifest) -> None:
    """Send the files that the studio lacks, then the manifest."""
    client = workspace._client
    wanted: Dict[str, str] = {each.digest: each.path for each in manifest.files}
    digests = list(wanted)
    missing: List[str] = []
    for start in range(0, len(digests), _ASKED_AT_ONCE):
        body = {"digests": digests[start : start + _ASKED_AT_ONCE]}
        missing += client.post(workspace._path("blobs/missing/"), body)["missing"]

    def send(digest: str) -> None:
        client.upload(workspace._path(f"blobs/{digest}/"), root / unspelled(wanted[digest]))

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        list(pool.map(send, missing))
    client.post(workspace._path("snapshots/"), manifest.to_document())


def _cache_file(root: Path) -> Path:
    from duto.spec import canonical

    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "duto" / f"{canonical.digest(str(root))[:32]}.json"


def _read_cache(path: Path) -> Dict[str, List[Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _write_cache(path: Path, cache: Mapping[str, List[Any]]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(cache), encoding="utf-8")
        part.replace(path)
    except OSError:
        pass  # a read-only home costs time, not the submit
