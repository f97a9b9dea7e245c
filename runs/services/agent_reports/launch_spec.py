"""The spec of an attempt: all that an agent needs to run it, and nothing else (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from django.conf import settings
from msgspec import UNSET, structs

from compute.models import ComputeTarget
from core import sealed
from core.clock import now
from core.errors import Unprocessable
from core.objects import version_of
from core.observations import Unobserved, ask
from core.storage import blob_key, direct, safe, store_path
from datasets import references, stores
from datasets.models import DatasetVersion
from datasets.services import files as dataset_files
from datasets.services import versions as dataset_versions
from duto.spec import canonical
from duto.spec.graph import Input
from duto_protocol.messages import (
    ArtifactSpec,
    ContainerSpec,
    InputFile,
    InputSpec,
    LaunchSpec,
    Limits,
    MemberSpec,
    OutputSpec,
    SnapshotFile,
    SnapshotSpec,
)
from duto_protocol.reading import of_document
from runs import input_sources, stored_messages
from runs.models import Attempt, Output, Run, Snapshot
from runs.services.agent_reports.step_parts import StepParts
from runs.services.results import kept_outputs, ledgers, output_check, part_uploads
from workspaces.services.tokens import mint_run_token

# How old a file is, in seconds, before its time tells its content.
SETTLED_S = 10.0


class SpecOf(StepParts):
    """Builds one attempt's spec. The attempt's run comes with its root, step, workspace and experiment."""

    def __init__(self, attempt: Attempt) -> None:
        root = attempt.run.root or attempt.run
        values, self.masks = sealed.opened(root.workspace_id, root.parameters)
        super().__init__(attempt.run, root, values)
        self.attempt = attempt
        self._output_check = output_check.OutputCheck()
        self._roots: dict[str, stores.StoreLocation] = {}
        self.attempts = f"/agent/v1/attempts/{attempt.pk}/{attempt.epoch}"
        self.files = f"{self.attempts}/files"

    def spec(self) -> LaunchSpec:
        run, step = self.run, self.step
        target = self.attempt.compute_target
        inputs = self._inputs()
        ledgers_of_before, kept = self._of_earlier()
        return LaunchSpec(
            run=str(run.pk),
            root=str(self.root.pk),
            step=step.id,
            workspace=self.workspace.name,
            experiment=self.root.experiment.name,
            number=self.attempt.number,
            token=mint_run_token(self.workspace, run.pk, self.root.pk, user=run.submitted_by),
            kind=step.kind,
            script=step.script,
            arguments=self.arguments(),
            snapshot=self._snapshot(),
            environment=self.environment(),
            inputs=inputs,
            outputs=[self._output(each.name) for each in step.outputs],
            artifacts=ArtifactSpec(f"{self.files}/artifact/"),
            variables=self.variables(self.attempt.number),
            masks=self.masks,
            params=self.params(),
            settings=self.settings(),
            timeout_seconds=step.timeout_seconds,
            log_cap=settings.DUTO.log_cap_bytes,
            limits=self._limits(),
            launcher=self.attempt.launcher,
            network=target.network if target else ComputeTarget.Network.OPEN,
            container=self._container(target),
            distribution=self.distribution(),
            member=self._member(),
            ledgers=ledgers_of_before,
            kept=kept,
            spark_master=target.spark_master if target else "",
        )

    def _of_earlier(self) -> tuple[list[InputFile], list[InputFile]]:
        """Of a parallel step what attempts of before have left: their ledgers, and the output that its script wrote itself."""
        earlier = ledgers.earlier(self.attempt)
        if not earlier:
            return [], []
        found = [
            InputFile(path=f"{each.pk}.jsonl", size=each.ledger_size, get=f"{self.files}/ledger/{each.pk}")
            for each in earlier
        ]
        output = kept_outputs.output_of(self.step)
        kept = kept_outputs.files_of(earlier[0], f"{self.files}/kept/{earlier[0].pk}") if output else []
        return found, kept

    def _snapshot(self) -> SnapshotSpec:
        digest = self.step.snapshot or ""
        store = store_path(self.workspace.pk)
        files = [
            structs.replace(
                each, get=f"{self.files}/blob/{each.digest}", direct=direct(f"{store}/{blob_key(each.digest)}")
            )
            for each in _files_of(self.workspace.pk, digest)
        ]
        return SnapshotSpec(digest, files)

    def _container(self, target: ComputeTarget | None) -> ContainerSpec:
        """What the environment asks for and the cluster's owner relaxed."""
        docker = (self.version.definition if self.version else {}).get("docker") or {}
        shm = ["--shm-size", str(docker["shm_size"])] if docker.get("shm_size") else []
        return ContainerSpec(
            base_image=docker.get("image"),
            base_dockerfile=docker.get("dockerfile"),
            arguments=[*shm, *docker.get("arguments", [])],
            options=target.container_options if target else {},
        )

    def _inputs(self) -> list[InputSpec]:
        """Raises Unobserved once it has asked for all that lies elsewhere."""
        found, missed = [], None
        for each in self.step.inputs:
            try:
                found.append(ask(("input", each.name), partial(self._input, each)))
            except Unobserved as error:
                missed = error
        if missed is not None:
            raise missed
        return found

    def _input(self, source: Input) -> InputSpec:
        base = InputSpec(name=source.name, mode=source.mode, path_on_compute=source.path_on_compute)
        if source.step is not None and source.output is not None:
            return self._upstream(base, source.step, source.output)
        value = self.source(source)
        if isinstance(value, str):
            return self._dataset(base, dataset_versions.get_version(self.workspace, value))
        place = value if isinstance(value, Mapping) else {"datastore": source.datastore, "path": source.path}
        return self._place(base, str(place["datastore"]), str(place.get("path") or ""))

    def _upstream(self, spec: InputSpec, node: str, output: str) -> InputSpec:
        """What another step wrote, taken from where it really lies: a reused step has written nothing itself.

        Raises Unprocessable when it is no longer what that step wrote.
        """
        parent = Run.objects.select_related("step").defer("graph").get(root=self.root.pk, step__node_id=node)
        place = parent.step.output_digests[output]
        if linked := place.get("dataset"):
            return self._dataset(spec, dataset_versions.get_version(self.workspace, linked))
        rows = Output.objects.filter(run=parent.step.reused_from_id or parent.pk, name=output)
        found = rows.select_related("run__root").defer("run__graph", "run__root__graph").first() or Output(
            name=output, run=parent, removed_at=now()
        )
        self._require_unchanged(found, spec.name)
        base = f"{self.files}/data/{place['datastore']}/{place['path']}"
        one = not found.is_directory
        files = [InputFile(**each, get=base if one else f"{base}/{each['path']}") for each in output_check.plain(found)]
        direct, named = self._direct(place["datastore"], place["path"]), input_sources.of_output(place)
        return structs.replace(spec, is_file=one, direct=direct, files=files, source=named)

    def _require_unchanged(self, output: Output, reader: str) -> None:
        store = None if output.removed_at else stores.root_by_name(self.workspace, output.datastore)
        change = self._output_check.look(output, store)
        self._output_check.remember()
        if change is None:
            return
        number = (output.run.root or output.run).number
        text = stored_messages.say("unreadable", input=reader, why=change.say(output.name, number))
        if output.removed_at is None and not output_check.is_own_place(output):
            text += f" {stored_messages.SHARED}"
        facts = {"input": reader, "number": number, "output": change.as_document(output.name)}
        raise Unprocessable(text, code="output_changed", **facts)

    def _dataset(self, spec: InputSpec, version: DatasetVersion) -> InputSpec:
        if spec.mode == "direct":
            name = version.dataset.name if version.dataset else ""
            return structs.replace(spec, kind="dataset", dataset=str(version.pk), name_of_dataset=name)
        found, spec = (
            dataset_files.files_of(version),
            structs.replace(spec, source=input_sources.of_dataset(version.pk)),
        )
        files, one = [self._file(each) for each in found], dataset_files.is_one_file(version, found)
        if form := (version.definition.get("format") or {}).get("partition_format"):
            spec = structs.replace(spec, partition_format=str(form))
        if not one:
            return structs.replace(spec, files=files)
        return structs.replace(spec, is_file=True, file_name=files[0].path, direct=files[0].direct, files=files)

    def _place(self, spec: InputSpec, datastore: str, path: str) -> InputSpec:
        find = references.files_mounted if spec.mode == references.MOUNT else references.files_below
        found = find(self.workspace, datastore, path)
        key = safe(path)
        one = len(found) == 1 and found[0].key == key
        return structs.replace(
            spec,
            is_file=one,
            file_name=found[0].path if one else None,
            direct=self._direct(datastore, key)
            if found
            else None,  # without files and without a place: there is nothing
            files=[self._file(each) for each in found],
            source=input_sources.of_place(self.workspace.pk, datastore, path),
        )

    def _file(self, each: Any) -> InputFile:
        get, place = f"{self.files}/data/{each.datastore}/{each.key}", self._place_of(each.datastore)
        found = InputFile(path=each.path, size=each.size, digest=each.digest, get=get)
        if place.direct is not None:
            return structs.replace(found, direct=f"{place.direct}/{each.key}")
        tag = version_of(each.size, each.modified, each.tag)
        # By size and time, two contents of one moment would be the same.
        is_known = each.tag or now().timestamp() - each.modified > SETTLED_S
        key = canonical.digest([place.identity, each.key, tag, each.size]) if is_known else UNSET
        return structs.replace(found, tag=tag, cache_key=key)

    def _direct(self, store: str, key: str) -> str | None:
        """Where a host that shares the studio's disk reads it; None of a store that lies elsewhere."""
        root = self._place_of(store).direct
        return None if root is None else f"{root}/{key}"

    def _place_of(self, store: str) -> stores.StoreLocation:
        if store not in self._roots:
            self._roots[store] = references.place_of(self.workspace, store)
        return self._roots[store]

    def _output(self, name: str) -> OutputSpec:
        output = self.step.output(name)
        return OutputSpec(
            name=name,
            kind=output.kind,
            is_directory=output.is_directory,
            path_on_compute=output.path_on_compute,
            put=f"{self.files}/output/{name}/",
            parts=f"{self.attempts}/parts" if part_uploads.can_take(self.run, output, self.attempt) else UNSET,
            source_globs=list(output.source_globs),
        )

    def _member(self) -> MemberSpec | None:
        mine = self.attempt
        return MemberSpec(mine.node_rank, mine.node_count, mine.is_gang) if mine.node_count > 1 else None

    def _limits(self) -> Limits:
        node = self.attempt.node
        return Limits(cores=node.cores, memory=node.memory, gpus=node.gpus) if node else Limits()


@lru_cache(maxsize=256)
def _files_of(workspace_id: UUID, digest: str) -> tuple[SnapshotFile, ...]:
    """The files of a snapshot. It is named by its content, so what was read once stays true."""
    found = Snapshot.objects.get(workspace=workspace_id, digest=digest).files
    return tuple(of_document(each, SnapshotFile).message for each in found)
