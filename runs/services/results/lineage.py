"""The datasets and models that a step's script names or reads, beside the data that its graph has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from uuid import UUID

from core import outbox
from datasets.models import DatasetVersion
from runs.models import Attempt, DataUse, ModelUse, Run, StepRun
from runs.queries.uses import data_in, models_in, versions_of


def note_named(run: Run, properties: Mapping[str, str]) -> None:
    """The run reads what its properties name; what is no version of its workspace is no use of one.

    A version of a dataset that the root is known to read already stays with the step that was noted first.
    """
    data, models = data_in(properties), models_in(properties)
    if not data and not models:
        return
    reader = _reader(run)
    roots = Run.objects.select_related("workspace").only("id", "workspace__name")
    root = roots.get(pk=reader.root_id or reader.pk)
    if data:
        there = DatasetVersion.objects.filter(workspace=root.workspace_id, pk__in=data).values_list("pk", flat=True)
        _note(root, reader, there)
    if models:
        kept = versions_of(root.workspace_id, models).values()
        copies = [ModelUse(run_id=reader.pk, model_version_id=each.pk) for each in kept]
        ModelUse.objects.bulk_create(copies, ignore_conflicts=True)
        tell(root.workspace.name, (copy.model_version_id for copy in copies))


def note_read(run: Run, versions: Iterable[UUID]) -> None:
    """The run reads these versions of datasets of its workspace."""
    reader = _reader(run)
    _note(
        Run.objects.select_related("workspace").only("id", "workspace__name").get(pk=reader.root_id or reader.pk),
        reader,
        versions,
    )


def _note(root: Run, reader: Run, versions: Iterable[UUID]) -> None:
    uses = [DataUse(root=root, run_id=reader.pk, dataset_version_id=key) for key in versions]
    DataUse.objects.bulk_create(uses, ignore_conflicts=True)
    tell(root.workspace.name, (use.dataset_version_id for use in uses))


def tell(workspace: str, used: Iterable[UUID | None]) -> None:
    """Pages that list who uses these things look again once the transaction holds (topic `uses:<workspace>:<id>`)."""
    for key in {key for key in used if key is not None}:
        outbox.hint(f"uses:{workspace}:{key}")


def tell_of(root: Run) -> None:
    """The same of all that a run uses: it is deleted, or has another name."""
    steps = StepRun.objects.filter(run__root=root)
    tell(
        root.workspace.name,
        chain(
            [root.published_pipeline_id],
            DataUse.objects.filter(root=root).values_list("dataset_version_id", flat=True),
            ModelUse.objects.filter(run__root=root).values_list("model_version_id", flat=True).distinct(),
            steps.values_list("environment_version_id", flat=True).distinct(),
            steps.values_list("compute_target_id", flat=True).distinct(),
            Attempt.objects.filter(run__root=root).values_list("host_id", flat=True).distinct(),
        ),
    )


def _reader(run: Run) -> Run:
    """The run that pages show: of a child that a program opened, what is above it."""
    while run.kind == Run.Kind.CHILD and run.parent_id not in (None, run.pk):
        run = Run.objects.only("id", "root_id", "parent_id", "kind").get(pk=run.parent_id)
    return run
