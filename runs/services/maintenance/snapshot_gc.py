"""Code that no run, no module, no published pipeline and no draft names any more: its snapshots, and the blobs that only they had."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from core.storage import artifact_store
from pipelines.models import ModuleVersion, PipelineDraft, PublishedPipeline
from runs.models import Snapshot, StepRun
from workspaces.models import Workspace

# A program uploads blobs first, then names them in a snapshot, then in a run.
GRACE = timedelta(days=1)
BLOBS = "blobs"


def sweep(workspace: Workspace, moment: datetime) -> int:
    """Remove what nothing names and is older than a day; how many blobs went.

    Here the rows go first: a snapshot without its blobs would be a promise that is not kept, while a blob without a
    snapshot is found again by the next sweep. Whoever asks for a blob makes it new (`Root.touch`).
    """
    old = moment - GRACE
    named = set(_named(workspace))
    rows = Snapshot.objects.filter(workspace=workspace)
    lost = [row.pk for row in rows.filter(created_at__lt=old).only("id", "digest") if row.digest not in named]
    rows.filter(pk__in=lost).delete()
    kept = {file["digest"] for files in rows.values_list("files", flat=True).iterator() for file in files}
    store = artifact_store(workspace.pk)
    count = 0
    for blob in list(store.walk(BLOBS)):
        is_named = blob.path.rsplit("/", 1)[-1] in kept
        # Looked at again in the last moment: it may have been asked for since the walk.
        if not is_named and blob.modified < old.timestamp() and store.modified(blob.path) < old.timestamp():
            store.remove(blob.path)
            count += 1
    return count


def _named(workspace: Workspace) -> Iterator[str]:
    steps = StepRun.objects.filter(workspace=workspace).exclude(snapshot_digest="")
    yield from steps.order_by().values_list("snapshot_digest", flat=True).distinct()
    yield from ModuleVersion.objects.filter(module__workspace=workspace).values_list("snapshot_digest", flat=True)
    for kind in (PublishedPipeline, PipelineDraft):
        for graph in kind._default_manager.filter(workspace=workspace).values_list("graph", flat=True).iterator():
            yield from (step.get("snapshot") or "" for step in (graph or {}).get("steps", []))
