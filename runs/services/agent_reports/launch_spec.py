"""The spec of an attempt: all that an agent needs to run it, and nothing else (docs/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings

from compute.models import ComputeTarget
from core.clock import now
from core.errors import Unprocessable
from core.prepared import Prepared
from core.storage import blob_key, safe
from datasets import references, stores
from datasets import services as datasets
from datasets.models import DatasetVersion
from duto.spec.graph import Input, Step
from duto.spec.parameters import as_text
from environments.models import EnvironmentVersion
from runs import stored_messages
from runs.models import Attempt, Output, Run, Snapshot
from runs.queries.graphs import parsed
from runs.services.results import output_check
from workspaces.queries import RESOURCE_GROUP, SUBSCRIPTION
from workspaces.services.tokens import mint_run_token

_VERSION: Prepared[EnvironmentVersion] = Prepared(
    lambda key: EnvironmentVersion.objects.select_related("build").filter(pk=key)
)


class SpecOf:
    """Builds one attempt's spec. The attempt's run comes with its root, step, workspace and experiment."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt, self.run, self.root = attempt, attempt.run, attempt.run.root or attempt.run
        self.step: Step = parsed(self.root.pk).steps[self.run.step.node_id]
        self.workspace = self.root.workspace
        self._look = output_check.Look()
        self.files = f"/agent/v1/attempts/{attempt.pk}/{attempt.epoch}/files"

    def document(self) -> dict[str, Any]:
        run, step = self.run, self.step
        return {
            "run": str(run.pk),
            "root": str(self.root.pk),
            "step": step.id,
            "workspace": self.workspace.name,
            "experiment": self.root.experiment.name,
            "number": self.attempt.number,
            "token": mint_run_token(self.workspace, run.pk, self.root.pk, user=run.submitted_by),
            "kind": step.kind,
            "script": step.script,
            "arguments": [self._argument(value) for value in step.arguments],
            "snapshot": self._snapshot(),
            "environment": self._environment(),
            "inputs": [self._input(each) for each in step.inputs],
            "outputs": [self._output(each.name) for each in step.outputs],
            "artifacts": {"put": f"{self.files}/artifact/"},
            "variables": self._variables(),
            "params": {name: self._text(value) for name, value in step.params.items()},
            "timeout_seconds": step.timeout_seconds,
            "grace_seconds": 10,
            "log_cap": settings.DUTO.log_cap_bytes,
            "limits": self._limits(),
            **self._surroundings(),
        }

    def _argument(self, value: Any) -> Any:
        """Parameters become text here; inputs and outputs become paths at the agent, who knows them."""
        if isinstance(value, Mapping) and "parameter" in value:
            return self._text(value)
        return value if isinstance(value, Mapping) else as_text(value)

    def _text(self, value: Any) -> str:
        if isinstance(value, Mapping) and "parameter" in value:
            value = self.root.parameters.get(value["parameter"])
        return as_text(value)

    def _snapshot(self) -> dict[str, Any]:
        digest = self.step.snapshot or ""
        store = f"store/{self.workspace.pk}"
        files = [
            {**each, "get": f"{self.files}/blob/{each['digest']}", "direct": f"{store}/{blob_key(each['digest'])}"}
            for each in _files_of(self.workspace.pk, digest)
        ]
        return {"digest": digest, "files": files}

    @cached_property
    def _version(self) -> EnvironmentVersion | None:
        key = self.run.step.environment_version_id
        return _VERSION.first(key) if key else None

    def _surroundings(self) -> dict[str, Any]:
        """Who is reached, and of containers what the environment asks for and the cluster's owner relaxed."""
        target = self.attempt.compute_target
        docker = (self._version.definition if self._version else {}).get("docker") or {}
        shm = ["--shm-size", str(docker["shm_size"])] if docker.get("shm_size") else []
        return {
            "launcher": self.attempt.launcher,
            "network": target.network if target else ComputeTarget.Network.OPEN,
            "container": {
                "base_image": docker.get("image"),
                "base_dockerfile": docker.get("dockerfile"),
                "arguments": [*shm, *docker.get("arguments", [])],
                "options": target.container_options if target else {},
            },
        }

    def _environment(self) -> dict[str, Any]:
        version = self._version
        definition = version.definition if version else {}
        python = definition.get("python") or {}
        build = version.build if version else None
        variables = {**definition.get("variables", {}), **self.step.environment_variables}
        if build is None:
            interpreter = python.get("interpreter") or settings.DUTO.user_python or None
            return {
                "key": None,
                "lock": None,
                "python": None,
                "user_managed": True,
                "interpreter": interpreter,
                "variables": variables,
            }
        minor = ".".join(build.python.split(".")[:2])
        return {
            "key": f"{build.lock_digest[:40]}-{minor}",
            "lock": build.lock,
            "python": build.python,
            "user_managed": False,
            "interpreter": None,
            "variables": variables,
        }

    def _input(self, source: Input) -> dict[str, Any]:
        base: dict[str, Any] = {"name": source.name, "mode": source.mode, "path_on_compute": source.path_on_compute}
        if source.step is not None and source.output is not None:
            return {**base, **self._upstream(source, source.step, source.output)}
        value: Any = source.dataset
        if source.parameter is not None:
            value = self.root.parameters.get(source.parameter)
        if isinstance(value, str):
            return {**base, **self._dataset(source, datasets.get_version(self.workspace, value))}
        place = value if isinstance(value, Mapping) else {"datastore": source.datastore, "path": source.path}
        return {**base, **self._place(source.mode, str(place["datastore"]), str(place.get("path") or ""))}

    def _upstream(self, source: Input, node: str, output: str) -> dict[str, Any]:
        """What another step wrote, taken from where it really lies: a reused step has written nothing itself.

        Raises Unprocessable when it is no longer what that step wrote.
        """
        parent = Run.objects.select_related("step").defer("graph").get(root=self.root.pk, step__node_id=node)
        place = parent.step.output_digests[output]
        rows = Output.objects.filter(run=parent.step.reused_from_id or parent.pk, name=output)
        found = rows.select_related("run__root").defer("run__graph", "run__root__graph").first() or Output(
            name=output, run=parent, removed_at=now()
        )
        self._require_unchanged(found, source.name)
        base = f"{self.files}/data/{place['datastore']}/{place['path']}"
        one = not found.is_directory
        files = [{**each, "get": base if one else f"{base}/{each['path']}"} for each in output_check.plain(found)]
        root = references.relative_root(self.workspace, place["datastore"])
        return {"kind": "path", "is_file": one, "direct": f"{root}/{place['path']}", "files": files}

    def _require_unchanged(self, output: Output, reader: str) -> None:
        store = None if output.removed_at else stores.root_by_name(self.workspace, output.datastore)
        change = self._look.change_of(output, store)
        self._look.remember()
        if change is None:
            return
        number = (output.run.root or output.run).number
        text = stored_messages.say("unreadable", input=reader, why=change.say(output.name, number))
        if output.removed_at is None and not output_check.is_own_place(output):
            text += f" {stored_messages.SHARED}"
        facts = {"input": reader, "number": number, "output": change.as_document(output.name)}
        raise Unprocessable(text, code="output_changed", **facts)

    def _dataset(self, source: Input, version: DatasetVersion) -> dict[str, Any]:
        if source.mode == "direct":
            return {
                "kind": "dataset",
                "dataset": str(version.pk),
                "name_of_dataset": version.dataset.name if version.dataset else "",
            }
        found = datasets.files_of(version)
        one = datasets.is_one_file(version, found)
        return {
            "kind": "path",
            "is_file": one,
            "file_name": found[0].path if one else None,
            "direct": self._file(found[0])["direct"] if one else None,
            "files": [self._file(each) for each in found],
        }

    def _place(self, mode: str, datastore: str, path: str) -> dict[str, Any]:
        root = references.relative_root(self.workspace, datastore)
        find = references.files_mounted if mode == references.MOUNT else references.files_below
        found = find(self.workspace, datastore, path)
        key = safe(path)
        one = len(found) == 1 and found[0].key == key
        return {
            "kind": "path",
            "is_file": one,
            "file_name": found[0].path if one else None,
            "direct": f"{root}/{key}" if found else None,  # without files and without a place: there is nothing
            "files": [self._file(each) for each in found],
        }

    def _file(self, each: Any) -> dict[str, Any]:
        root = references.relative_root(self.workspace, each.datastore)
        return {
            "path": each.path,
            "size": each.size,
            "digest": each.digest,
            "get": f"{self.files}/data/{each.datastore}/{each.key}",
            "direct": f"{root}/{each.key}",
        }

    def _output(self, name: str) -> dict[str, Any]:
        output = self.step.output(name)
        return {
            "name": name,
            "kind": output.kind,
            "is_directory": output.is_directory,
            "path_on_compute": output.path_on_compute,
            "put": f"{self.files}/output/{name}/",
        }

    def _variables(self) -> dict[str, str]:
        """What `Run.get_context()` and scripts read; names are Azure ML's."""
        run = self.run
        return {
            "AZUREML_RUN_ID": str(run.pk),
            "AZUREML_ROOT_RUN_ID": str(self.root.pk),
            "AZUREML_PARENT_RUN_ID": str(run.parent_id or ""),
            "AZUREML_ARM_SUBSCRIPTION": SUBSCRIPTION,
            "AZUREML_ARM_RESOURCEGROUP": RESOURCE_GROUP,
            "AZUREML_ARM_WORKSPACE_NAME": self.workspace.name,
            "AZUREML_ARM_PROJECT_NAME": self.root.experiment.name,
            "AZUREML_EXPERIMENT_ID": str(self.root.experiment_id),
            "AZUREML_WORKSPACE_ID": str(self.workspace.pk),
            "DUTO_ATTEMPT": str(self.attempt.number),
        }

    def _limits(self) -> dict[str, Any]:
        node = self.attempt.node
        return {"cores": node.cores, "memory": node.memory, "gpus": node.gpus} if node else {}


@lru_cache(maxsize=256)
def _files_of(workspace_id: UUID, digest: str) -> tuple[dict[str, Any], ...]:
    """The files of a snapshot. It is named by its content, so what was read once stays true."""
    return tuple(Snapshot.objects.get(workspace=workspace_id, digest=digest).files)
