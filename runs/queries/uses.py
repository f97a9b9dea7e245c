"""Who uses what, both ways: the runs that read a version of a dataset or a model, and what a step's script reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet

from core.clock import iso
from core.ids import as_uuid
from datasets.models import DatasetVersion
from duto.spec import status
from registry.models import ModelVersion
from runs.models import Attempt, DataUse, ModelUse, Run, StepRun
from runs.queries.graphs import parsed
from workspaces.models import Workspace

T = TypeVar("T", DataUse, ModelUse, StepRun, Attempt)
# The properties of a run by which its script names datasets.
NAMED = (status.READ_DATASET, status.INPUT_DATASET)
# By what the rows of a list are paged.
DATA_KEYS, STEP_KEYS = ("-root__id",), ("-run__id",)


def data_uses(workspace: Workspace, version: UUID) -> QuerySet[DataUse]:
    """The runs that read a version of a dataset, each with the first of its steps that does."""
    mine = DatasetVersion.objects.filter(workspace=workspace, pk=version).exists()
    return DataUse.objects.filter(dataset_version_id=version) if mine else DataUse.objects.none()


def model_uses(workspace: Workspace, version: UUID) -> QuerySet[ModelUse]:
    """The steps that copied a version of a model."""
    mine = ModelVersion.objects.filter(model__workspace=workspace, pk=version).exists()
    return ModelUse.objects.filter(model_version_id=version) if mine else ModelUse.objects.none()


def steps_with(workspace: Workspace, **which: Any) -> QuerySet[StepRun]:
    """The steps of an environment or a cluster."""
    return StepRun.objects.filter(workspace=workspace, **which).only("run")


def attempts_on(workspace: Workspace, host: UUID) -> QuerySet[Attempt]:
    """What of this workspace was placed on a host, of any age; another workspace's is not told."""
    return Attempt.objects.filter(host=host, workspace=workspace).prefetch_related("compute_target")


def with_runs(rows: Sequence[T]) -> list[T]:
    """These uses with their runs, without those of a run that is still being laid out: that is its own parent.

    Runs are read after the page, not with it: whoever joins them leaves it to the database whether it begins with the use
    or with the newest run of all.
    """
    found = Run.objects.filter(root__parent__isnull=True).select_related("root__experiment", "step")
    found = found.defer("graph", "root__graph", "step__fingerprint_document", "step__reuse_explanation")
    runs = found.in_bulk([row.run_id for row in rows])
    for row in rows:
        if row.run_id in runs:
            row.run = runs[row.run_id]
    return [row for row in rows if row.run_id in runs]


def use_document(use: Any) -> dict[str, Any]:
    """A row that has a `run` as REST tells it."""
    run: Run = use.run
    root, step = run.root or run, getattr(run, "step", None)
    return {
        "run": str(run.pk),
        "root": str(root.pk),
        "number": root.number,
        "experiment": root.experiment.name,
        "display_name": root.display_name,
        "step": step.node_id if step else None,
        "name": step.name if step else run.display_name,
        "status": run.status,
        "created_at": iso(run.created_at),
    }


def attempt_use_document(attempt: Attempt) -> dict[str, Any]:
    """The same of an attempt, with when and how it ran."""
    return {
        **use_document(attempt),
        "attempt": attempt.number,
        "attempt_status": attempt.status,
        "node": attempt.node_name,
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
    }


@dataclass(frozen=True)
class Read:
    """A dataset or a model that a run reads."""

    # What the run says: the id of a version of a dataset, or `name:version` of a model. It may be gone since.
    said: str
    is_data: bool
    dataset: DatasetVersion | None = None
    model: ModelVersion | None = None
    # The name that the step or its script gave it, if it gave one.
    label: str = ""
    reader: UUID | None = None

    def as_document(self) -> dict[str, Any]:
        named = (self.dataset and self.dataset.dataset) or (self.model and self.model.model)
        found = self.dataset or self.model
        return {
            "kind": "dataset" if self.is_data else "model",
            "id": self.said,
            "name": named.name if named else None,
            "version": found.version if found and named else None,
            "input": self.label or None,
            "run": str(self.reader) if self.reader else None,
            "is_there": found is not None,
        }


