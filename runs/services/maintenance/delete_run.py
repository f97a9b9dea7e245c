"""Delete a run with all that it kept: data first, rows after, so that a crash in between can be repeated."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

from django.db.models import F, Q
from django.utils.translation import gettext as _

from core import outbox, slices, spools
from core.clock import now
from core.errors import Conflict, Invalid
from core.storage import artifact_store
from core.work import later
from runs.models import (
    Artifact,
    Attempt,
    DataUse,
    MetricDescription,
    MetricPoint,
    ModelUse,
    Output,
    Run,
    StepRun,
    log_names,
)
from runs.queries.deletion import Preview
from runs.queries.deletion import preview as preview_of
from runs.queries.ledgers import ledger_of
from runs.queries.logs import sealed_key
from runs.queries.usage import samples_of
from runs.services.orchestration.run_transaction import run_transaction
from runs.services.results import kept_outputs, lineage
from runs.services.results.output_removal import OutputRemoval
from workspaces.access import WorkspaceContext, require_run
from workspaces.models import ApiToken, Role, RunMade
from workspaces.services import audit

# A submit signs with each slice. One that did not for so long has died on its way.
SILENT_SUBMIT = timedelta(minutes=3)
# So many runs are removed by one look of the ticker.
MOST = 10
# A run that waits for a store is tried again after so many seconds, so that it takes no other's turn.
PAUSE_S = 600.0
_waiting: dict[UUID, float] = {}


def preview(context: WorkspaceContext, run: Run) -> Preview:
    """What deleting would free and break."""
    return preview_of(run)


def delete(context: WorkspaceContext, run: Run) -> None:
    """Delete a root run that is over. Raises Conflict while it is not, Invalid for a step.

    From here on nobody sees it. A large one is removed by a worker, slice by slice.
    """
    context.require(Role.CONTRIBUTOR)
    require_run(context, run)
    if not run.is_root:
        raise Invalid(_("Delete the run that this step belongs to."))
    _hide(context, run)
    if Run.objects.filter(root=run).count() > slices.SLICE:
        later("runs.remove", root_id=str(run.pk))
    else:
        finish(run.pk)


def _hide(context: WorkspaceContext, run: Run) -> None:
    with run_transaction(run.pk) as root:
        if not root.is_final:
            raise Conflict(_("The run is not over yet. Cancel it first, or wait for its end."), code="still_running")
        ApiToken.objects.filter(root_run_id=run.pk).delete()
        RunMade.objects.filter(root_run_id=run.pk).delete()
        audit.note(
            context, "run.delete", str(run.pk), number=run.number, experiment=run.experiment.name, name=run.display_name
        )
        lineage.tell_of(root)
        Run.objects.filter(pk=run.pk).update(parent=run.pk)
        outbox.gone(run.topic, run.topic)
        outbox.hint(f"list:{context.workspace.name}:runs")


def remove_hidden() -> int:
    """Remove what was being deleted, and submits that died on their way, where nobody does; how many runs."""
    hidden = Run.objects.filter(parent=F("id"))
    # Given up in one statement: whoever signs after it is told, and whoever signed before it goes on.
    open_ones = hidden.filter(cancel_requested_at__isnull=True).exclude(status__in=Run.ENDS)
    open_ones.filter(created_at__lt=now() - SILENT_SUBMIT).update(cancel_requested_at=now())
    left_behind = Q(status__in=Run.ENDS) | Q(cancel_requested_at__isnull=False)
    since = time.monotonic() - PAUSE_S
    for key in [key for key, tried in _waiting.items() if tried < since]:
        del _waiting[key]
    found = list(hidden.filter(left_behind).exclude(pk__in=_waiting).values_list("id", flat=True)[:MOST])
    removal = OutputRemoval()
    return sum(finish(key, removal) for key in found)


def finish(root_id: UUID, removal: OutputRemoval | None = None) -> bool:
    """Remove a hidden run: its results are nobody's source any more, then the data go, then the rows. May be repeated.

    Whether it is gone: where a store with files of it does not answer it waits, hidden, until that does or is unregistered.
    """
    run = Run.objects.filter(pk=root_id, parent=root_id).select_related("workspace").defer("graph").first()
    if run is None:
        return True
    _close(run)
    outputs = Output.objects.filter(run__root=run).select_related("run").defer("run__graph").iterator()
    if (removal or OutputRemoval()).remove(run.workspace, outputs)[1]:
        _waiting[root_id] = time.monotonic()
        return False
    _remove_files(run)
    _remove_rows(run)
    return True


def _close(run: Run) -> None:
    keys = list(StepRun.objects.filter(run__root=run, is_source=True).values_list("pk", flat=True))
    for part in slices.of(keys):
        with slices.writing():
            StepRun.objects.filter(pk__in=part).update(is_source=False)


def _remove_files(run: Run) -> None:
    store = artifact_store(run.workspace_id)
    ids: list[UUID] = list(Run.objects.filter(root=run).values_list("id", flat=True))
    for run_id in ids:
        store.remove(f"artifacts/{run_id}")
    for attempt_id, ranks in Attempt.objects.filter(run__root=run).values_list("id", "rank_count"):
        for kept in (*log_names(attempt_id, ranks), samples_of(attempt_id), ledger_of(attempt_id)):
            spools.remove(kept)
            store.remove(sealed_key(kept))
        store.remove(kept_outputs.key_of(attempt_id))


def _remove_rows(run: Run) -> None:
    """What there may be a million of first; then the runs, the newest first, for children come after their parents."""
    for kind in (MetricPoint, MetricDescription, Artifact, Output):
        slices.delete(kind._default_manager.filter(run__root=run))
    slices.delete(DataUse.objects.filter(root=run))
    slices.delete(ModelUse.objects.filter(run__root=run))
    slices.delete(Run.objects.filter(root=run).exclude(pk=run.pk).order_by("-id"))
    Run.objects.filter(pk=run.pk).delete()
