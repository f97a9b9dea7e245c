"""Remove what a deleted workspace kept: what runs is stopped, then the bytes go, then the rows, slice by slice.

Every step may be repeated, and the last one is the workspace's own row: whoever dies on the way is followed by another.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet

from compute.models import ComputeTarget, Host, HostSample
from core import slices, spools
from core.heartbeats import beat
from core.models import Beat
from core.storage import workspace_roots
from core.work import send
from datasets.models import Dataset, DatasetVersion
from environments.models import Environment, EnvironmentVersion
from pipelines.models import PipelineDraft, PublishedPipeline
from registry.models import ModelVersion, RegisteredModel
from runs.models import Artifact, Attempt, Experiment, MetricDescription, MetricPoint, Output, Run, Snapshot, log_names
from runs.queries.ledgers import ledger_of
from runs.queries.usage import samples_of
from runs.services.maintenance import host_removal
from runs.services.orchestration import cancel
from workspaces.models import AuditEntry, RunMade, Workspace
from workspaces.services.removal import TASK

BY = "the studio, since its workspace was deleted"
# One look cancels so many runs; the next one goes on.
AT_ONCE = 50
# Whoever works on a workspace says so between two slices; after this silence another goes on.
SILENCE = timedelta(minutes=5)


def resume_deletions() -> None:
    """Deleted workspaces that are still there: the wake-up was lost, something still ran, or a worker died."""
    for key in Workspace.objects.filter(deleted_at__isnull=False).values_list("id", flat=True)[:AT_ONCE]:
        send(TASK, workspace_id=str(key))


def finish(workspace_id: UUID) -> bool:
    """Remove a deleted workspace as far as that goes now; whether it is gone."""
    workspace = Workspace.objects.filter(pk=workspace_id, deleted_at__isnull=False).first()
    if workspace is None:
        return True
    if not _mine(workspace_id):
        return False
    if not _stopped(workspace):
        # Nobody works on it until the next look, which another worker or thread may take.
        _let_go(workspace_id)
        return False
    for root in workspace_roots(workspace_id):
        root.remove("")
    _remove_open_logs(workspace)
    for rows in _rows(workspace):
        # In slices, with a word between them, so that nobody takes this worker for dead.
        while some := list(rows.values_list("pk", flat=True)[: slices.SLICE]):
            with slices.writing():
                rows.model._default_manager.filter(pk__in=some).delete()
            _mine(workspace_id)
            slices.pause()
    # An upload that was under way may have written once more.
    for root in workspace_roots(workspace_id):
        root.remove("")
    workspace.delete()
    _let_go(workspace_id)
    return True


def _stopped(workspace: Workspace) -> bool:
    """Cancel what is not over, and give up what its hosts run: they are detached. Whether all of it has ended."""
    for host in Host.objects.filter(workspace=workspace):
        host_removal.give_up(host)
    live = Run.objects.filter(workspace=workspace, parent__isnull=True).exclude(status__in=Run.ENDS)
    for key in list(live.filter(cancel_requested_at__isnull=True).values_list("id", flat=True)[:AT_ONCE]):
        cancel.cancel_tree(key, BY)
    return not live.exists()


def _remove_open_logs(workspace: Workspace) -> None:
    """What attempts still write to is kept elsewhere than what is sealed."""
    rows = Attempt.objects.filter(run__workspace=workspace).values_list("id", "rank_count")
    for key, ranks in rows.iterator():
        for kept in (*log_names(key, ranks), samples_of(key), ledger_of(key)):
            spools.remove(kept)


def _rows(workspace: Workspace) -> Iterator[QuerySet]:  # type: ignore[type-arg]
    """All that belongs to it, what there may be a million of first, each before what it hangs on."""
    of_run = {"run__workspace": workspace}
    yield MetricPoint.objects.filter(**of_run)
    yield MetricDescription.objects.filter(**of_run)
    yield Artifact.objects.filter(**of_run)
    yield Output.objects.filter(**of_run)
    # The newest first, for children come after their parents.
    yield Run.objects.filter(workspace=workspace).order_by("-id")
    yield ModelVersion.objects.filter(model__workspace=workspace)
    yield HostSample.objects.filter(host__workspace=workspace)
    for kind in (
        DatasetVersion, EnvironmentVersion, Snapshot, Experiment, Dataset, Environment, RegisteredModel,
        PublishedPipeline, PipelineDraft, ComputeTarget, Host, RunMade, AuditEntry,
    ):  # fmt: skip
        yield kind._default_manager.filter(workspace=workspace)


def _mine(workspace_id: UUID) -> bool:
    """Sign for it; False while another works on it."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
    return beat(_lease(workspace_id), owner, silence=SILENCE)


def _let_go(workspace_id: UUID) -> None:
    Beat.objects.filter(pk=_lease(workspace_id)).delete()


def _lease(workspace_id: UUID) -> str:
    return f"remove:{workspace_id}"
