"""Delete a run with all that it kept: data first, rows after, so that a crash in between can be repeated."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from core import journal
from core.errors import Conflict, Invalid, StudioError
from core.storage import artifact_store
from datasets import services as datasets
from runs.models import Attempt, Output, Run, StepRun
from runs.queries.deletion import Preview
from runs.queries.deletion import preview as preview_of
from runs.queries.logs import open_path, sealed_key
from runs.queries.usage import samples_of
from runs.services.changes import changing
from runs.services.kept import keys_to_remove
from workspaces.access import Room, require_run
from workspaces.models import ApiToken, Role, RunMade
from workspaces.services import audit


def preview(room: Room, run: Run) -> Preview:
    """What deleting would free and break."""
    return preview_of(run)


def delete(room: Room, run: Run) -> None:
    """Delete a root run that is over. Raises Conflict while it is not, Invalid for a step."""
    room.require(Role.CONTRIBUTOR)
    require_run(room, run)
    if not run.is_root:
        raise Invalid(_("Delete the run that this step belongs to."))
    _close(run)
    _remove_outputs(run)
    _remove_files(run)
    _remove_rows(room, run)


def _close(run: Run) -> None:
    """From here on nobody reuses it, whatever happens next."""
    with changing(run.pk) as root:
        if not root.is_final:
            raise Conflict(_("The run is not over yet. Cancel it first, or wait for its end."), code="still_running")
        StepRun.objects.filter(run__root=root).update(is_source=False)


def _remove_outputs(run: Run) -> None:
    for output in Output.objects.filter(run__root=run).select_related("run").defer("run__graph").iterator():
        try:
            root = datasets.root_by_name(run.workspace, output.datastore)
        except StudioError:
            continue  # the datastore is gone, and its files with it
        for key in keys_to_remove(output, root):
            root.remove(key)


def _remove_files(run: Run) -> None:
    store = artifact_store(run.workspace_id)
    ids: list[UUID] = list(Run.objects.filter(root=run).values_list("id", flat=True))
    for run_id in ids:
        store.remove(f"artifacts/{run_id}")
    for attempt_id in Attempt.objects.filter(run__root=run).values_list("id", flat=True):
        for kept in (str(attempt_id), samples_of(attempt_id)):
            open_path(kept).unlink(missing_ok=True)
            store.remove(sealed_key(kept))


@transaction.atomic
def _remove_rows(room: Room, run: Run) -> None:
    ApiToken.objects.filter(root_run_id=run.pk).delete()
    RunMade.objects.filter(root_run_id=run.pk).delete()
    audit.note(
        room, "run.delete", str(run.pk), number=run.number, experiment=run.experiment.name, name=run.display_name
    )
    Run.objects.filter(pk=run.pk).delete()
    journal.hint(f"list:{room.workspace.name}:runs")
