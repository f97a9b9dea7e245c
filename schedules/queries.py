"""Reading schedules and their ticks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core.clock import iso, now
from core.errors import NotFound
from core.ids import as_key
from duto.spec.secrets import hidden
from pipelines.models import PipelineEndpoint, PublishedPipeline
from schedules import stored_messages, timetable, triggers
from schedules.models import Schedule, Tick
from workspaces.models import Workspace

RELATED = ("workspace", "created_by", "pipeline", "endpoint")


def schedules_in(
    workspace: Workspace, *, status: str = "", pipeline: object = None, endpoint: object = None
) -> QuerySet[Schedule]:
    """The schedules of a workspace, of this status, pipeline or endpoint where one is said."""
    found = Schedule.objects.filter(workspace=workspace).select_related(*RELATED).defer("pipeline__graph", "seen")
    found = found.filter(status=status) if status else found
    found = found.filter(pipeline=as_key(pipeline)) if pipeline else found
    return found.filter(endpoint=as_key(endpoint)) if endpoint else found


def schedule(workspace: Workspace, schedule_id: object) -> Schedule:
    """A schedule by its id. Raises NotFound."""
    found = schedules_in(workspace).filter(pk=as_key(schedule_id)).first()
    if found is None:
        raise NotFound(
            _("There is no schedule %(schedule_id)s in workspace '%(workspace)s'.")
            % {"schedule_id": schedule_id, "workspace": workspace.name}
        )
    return found


def trigger_names(schedules: Iterable[Schedule]) -> dict[str, str]:
    """The names of the pipelines and endpoints that these wait for, by the key of the trigger."""
    keys = {each.trigger_key for each in schedules}
    found: dict[str, str] = {}
    for kind, table in ((triggers.PIPELINE, PublishedPipeline), (triggers.ENDPOINT, PipelineEndpoint)):
        ids = [as_key(key.partition(":")[2]) for key in keys if key.startswith(f"{kind}:")]
        rows: QuerySet[Any] = table._default_manager.filter(pk__in=ids) if ids else table._default_manager.none()
        found |= {f"{kind}:{key}": name for key, name in rows.values_list("pk", "name")}
    return found


def ticks_of(found: Schedule) -> QuerySet[Tick]:
    rows = Tick.objects.filter(schedule=found).select_related("run__experiment", "run__submitted_by", "run__step")
    return rows.defer("run__graph")


def upcoming(found: Schedule, count: int = 5) -> list[datetime]:
    """When it is due next, so many times; none of a disabled one, and none after its end."""
    if found.next_at is None:
        return []
    table = timetable.read(found.timetable)
    times = [found.next_at, *timetable.upcoming(table, max(found.next_at, now()), found.created_at, count - 1)]
    return [each for each in times if found.end_at is None or each <= found.end_at]


def document(found: Schedule) -> dict[str, Any]:
    """A schedule as REST shows it."""
    return {
        "id": str(found.pk),
        "name": found.name,
        "description": found.description,
        "status": found.status,
        "pause_reason": found.localized_pause_reason,
        "pipeline_id": str(found.pipeline_id) if found.pipeline_id else None,
        "endpoint_id": str(found.endpoint_id) if found.endpoint_id else None,
        "experiment_name": found.experiment_name,
        "parameters": hidden(found.parameters),
        "continue_on_step_failure": found.continue_on_step_failure,
        "timetable": found.timetable,
        "watch": found.watch,
        "trigger": found.trigger,
        "values": found.values,
        "watch_error": found.localized_watch_error,
        "overlap": found.overlap,
        "catch_up": found.catch_up,
        "jitter": found.jitter,
        "end_at": iso(found.end_at),
        "max_runs": found.max_runs,
        "run_count": found.run_count,
        "next_at": iso(found.next_at),
        "upcoming": [iso(each) for each in upcoming(found)],
        "url": f"{settings.DUTO.url}/w/{found.workspace.name}/schedules/{found.pk}/",
        "created_by": found.created_by.get_username() if found.created_by else None,
        "created_at": iso(found.created_at),
    }


def tick_document(found: Tick) -> dict[str, Any]:
    """A tick as REST shows it."""
    return {
        "id": str(found.pk),
        "due_at": iso(found.due_at),
        "status": found.status,
        "settled_at": iso(found.settled_at),
        "late_by": late_by(found),
        "reason": stored_messages.localized(found.reason),
        "cause": found.cause,
        "run_id": str(found.run_id) if found.run_id else None,
    }


def late_by(found: Tick) -> float | None:
    """Seconds from the time that was due to the run; None where there is none."""
    if found.status != Tick.Status.FIRED or found.settled_at is None:
        return None
    return round((found.settled_at - found.due_at).total_seconds(), 3)
