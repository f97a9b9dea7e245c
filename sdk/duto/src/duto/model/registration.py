"""How models come to be registered: from files of this machine, or from artifacts of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from duto.client.http import path_of
from duto.client.local_files import files_below, place_of, text_of
from duto.client.step_context import Context
from duto.client.tags import texts
from duto.exceptions import ModelPathNotFoundException, NotFoundException
from duto.spec import status as statuses
from duto.spec.snapshot import file_digest


def register_from_run(
    run: Any,
    name: str,
    path: Optional[str],
    tags: Any,
    properties: Any,
    description: Optional[str],
    framework: Optional[str],
    framework_version: Optional[str],
    datasets: Any,
) -> Dict[str, Any]:
    """The document of a model that is made of artifacts of a run. What the script has just written at that path is uploaded first, unless the run has the
    same bytes already."""
    wanted = path or name
    local = Path(wanted)
    _bring(run, _artifact_name(local), local)

    body = {
        **facts_of(name, tags, properties, description, framework, framework_version, datasets),
        "run_id": run.id,
        "path": _artifact_name(local),
    }
    try:
        document = run._workspace._client.post(run._workspace._path("models/"), body)
    except NotFoundException as error:
        raise ModelPathNotFoundException(f"The run has no file or folder '{wanted}': {error}") from error
    return dict(document)


def keep_here(
    run: Any,
    name: str,
    path: Optional[str],
    tags: Any,
    properties: Any,
    description: Optional[str],
    framework: Optional[str],
    framework_version: Optional[str],
    datasets: Any,
) -> Tuple[Path, Dict[str, Any]]:
    """The place and the document of a model of a run that `duto debug` has started, which the studio is not told of."""
    local = Path(path or name)
    artifact = _artifact_name(local)
    place = place_of(run._artifacts, artifact)
    if local.is_dir():
        run.upload_folder(artifact, str(local))
    elif local.is_file():
        run.upload_file(artifact, str(local))
    elif not place.exists():
        raise ModelPathNotFoundException(f"The run has no file or folder '{local}', and there is none here.")
    facts = facts_of(name, tags, properties, description, framework, framework_version, datasets)
    run._record({"op": "model", **facts, "path": artifact})
    print(f"The model '{name}' is kept in artifacts/{artifact} here, as version 0; it is not registered.")
    return place, {**facts, "id": f"{name}:0", "version": 0, "run_id": run._studio_id}


def _bring(run: Any, name: str, local: Path) -> None:
    """Files of this machine that the run lacks, or has as they were before.

    Those of a run that this process does not do are the run's own: what lies here under their name is something else.
    """
    files = [(name, local)] if local.is_file() else []
    if local.is_dir():
        files = [(f"{name}/{path}" if name != "." else path, place) for path, place in files_below(local)]
    if not files:
        return
    known = {item["path"]: item.get("digest") for item in run._artifacts("" if name == "." else name)}
    if known and not _is_done_here(run):
        return
    for path, place in files:
        if known.get(path) != file_digest(place):
            run._workspace._client.upload(run._artifact(path), place, overwrite=1)


def _is_done_here(run: Any) -> bool:
    """Whether this process does the run: it is its step, or it has opened the run itself."""
    around = Context.of_process()
    if around is not None and around.run_id == run.id:
        return True
    facts = run._fresh()
    return facts.get("kind") == "interactive" and not statuses.is_terminal(str(facts.get("status")))


def _artifact_name(path: Path) -> str:
    if path.is_absolute():
        try:
            path = path.relative_to(Path.cwd())
        except ValueError:
            return text_of(path.name)
    return text_of(path.as_posix())


def facts_of(
    name: str,
    tags: Any,
    properties: Any,
    description: Optional[str],
    framework: Optional[str],
    framework_version: Optional[str],
    datasets: Any,
) -> Dict[str, Any]:
    return {
        "name": name,
        "tags": texts(tags),
        "properties": texts(properties, "properties"),
        "description": description or "",
        "framework": framework,
        "framework_version": framework_version,
        "datasets": datasets_of(datasets),
    }


def datasets_of(datasets: Any) -> Dict[str, List[str]]:
    found: Dict[str, List[str]] = {}
    for scenario, dataset in datasets or ():
        found.setdefault(str(scenario), []).append(dataset.id)
    return found


def send_files(workspace: Any, facts: Mapping[str, Any], pairs: Any) -> Dict[str, Any]:
    """Files travel as blobs, as a snapshot's do; the model then names them."""
    client = workspace._client
    files = [{"path": name, "digest": file_digest(path), "size": path.stat().st_size} for name, path in pairs]
    missing = set(
        client.post(workspace._path("blobs/missing/"), {"digests": [each["digest"] for each in files]})["missing"]
    )
    for each, (_, path) in zip(files, pairs):
        if each["digest"] in missing:
            client.upload(workspace._path(f"blobs/{path_of(str(each['digest']))}/"), path)
            missing.discard(each["digest"])
    return dict(client.post(workspace._path("models/"), {**facts, "files": files}))
