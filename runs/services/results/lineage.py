"""The datasets and models that a step's script names or reads, beside the data that its graph has."""

from __future__ import annotations

from collections.abc import Mapping

from datasets.models import DatasetVersion
from runs.models import DataUse, ModelUse, Run
from runs.queries.uses import data_in, models_in, versions_of


def note_named(run: Run, properties: Mapping[str, str]) -> None:
    """The run reads what its properties name; what is no version of its workspace is no use of one.

    A version of a dataset that the root is known to read already stays with the step that was noted first.
    """
    data, models = data_in(properties), models_in(properties)
    if not data and not models:
        return
    reader = _reader(run)
    root = Run.objects.only("id", "workspace_id").get(pk=reader.root_id or reader.pk)
    if data:
        there = DatasetVersion.objects.filter(workspace=root.workspace_id, pk__in=data).values_list("pk", flat=True)
        uses = [DataUse(root=root, run_id=reader.pk, dataset_version_id=key) for key in there]
        DataUse.objects.bulk_create(uses, ignore_conflicts=True)
    if models:
        kept = versions_of(root.workspace_id, models).values()
        copies = [ModelUse(run_id=reader.pk, model_version_id=each.pk) for each in kept]
        ModelUse.objects.bulk_create(copies, ignore_conflicts=True)


def _reader(run: Run) -> Run:
    """The run that pages show: of a child that a program opened, what is above it."""
    while run.kind == Run.Kind.CHILD and run.parent_id not in (None, run.pk):
        run = Run.objects.only("id", "root_id", "parent_id", "kind").get(pk=run.parent_id)
    return run
