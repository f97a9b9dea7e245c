"""The datasets that a step's script names or reads, beside those that its graph has."""

from __future__ import annotations

from collections.abc import Mapping

from core.ids import as_uuid
from datasets.models import DatasetVersion
from duto.spec import status
from runs.models import DataUse, Run

NAMED = (status.INPUT_DATASET, status.READ_DATASET)


def note_named(run: Run, properties: Mapping[str, str]) -> None:
    """The run reads what its properties name; what is no version of its workspace is no use of one.

    A version that the root is known to read already stays with the step that was noted first.
    """
    named = [as_uuid(value) for key, value in properties.items() if key.startswith(NAMED)]
    wanted = [key for key in named if key is not None]
    if not wanted:
        return
    root = Run.objects.only("id", "workspace_id").get(pk=run.root_id or run.pk)
    there = DatasetVersion.objects.filter(workspace=root.workspace_id, pk__in=wanted).values_list("pk", flat=True)
    uses = [DataUse(root=root, run_id=run.pk, dataset_version_id=key) for key in there]
    DataUse.objects.bulk_create(uses, ignore_conflicts=True)
