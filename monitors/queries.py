"""Reading monitors and their windows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from core.clock import iso
from core.errors import Invalid, NotFound
from core.ids import as_key
from datasets.models import DatasetVersion
from monitors import stored_messages
from monitors.models import Monitor, MonitorWindow
from pipelines.models import PipelineEndpointVersion
from schedules import timetable
from workspaces.models import Workspace

RELATED = ("workspace", "created_by", "baseline__dataset", "target__dataset", "labels__dataset", "pipeline", "model")


def zone_of(monitor: Monitor) -> ZoneInfo:
    """The zone of its windows. Raises Invalid for one that there is not."""
    found = timetable.zone_of(monitor.time_zone)
    if found is None:
        text = _("There is no time zone '%(name)s'. Names are those of IANA, such as 'Europe/Lisbon', or of Windows.")
        raise Invalid(text % {"name": monitor.time_zone[:80]}, code="bad_zone")
    return found


def monitors_in(
    workspace: Workspace, *, name: str = "", baseline: object = None, target: object = None
) -> QuerySet[Monitor]:
    """The monitors of a workspace: of this name, or of these versions of datasets, where one is said."""
    found = Monitor.objects.filter(workspace=workspace).select_related(*RELATED).defer("pipeline__graph")
    found = found.filter(name=name) if name else found
    found = found.filter(baseline=as_key(baseline)) if baseline else found
    return found.filter(target=as_key(target)) if target else found


def monitors_of_dataset(workspace: Workspace, name: str) -> QuerySet[Monitor]:
    """The monitors that read a version of this dataset, as target, baseline or labels."""
    versions = DatasetVersion.objects.filter(dataset__workspace=workspace, dataset__name=name).values("pk")
    read = Q(target__in=versions) | Q(baseline__in=versions) | Q(labels__in=versions)
    return monitors_in(workspace).filter(read)


def monitors_of_model(workspace: Workspace, name: str) -> QuerySet[Monitor]:
    """The monitors that name this model."""
    return monitors_in(workspace).filter(model__workspace=workspace, model__name=name)


def monitors_of_endpoint(workspace: Workspace, key: object) -> QuerySet[Monitor]:
    """The monitors that run a pipeline which is a version of this endpoint."""
    versions = PipelineEndpointVersion.objects.filter(endpoint__workspace=workspace, endpoint=as_key(key))
    return monitors_in(workspace).filter(pipeline__in=versions.values("pipeline"))


def monitor(workspace: Workspace, key: object) -> Monitor:
    """A monitor by its id. Raises NotFound."""
    found = monitors_in(workspace).filter(pk=as_key(key)).first()
    if found is None:
        text = _("There is no monitor %(id)s in workspace '%(workspace)s'.")
        raise NotFound(text % {"id": key, "workspace": workspace.name})
    return found


def windows_of(found: Monitor, start: datetime | None = None, end: datetime | None = None) -> QuerySet[MonitorWindow]:
    """Its windows, of those that lie at least in part in a span where one is said; without the measures of their features."""
    rows = (
        MonitorWindow.objects.filter(monitor=found)
        .select_related("run", "target", "monitor")
        .defer("features", "run__graph")
    )
    rows = rows.filter(end_at__gt=start) if start is not None else rows
    return rows.filter(start_at__lt=end) if end is not None else rows


def window(found: Monitor, key: object) -> MonitorWindow:
    """A window by its id, with all that was found. Raises NotFound."""
    rows = MonitorWindow.objects.filter(monitor=found).select_related("run__experiment", "target__dataset", "monitor")
    row = rows.defer("run__graph").filter(pk=as_key(key)).first()
    if row is None:
        raise NotFound(_("The monitor '%(name)s' has no window %(id)s.") % {"name": found.name, "id": key})
    return row


def last_windows(monitors: Sequence[Monitor]) -> dict[UUID, MonitorWindow]:
    """The last window of each of these that has ended; one query."""
    last = MonitorWindow.objects.filter(monitor=OuterRef("monitor"), status__in=MonitorWindow.ENDS).order_by(
        "-start_at"
    )
    rows = MonitorWindow.objects.filter(monitor__in=monitors, pk=Subquery(last.values("pk")[:1]))
    return {each.monitor_id: each for each in rows.select_related("monitor").defer("features", "excluded")}


def document(found: Monitor) -> dict[str, Any]:
    """A monitor as REST shows it."""
    return {
        "id": str(found.pk),
        "name": found.name,
        "description": found.description,
        "baseline": str(found.baseline_id),
        "target": str(found.target_id),
        "timestamp_column": found.timestamp_column,
        "features": found.features,
        "frequency": found.frequency,
        "time_zone": found.time_zone,
        "latency_hours": found.latency_hours,
        "threshold": found.threshold,
        "model": found.model.name if found.model else None,
        "performance": None if found.performance is None else {"labels": str(found.labels_id), **found.performance},
        "is_enabled": found.is_enabled,
        "compute_target": found.compute_target,
        "alert_emails": found.alert_emails,
        "pipeline": str(found.pipeline_id) if found.pipeline_id else None,
        "experiment_name": found.experiment_name,
        "next_start": iso(found.next_start),
        "next_at": iso(found.next_at),
        "url": f"{settings.DUTO.url}/w/{found.workspace.name}/monitors/{found.pk}/",
        "created_by": found.created_by.get_username() if found.created_by else None,
        "created_at": iso(found.created_at),
    }


def window_document(found: MonitorWindow, *, is_whole: bool = False) -> dict[str, Any]:
    """A window as REST shows it; `is_whole`: with the measures of its features."""
    shown = {
        "id": str(found.pk),
        "start": iso(found.start_at),
        "end": iso(found.end_at),
        "start_date": found.start_date.isoformat(),
        "end_date": found.end_date.isoformat(),
        "status": found.status,
        "magnitude": found.magnitude,
        "threshold": found.threshold,
        "has_drifted": found.has_drifted,
        "rows": found.rows,
        "reason": found.localized_reason,
        "target": str(found.target_id) if found.target_id else None,
        "run_id": str(found.run_id) if found.run_id else None,
        "trigger_error": stored_messages.localized(found.trigger_error),
        "performance": performance_document(found),
        "finished_at": iso(found.finished_at),
        "excluded": [
            {"name": each["name"], "code": each["code"], "reason": stored_messages.localized(excluded_of(each))}
            for each in found.excluded
        ],
    }
    return {**shown, "features": found.features} if is_whole else shown


def performance_document(found: MonitorWindow) -> dict[str, Any] | None:
    """How good the model was in a window, as REST shows it; None where nothing was measured."""
    measured = found.performance
    if not measured:
        return None
    names = ("predictions", "labelled", "without_key", "without_prediction")
    notes = {
        name: stored_messages.localized(stored_messages.keep(each["code"], **each["facts"]))
        for name, each in (measured.get("notes") or {}).items()
    }
    return {
        "metrics": measured.get("metrics"),
        "metric": measured.get("metric"),
        "threshold": measured.get("threshold"),
        "has_degraded": measured.get("has_degraded"),
        **{name: measured.get(name) for name in names},
        "notes": notes,
        "reason": stored_messages.localized(measured.get("reason") or {}),
        "labels": measured.get("labels"),
        "measured_at": measured.get("measured_at"),
    }


def excluded_of(each: dict[str, Any]) -> dict[str, Any]:
    """Why a column took no part, as a kept sentence."""
    return stored_messages.keep(each["code"], **each["facts"])