def inputs_of(run: Run) -> list[Read]:
    """What a run reads: of a step what its graph, its parameters and its script name, of a whole run what all its steps do."""
    if hasattr(run, "step"):
        return [*_declared(run), *script_reads(run.workspace_id, run.properties, run.pk)]
    return _of_tree(run) if run.is_root else script_reads(run.workspace_id, run.properties, run.pk)


def _declared(run: Run) -> list[Read]:
    step = parsed(run.graph_id).steps.get(run.step.node_id)
    values = (run.root or run).parameters
    named = {
        each.name: as_uuid(each.dataset if each.parameter is None else values.get(each.parameter))
        for each in (step.inputs if step else ())
    }
    data = _data(run.workspace_id, named.values())
    return [
        Read(str(key), True, dataset=data.get(key), label=label, reader=run.pk) for label, key in named.items() if key
    ]


def _of_tree(root: Run) -> list[Read]:
    uses = list(DataUse.objects.filter(root=root).order_by("id"))
    data = _data(root.workspace_id, [each.dataset_version_id for each in uses])
    found = [
        Read(str(use.dataset_version_id), True, dataset=data.get(use.dataset_version_id), reader=use.run_id)
        for use in uses
    ]
    copies = list(ModelUse.objects.filter(run__root=root).order_by("id"))
    models = _models().in_bulk([each.model_version_id for each in copies]) if copies else {}
    for copy in copies:
        model = models.get(copy.model_version_id)
        said = f"{model.model.name}:{model.version}" if model else str(copy.model_version_id)
        found.append(Read(said, False, model=model, reader=copy.run_id))
    return found


def script_reads(workspace: UUID, properties: Mapping[str, str], reader: UUID | None = None) -> list[Read]:
    """What the script of a run read by itself: a query for datasets, one for models, none where it said nothing."""
    named, wanted = data_in(properties), models_in(properties)
    data = _data(workspace, named)
    models = versions_of(workspace, wanted) if wanted else {}
    return [
        *(Read(str(key), True, dataset=data.get(key), label=label, reader=reader) for key, label in named.items()),
        *(Read(f"{name}:{n}", False, model=models.get((name, n)), reader=reader) for name, n in wanted),
    ]


def _data(workspace: UUID, versions: Iterable[UUID | None]) -> dict[UUID, DatasetVersion]:
    keys = [key for key in versions if key is not None]
    rows = DatasetVersion.objects.filter(workspace=workspace).select_related("dataset").defer("definition", "profile")
    return rows.in_bulk(keys) if keys else {}


def _models() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.select_related("model").defer("files")


def data_in(properties: Mapping[str, str]) -> dict[UUID, str]:
    """The versions of datasets that properties name, each with the name that the script gave it, if it gave one."""
    found = ((as_uuid(properties[key]), key) for start in NAMED for key in sorted(properties) if key.startswith(start))
    given = status.INPUT_DATASET
    return {
        version: key.removeprefix(given) if key.startswith(given) else ""
        for version, key in found
        if version is not None
    }


def models_in(properties: Mapping[str, str]) -> list[tuple[str, int]]:
    """The versions of models that properties name, by name and number."""
    keys = sorted(key for key in properties if key.startswith(status.READ_MODEL))
    values = [properties[key].rpartition(":") for key in keys]
    return [(name, int(number)) for name, _, number in values if number.isdecimal() and len(number) < 9]


def versions_of(workspace: UUID, named: Iterable[tuple[str, int]]) -> dict[tuple[str, int], ModelVersion]:
    """Those of these versions that the workspace has, by name and number."""
    wanted = Q(pk__in=[])
    for name, number in named:
        wanted |= Q(model__name=name, version=number)
    rows = _models().filter(wanted, model__workspace=workspace)
    return {(row.model.name, row.version): row for row in rows}
