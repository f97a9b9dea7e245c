"""What the apps below borrow from runs: they may not know them, so runs lend the deeds when the studio starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import BinaryIO
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from compute.services import host_maintenance, status, targets
from core.errors import NotFound
from core.ids import as_uuid
from core.storage import artifact_store
from datasets.services import datastores
from environments import services as environments
from pipelines import services as pipelines
from registry import queries as models
from registry import services as registry
from registry.services.models import RunFiles
from runs.models import Artifact, Attempt, Output, Run
from runs.services.maintenance import host_removal, revoked_submitters
from runs.services.orchestration import clusters
from runs.services.scheduling import build_hosts
from runs.services.submission import publish
from workspaces.access import WorkspaceContext, require_run
from workspaces.models import Workspace
from workspaces.services import members, workspaces


def lend() -> None:
    pipelines.publish_with(publish.from_request)
    registry.take_runs_from(artifacts_of)
    models.trees.append(steps_of)
    targets.uses.append(clusters.use_of)
    targets.clearers.append(clusters.clear)
    status.runs_on.append(runs_on_nodes)
    status.waits_for.append(clusters.waiting_for)
    host_maintenance.after_revoke.append(host_removal.give_up)
    environments.on_queued.append(build_hosts.ring)
    datastores.guards.append(keep_off_outputs)
    members.on_narrowed.append(revoked_submitters.stop_later)
    members.counted_ends["open_runs"] = revoked_submitters.open_of
    workspaces.live_counts.append(live_count)


def steps_of(workspace: Workspace, run_id: UUID) -> QuerySet[Run, UUID]:
    """The ids of all runs below one, as a query."""
    return Run.objects.filter(workspace=workspace, root=run_id).values_list("pk", flat=True)


def live_count(workspace: Workspace) -> int:
    """How many of its runs are not over."""
    return Run.objects.filter(workspace=workspace, parent__isnull=True).exclude(status__in=Run.ENDS).count()


def artifacts_of(workspace: Workspace, run_id: UUID, path: str) -> RunFiles:
    """The artifacts at a path of a run: the file, or the folder under its own name. Raises NotFound."""
    run = Run.objects.select_related("experiment").filter(workspace=workspace, pk=run_id).first()
    if run is None:
        raise NotFound(
            _("There is no run %(run_id)s in workspace '%(workspace)s'.")
            % {"run_id": run_id, "workspace": workspace.name}
        )
    rows = list(Artifact.objects.filter(run=run, path=path))
    above = path.rpartition("/")[0]
    rows = rows or list(Artifact.objects.filter(run=run, path__startswith=f"{path}/").order_by("path"))
    if not rows:
        raise NotFound(
            _("The run has no artifact '%(path)s'. Write it below 'outputs/' or upload it first.") % {"path": path},
            code="no_artifact",
        )
    store = artifact_store(workspace.pk)
    files: list[tuple[str, Callable[[], BinaryIO]]] = [
        (row.path[len(above) :].lstrip("/"), partial(store.open, row.key)) for row in rows
    ]
    return RunFiles(files, run.experiment.name)


def keep_off_outputs(context: WorkspaceContext, datastore: str, path: str) -> None:
    """A step writes below outputs of its own tree only: in `azureml/<run>/` as in a place that a program chose.

    Of several runs whose outputs were kept in one place it is the last one's. Raises Forbidden.
    """
    top, _, rest = path.partition("/")
    key = as_uuid(rest.partition("/")[0]) if top == "azureml" else None
    run = Run.objects.only("root_id").filter(workspace=context.workspace, pk=key).first() if key else None
    if run is not None:
        require_run(context, run)
        return
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    kept = Output.objects.filter(run__workspace=context.workspace, datastore=datastore, path__in=above, removed_at=None)
    last = kept.select_related("run").only("run__root_id").order_by("-id").first()
    if last is not None:
        require_run(context, last.run)


def runs_on_nodes(nodes: Sequence[UUID]) -> dict[UUID, UUID]:
    """Which run is on which of these nodes."""
    busy = Attempt.objects.filter(node__in=nodes).exclude(status__in=Attempt.ENDS)
    return dict(busy.values_list("node_id", "run_id"))
