"""The fingerprint of a step about to start: its identity by all that its result depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compute.models import ComputeTarget
from core.observations import ask
from datasets import references
from datasets.services import files as dataset_files
from datasets.services import versions as dataset_versions
from duto.spec import canonical, fingerprint
from duto.spec.graph import Input, Step
from environments.models import EnvironmentVersion
from runs.services.orchestration.run_state import RunState

Key = tuple[str | None, ...]


def document_of(
    run_state: RunState, node: str, *, environment: EnvironmentVersion | None, compute: ComputeTarget | None
) -> dict[str, Any]:
    """The fingerprint document (docs/wire.md). Equal documents mean equal work."""
    step = run_state.spec(node)
    return fingerprint.fingerprint(
        step,
        snapshot=_snapshot(run_state, step),
        inputs={each.name: identity_of(run_state, each) for each in step.inputs},
        parameters=run_state.root.parameters,
        environment=_environment(environment),
        # The class of the compute: a cluster of another size may give another result, another name may not.
        compute=compute.vm_size.upper() if compute else None,
    )


def identity_of(run_state: RunState, source: Input) -> Any:
    """What an input is: an upstream output by the digest of its content, data by definition and cheap fingerprint."""
    if source.step is not None and source.output is not None:
        found = run_state.runs[source.step].step.output_digests.get(source.output)
        if not found or "dataset" not in found:
            return found["digest"] if found else None
        source = replace(source, step=None, output=None, dataset=found["dataset"])
    key = key_of(source)
    if key not in run_state.identities:  # one look, however many steps read the same
        run_state.identities[key] = ask(("data", *key), lambda: _outside(run_state, source))
    return run_state.identities[key]


def key_of(source: Input) -> Key:
    """What an input reads outside the run, as `RunState.identities` names it."""
    return source.dataset, source.parameter, source.datastore, source.path


def _outside(run_state: RunState, source: Input) -> Any:
    workspace = run_state.root.workspace
    if source.dataset is not None:
        return dataset_files.identity(dataset_versions.get_version(workspace, source.dataset))
    if source.parameter is not None:
        value = run_state.root.parameters.get(source.parameter)
        if isinstance(value, str):
            return dataset_files.identity(dataset_versions.get_version(workspace, value))
        if isinstance(value, Mapping):
            return references.path_identity(workspace, str(value["datastore"]), str(value.get("path") or ""))
        return value
    return references.path_identity(workspace, source.datastore or "", source.path or "")


def _snapshot(run_state: RunState, step: Step) -> str | None:
    """The digest of the files, or of the declared part of them (`hash_paths`)."""
    if not step.hash_paths or step.snapshot is None:
        return step.snapshot
    run_state.load_manifests([step.snapshot])
    wanted = tuple(path.strip("/").removeprefix("./") for path in (*step.hash_paths, step.script) if path)
    return canonical.digest(
        [
            [path, digest]
            for path, digest in run_state.manifests[step.snapshot].items()
            if any(path == each or path.startswith(each + "/") or each in ("", ".") for each in wanted)
        ]
    )


def _environment(version: EnvironmentVersion | None) -> str | None:
    if version is None:
        return None
    r = version.definition.get("r")
    return _python(version) + (f" r:{canonical.digest(r)}" if r is not None else "")


def _python(version: EnvironmentVersion) -> str:
    if version.build is None:
        # What the sentences in it are made of came later, and makes no other environment of it.
        python = {key: value for key, value in version.definition.get("python", {}).items() if key != "said"}
        return "user-managed:" + canonical.digest(python)
    return version.build.lock_digest
