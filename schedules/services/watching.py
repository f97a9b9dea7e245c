"""Looks at the datastores that schedules watch."""

from __future__ import annotations

from uuid import UUID

from core.errors import StudioError
from datasets.services.datastores import datastore
from datasets.stores import root_of
from schedules import changes
from schedules.models import Schedule
from workspaces.models import Workspace


def look(key: UUID) -> tuple[dict[str, list[float]] | None, str]:
    """The files that a schedule watches, as they are now; None where it watches none, or why they cannot be seen."""
    schedule = Schedule.objects.select_related("workspace").only("watch", "workspace").filter(pk=key).first()
    if schedule is None or schedule.watch is None:
        return None, ""
    try:
        return files_of(schedule.workspace, changes.read(schedule.watch)), ""
    except (OSError, StudioError) as error:
        return None, str(error)


def files_of(workspace: Workspace, watch: changes.Watch) -> dict[str, list[float]]:
    """The files of a folder. Raises NotFound for a datastore that is not there, OSError for one that is away."""
    return changes.listing(watch, root_of(datastore(workspace, watch.datastore)).walk(watch.path))
