"""The fingerprint of a step about to start: its identity by all that its result depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute.models import ComputeTarget
from datasets import references
from datasets import services as datasets
from duto.spec import canonical, fingerprint
from duto.spec.graph import Input, Step
from environments.models import EnvironmentVersion
from runs.models import Snapshot
from runs.services.orchestration.run_state import RunState


def document_of(
    board: RunState, node: str, *, environment: EnvironmentVersion | None, compute: ComputeTarget | None
) -> dict[str, Any]:
    """The fingerprint document (docs/wire.md). Equal documents mean equal work."""
    step = board.spec(node)
    return fingerprint.fingerprint(
        step,
        snapshot=_snapshot(board, step),
        inputs={each.name: identity_of(board, each) for each in step.inputs},
        parameters=board.root.parameters,
        environment=_environment(environment),
        # The class of the compute: a cluster of another size may give another result, another name may not.
        compute=compute.vm_size.upper() if compute else None,
    )


def identity_of(board: RunState, source: Input) -> Any:
    """What an input is: an upstream output by the digest of its content, data by definition and cheap fingerprint."""
    if source.step is not None and source.output is not None:
        found = board.runs[source.step].step.output_digests.get(source.output)
        return found["digest"] if found else None
    key = (source.dataset, source.parameter, source.datastore, source.path)
    if key not in board.identities:  # one look, however many steps read the same
        board.identities[key] = _outside(board, source)
    return board.identities[key]


def _outside(board: RunState, source: Input) -> Any:
    workspace = board.root.workspace
    if source.dataset is not None:
        return datasets.identity(datasets.get_version(workspace, source.dataset))
    if source.parameter is not None:
        value = board.root.parameters.get(source.parameter)
        if isinstance(value, str):
            return datasets.identity(datasets.get_version(workspace, value))
        if isinstance(value, Mapping):
            return references.path_identity(workspace, str(value["datastore"]), str(value.get("path") or ""))
        return value
    return references.path_identity(workspace, source.datastore or "", source.path or "")


def _snapshot(board: RunState, step: Step) -> str | None:
    """The digest of the files, or of the declared part of them (`hash_paths`)."""
    if not step.hash_paths or step.snapshot is None:
        return step.snapshot
    snapshot = Snapshot.objects.get(workspace=board.root.workspace, digest=step.snapshot)
    wanted = tuple(path.strip("/").removeprefix("./") for path in (*step.hash_paths, step.script))
    kept = [
        f
        for f in snapshot.files
        if any(f["path"] == w or f["path"].startswith(w + "/") or w in ("", ".") for w in wanted)
    ]
    return canonical.digest([[f["path"], f["digest"]] for f in kept])


def _environment(version: EnvironmentVersion | None) -> str | None:
    if version is None:
        return None
    if version.build is None:
        return "user-managed:" + canonical.digest(version.definition.get("python", {}))
    return version.build.lock_digest
