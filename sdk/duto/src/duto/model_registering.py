"""How models come to be registered: from files of this machine, or from artifacts of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from duto._http import path_of
from duto.exceptions import ModelPathNotFoundException, NotFoundException
from duto.local_files import text_of


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
) -> Any:
    """Register artifacts of a run. What the script has just written at that path is uploaded first."""
    wanted = path or name
    local = Path(wanted)
    if local.is_file():
        run.upload_file(_artifact_name(local), str(local))
    elif local.is_dir():
        run.upload_folder(_artifact_name(local), str(local))
    from duto.model import Model

    body = {
        **facts_of(name, tags, properties, description, framework, framework_version, datasets),
        "run_id": run.id,
        "path": _artifact_name(local),
    }
    try:
        document = run._workspace._client.post(run._workspace._path("models/"), body)
    except NotFoundException as error:
        raise ModelPathNotFoundException(f"The run has no file or folder '{wanted}': {error}") from error
    return Model(run._workspace, _document=document)


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
        "tags": {key: str(value) for key, value in (tags or {}).items()},
        "properties": {key: str(value) for key, value in (properties or {}).items()},
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
    from duto.spec.snapshot import file_digest

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
