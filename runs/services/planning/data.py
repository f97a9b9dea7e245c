"""Which data a run would read, and how much: each place is inspected once, which also gives its identity for reuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from core.errors import Invalid, StudioError, Unprocessable
from core.ids import as_uuid
from datasets import definitions, references
from datasets.models import DatasetVersion
from datasets.services import files as dataset_files
from datasets.services import inspection
from duto.spec.graph import Input
from runs.services.orchestration import fingerprints
from runs.services.planning.dry_run import DryRun
from runs.services.submission.checks import Checked
from workspaces.access import WorkspaceContext

Key = fingerprints.Key
MOST_UNSAVED = 1000


@dataclass(frozen=True)
class Data:
    """A version of a dataset, or a path of a datastore, that steps read; sizes in bytes, None where they are not known."""

    dataset: str | None
    version: int | None
    datastore: str | None
    path: str | None
    file_count: int | None = None
    size: int | None = None
    # How many of the steps that run read it, or may.
    steps: int = 0

    @property
    def name(self) -> str:
        if self.datastore is not None:
            return f"{self.datastore}/{self.path or ''}"
        return f"{self.dataset}:{self.version}" if self.version else self.dataset or _("a dataset without a name")

    def as_document(self) -> dict[str, Any]:
        return asdict(self)


def inspect_inputs(dry_run: DryRun, checked: Checked) -> dict[Key, Data]:
    """All that the graph reads from outside. What cannot be read is known without a size; its steps say why."""
    found: dict[Key, Data] = {}
    for each in (each for step in checked.graph.steps for each in step.inputs if each.step is None):
        key = fingerprints.key_of(each)
        if key in found:
            continue
        value = references.source_of(each, checked.parameters)
        version = checked.data.version(each, value) if isinstance(value, str) else None
        if version is not None:
            found[key] = _of_version(dry_run, key, version)
        elif isinstance(value, Mapping):
            found[key] = _of_path(dry_run, key, str(value["datastore"]), str(value.get("path") or ""))
    return found


def read_by(found: Mapping[Key, Data], inputs: Iterable[Input]) -> list[Data]:
    """Those of the data that these inputs read, by how many."""
    counts: dict[Data, int] = {}
    for each in inputs:
        if (data := found.get(fingerprints.key_of(each))) is not None:
            counts[data] = counts.get(data, 0) + 1
    return [replace(data, steps=count) for data, count in counts.items()]


def _of_version(dry_run: DryRun, key: Key, version: DatasetVersion) -> Data:
    name, number = (version.dataset.name, version.version) if version.dataset else (None, None)
    data = Data(name, number, None, None, version.file_count, version.size)
    try:
        files = dataset_files.files_of(version)
    except StudioError as error:
        dry_run.failures[key] = error
        return data
    dry_run.identities[key] = dataset_files.identity_of(version, files)
    return replace(data, file_count=len(files), size=sum(each.size for each in files))


def _of_path(dry_run: DryRun, key: Key, store: str, path: str) -> Data:
    data = Data(None, None, store, path)
    try:
        place = references.extent_of(dry_run.root.workspace, store, path)
    except StudioError as error:
        dry_run.failures[key] = error
        return data
    dry_run.identities[key] = place.identity
    return replace(data, file_count=place.file_count, size=place.size)


def unsaved(context: WorkspaceContext, given: Mapping[str, Any]) -> dict[str, DatasetVersion]:
    """Datasets that a submit would save first, by the ids that stand for them: those that are saved already, or in memory.

    Raises Invalid for what is none, and what saving them would, but for tables, which nobody reads for a plan.
    """
    if len(given) > MOST_UNSAVED:
        raise Invalid(_("A plan takes %(most)s datasets that are not saved at most.") % {"most": MOST_UNSAVED})
    found: dict[UUID, tuple[str, DatasetVersion]] = {}
    for name, each in given.items():
        key = as_uuid(name)
        if key is None or not isinstance(each, Mapping) or not isinstance(each.get("definition"), Mapping):
            raise Invalid(_("'datasets' is an object of ids, each with 'kind' and 'definition'."), code="bad_dataset")
        kind = str(each.get("kind") or "file")
        normal = definitions.read(kind, each["definition"])
        digest = definitions.digest_of(kind, normal)
        found[key] = (
            name,
            DatasetVersion(
                pk=key,
                workspace=context.workspace,
                kind=kind,
                definition=normal,
                digest=digest,
                status=DatasetVersion.Status.READY,
            ),
        )
    rows = DatasetVersion.objects.filter(
        workspace=context.workspace, dataset=None, digest__in={version.digest for _name, version in found.values()}
    )
    saved = {row.digest: row for row in rows.select_related("workspace").order_by("id")}
    versions = {name: saved.get(version.digest) or version for name, version in found.values()}
    for version in versions.values():
        if version.pk in found:
            _require_files(context, version)
    return versions


def _require_files(context: WorkspaceContext, version: DatasetVersion) -> None:
    if inspection.fetched_of(version.definition):
        text = _(
            "A dataset of web addresses is fetched when it is saved, and a plan fetches nothing: register it first."
        )
        raise Unprocessable(text, code="not_fetched")
    dataset_files.find(context.workspace, version.definition["sources"])


def with_ids(document: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The graph with the ids of datasets that were found saved; anything may stand in it yet."""
    steps, parameters = document.get("steps"), document.get("parameters")
    changed = dict(document)
    if isinstance(steps, list):
        changed["steps"] = [_step_with_ids(each, ids) for each in steps]
    if isinstance(parameters, list):
        changed["parameters"] = [
            {**each, "default": real_id(each.get("default"), ids)} if isinstance(each, Mapping) else each
            for each in parameters
        ]
    return changed


def _step_with_ids(step: Any, ids: Mapping[str, str]) -> Any:
    inputs = step.get("inputs") if isinstance(step, Mapping) else None
    if not isinstance(inputs, list):
        return step
    return {**step, "inputs": [_input_with_ids(each, ids) for each in inputs]}


def _input_with_ids(source: Any, ids: Mapping[str, str]) -> Any:
    origin = source.get("from") if isinstance(source, Mapping) else None
    if not isinstance(origin, Mapping) or "dataset" not in origin:
        return source
    return {**source, "from": {**origin, "dataset": real_id(origin["dataset"], ids)}}


def real_id(value: Any, ids: Mapping[str, str]) -> Any:
    return ids.get(value, value) if isinstance(value, str) else value
