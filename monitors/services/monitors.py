"""Make monitors, change them, enable and disable; and ask for windows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from core import once
from core.clock import now
from core.errors import Conflict, Invalid, NotFound, Unprocessable
from core.work import later
from datasets.models import Dataset, DatasetVersion
from datasets.services.versions import get_version
from duto.spec.selection import timestamps
from monitors import hooks, windows
from monitors.models import Monitor, MonitorWindow
from monitors.queries import zone_of
from monitors.services import measuring
from monitors.services.queueing import MOST_WINDOWS, TASK, notify_pages, write
from pipelines import queries as pipelines
from registry.models import RegisteredModel
from runs.services.submission.experiments import name_from
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.scopes import Act
from workspaces.services import audit, edits

# Later than a month after its end nothing is news.
MOST_LATENCY = 24 * 31
Status = MonitorWindow.Status


def create(context: WorkspaceContext, asked: Mapping[str, Any]) -> Monitor:
    """A new monitor, which looks at nothing by itself until it is enabled.

    Raises Invalid for what cannot be meant, NotFound for datasets and pipelines that are not there, Conflict where the name is taken.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.PUBLISH)
    made = Monitor(workspace=context.workspace, created_by=context.user)
    made.name = str(asked.get("name") or "").strip()
    if not made.name or len(made.name) > 255 or not made.name.isprintable():
        raise Invalid(_("A monitor has a name of 1 to 255 characters, in one line."), code="bad_name")
    made.baseline = _table(context, asked.get("baseline"), _("baseline"))
    made.target = _table(context, asked.get("target"), _("target"))
    made.timestamp_column = _timestamp(made.target, str(asked.get("timestamp_column") or ""))
    made.frequency = str(asked.get("frequency") or "")
    if made.frequency not in Monitor.Frequency.values:
        raise Invalid(_("The frequency is one of Day, Week and Month."), code="bad_frequency")
    made.time_zone = str(asked.get("time_zone") or "UTC")
    zone_of(made)
    made.latency_hours = asked.get("latency_hours") or 0
    if not 0 <= made.latency_hours <= MOST_LATENCY:
        raise Invalid(_("The latency is from 0 to %(most)s hours.") % {"most": MOST_LATENCY}, code="bad_latency")
    _apply(context, made, asked, now())
    try:
        with transaction.atomic():
            made.save(force_insert=True)
            once.settle(made)
            context.made("monitor", made.pk)
            if made.alert_emails:
                hooks.alerts_asked(context, made, made.alert_emails)
            audit.note(context, "monitor.created", str(made.pk), name=made.name)
            notify_pages(made)
    except IntegrityError as error:
        if not Monitor.objects.filter(workspace=context.workspace, name=made.name).exists():
            raise
        text = _("There is a monitor '%(name)s' in this workspace. Give another name, or change that one.")
        raise Conflict(text % {"name": made.name}, code="taken") from error
    return made


@transaction.atomic
def change(
    context: WorkspaceContext, monitor: Monitor, asked: Mapping[str, Any], *, seen: edits.Seen = None
) -> Monitor:
    """Change features, thresholds, what drift starts, and whether it is enabled; what is left out stays. All else stays as it was made:
    windows would not be comparable.

    Raises as `create`, and PreconditionFailed where it is not as it was `seen`.
    """
    context.require(Role.CONTRIBUTOR).require_own("monitor", monitor.pk)
    rows = Monitor.objects.select_for_update(no_key=True, of=("self",)).select_related(
        "workspace", "baseline", "target", "labels"
    )
    locked = rows.get(pk=monitor.pk)
    edits.require_unchanged(seen, state(locked), locked.workspace, locked.pk)
    before, addresses = locked.is_enabled, locked.alert_emails
    locked.created_by = context.user or locked.created_by
    _apply(context, locked, asked, now())
    locked.save()
    if locked.alert_emails != addresses:
        hooks.alerts_asked(context, locked, locked.alert_emails)
    facts = {"enabled": locked.is_enabled} if locked.is_enabled != before else {}
    edits.note(context, "monitor.changed", str(locked.pk), state(locked), name=locked.name, **facts)
    notify_pages(locked)
    return locked


def state(monitor: Monitor) -> dict[str, Any]:
    """All that a change may overwrite, but for whether it is enabled."""
    names = ("description", "features", "threshold", "compute_target", "alert_emails", "experiment_name", "performance")
    found = {name: getattr(monitor, name) for name in names}
    keys = {"pipeline": monitor.pipeline_id, "model": monitor.model_id}
    return {**found, **{name: str(key) if key else None for name, key in keys.items()}}


@transaction.atomic
def delete(context: WorkspaceContext, monitor: Monitor) -> None:
    """Remove it with its windows. Runs that it started stay, and so do the datasets."""
    context.require(Role.CONTRIBUTOR).require_own("monitor", monitor.pk)
    audit.note(context, "monitor.deleted", str(monitor.pk), name=monitor.name)
    notify_pages(monitor)
    monitor.delete()


def backfill(context: WorkspaceContext, monitor: Monitor, start: datetime, end: datetime) -> list[MonitorWindow]:
    """Look at the windows of a span, oldest first; those that have been looked at are looked at again.

    Raises Invalid where it has none that is over, or more than `MOST_WINDOWS`.
    """
    if start >= end:
        raise Invalid(_("The end has to come after the start."), code="bad_window")
    zone = zone_of(monitor)
    found = windows.between(monitor.frequency, zone, start, end, MOST_WINDOWS)
    if len(found) > MOST_WINDOWS:
        text = _("This span has more than %(most)s windows. Ask for a shorter one; the rest afterwards.")
        raise Invalid(text % {"most": MOST_WINDOWS}, code="many_windows")
    moment = now()
    past = [each for each in found if each.end <= moment]
    if not past:
        text = _("No window of this span is over: the first ends at %(end)s.")
        raise Invalid(text % {"end": f"{found[0].end:%Y-%m-%d %H:%M} UTC"}, code="not_over")
    return ask(context, monitor, past)


def run_now(context: WorkspaceContext, monitor: Monitor, at: datetime | None = None) -> MonitorWindow:
    """Look at the window of a moment, which is over or under way: then at what of it is there. Without one, at the last that is over."""
    zone, moment = zone_of(monitor), now()
    window = windows.window_of(monitor.frequency, zone, at or moment)
    if at is None:
        window = windows.window_of(monitor.frequency, zone, window.start - timedelta(seconds=1))
    if window.start > moment:
        raise Invalid(_("This window has not begun."), code="not_over")
    return ask(context, monitor, [window])[0]


@transaction.atomic
def ask(context: WorkspaceContext, monitor: Monitor, asked: list[windows.Window]) -> list[MonitorWindow]:
    """Have these windows looked at; what is queued or being looked at already stays so."""
    context.require(Role.CONTRIBUTOR).require_act(Act.SUBMIT)
    Monitor.objects.select_for_update(no_key=True).only("pk").get(pk=monitor.pk)
    write(monitor, asked)
    starts = [each.start for each in asked]
    rows = MonitorWindow.objects.select_for_update(no_key=True, of=("self",)).select_related("monitor__workspace")
    found = list(rows.filter(monitor=monitor, start_at__in=starts).order_by("start_at"))
    for each in found:
        if each.status in MonitorWindow.ENDS:
            each.move(Status.QUEUED, tries=0, lease_until=None)
        elif each.status == Status.QUEUED and each.resumes:
            MonitorWindow.objects.filter(pk=each.pk, status=Status.QUEUED).update(resumes="")
    audit.note(context, "monitor.ran", str(monitor.pk), name=monitor.name, count=len(found))
    later(TASK)
    notify_pages(monitor)
    return found


def _apply(context: WorkspaceContext, monitor: Monitor, asked: Mapping[str, Any], moment: datetime) -> None:
    for name in ("description", "compute_target"):
        if asked.get(name) is not None:
            setattr(monitor, name, str(asked[name]))
    if "features" in asked:
        monitor.features = _features(monitor, asked["features"])
    if asked.get("threshold") is not None:
        monitor.threshold = float(asked["threshold"])
    if not 0 < monitor.threshold <= 1:
        raise Invalid(_("The threshold is above 0 and at most 1, which is a magnitude of 100 %."), code="bad_threshold")
    if asked.get("alert_emails") is not None:
        monitor.alert_emails = [str(each) for each in asked["alert_emails"]]
    if "pipeline" in asked:
        monitor.pipeline = pipelines.one(monitor.workspace, asked["pipeline"]) if asked["pipeline"] else None
    if asked.get("experiment_name") is not None:
        monitor.experiment_name = name_from(str(asked["experiment_name"])) if asked["experiment_name"] else ""
    if "model" in asked:
        monitor.model = _model(monitor, str(asked["model"] or ""))
    _apply_performance(context, monitor, asked)
    if asked.get("is_enabled") is not None and asked["is_enabled"] != monitor.is_enabled:
        monitor.is_enabled = bool(asked["is_enabled"])
        monitor.next_start = monitor.next_at = None
        if monitor.is_enabled:
            window = windows.window_of(monitor.frequency, zone_of(monitor), moment)
            monitor.next_start = window.start
            monitor.next_at = window.end + timedelta(hours=monitor.latency_hours)


def _model(monitor: Monitor, name: str) -> RegisteredModel | None:
    """Raises NotFound."""
    if not name:
        return None
    found = RegisteredModel.objects.filter(workspace=monitor.workspace, name=name).first()
    if found is None:
        text = _("There is no model '%(name)s' in workspace '%(workspace)s'.")
        raise NotFound(text % {"name": name[:255], "workspace": monitor.workspace.name}, code="unknown_model")
    return found


def _apply_performance(context: WorkspaceContext, monitor: Monitor, asked: Mapping[str, Any]) -> None:
    """How its model is measured, where that is asked for; once measured it stays so."""
    if "performance" not in asked:
        return
    given = asked["performance"]
    if given is None:
        if monitor.performance is not None:
            text = _(
                "What a model is measured by cannot be taken away. Take its threshold away, or delete the monitor."
            )
            raise Invalid(text, code="bad_performance")
        return
    labels = _table(context, given["labels"], _("dataset of labels")) if given.get("labels") else None
    measuring.configured(monitor, given, labels)


def _table(context: WorkspaceContext, key: Any, which: str) -> DatasetVersion:
    """A version of a dataset that is a table. Raises Invalid, NotFound, Unprocessable."""
    if not key:
        raise Invalid(_("Say which dataset is the %(which)s.") % {"which": which}, code="no_dataset")
    found = get_version(context.workspace, key)
    if found.kind != Dataset.Kind.TABULAR:
        text = _("The %(which)s is a dataset of files. Only tables can be compared: register it as one.")
        raise Unprocessable(text % {"which": which}, code="not_tabular")
    return found


def _timestamp(target: DatasetVersion, given: str) -> str:
    """The column by which rows are in windows. Raises Invalid, Unprocessable."""
    name = given or timestamps(target.definition.get("operations") or [])[0] or ""
    if not name:
        text = _(
            "The target names no column of times. Name one here, or with `with_timestamp_columns` when it is registered."
        )
        raise Invalid(text, code="no_timestamp")
    kinds = columns_of(target)
    if kinds and name not in kinds:
        text = _("The target has no column '%(name)s'. It has: %(there)s.")
        raise Unprocessable(text % {"name": name, "there": ", ".join(list(kinds)[:50])}, code="no_timestamp")
    if kinds and kinds[name] != "datetime":
        text = _(
            "The column '%(name)s' of the target holds no times, but %(type)s. Register the dataset with its type datetime."
        )
        raise Unprocessable(text % {"name": name, "type": kinds[name]}, code="no_timestamp")
    return name


def _features(monitor: Monitor, given: Any) -> list[str] | None:
    """Names of columns that the baseline has, each once; None for all. Raises Invalid."""
    if given is None:
        return None
    names = list(dict.fromkeys(str(each) for each in given))
    kinds = columns_of(monitor.baseline)
    if missing := [each for each in names if kinds and each not in kinds]:
        text = _("The baseline has no column '%(name)s'. It has: %(there)s.")
        raise Invalid(text % {"name": missing[0], "there": ", ".join(list(kinds)[:50])}, code="bad_features")
    if monitor.timestamp_column in names:
        text = _("The column of times, '%(name)s', parts the rows into windows and cannot be compared.")
        raise Invalid(text % {"name": monitor.timestamp_column}, code="bad_features")
    if not names:
        raise Invalid(_("Name at least one column, or none at all: then all are compared."), code="bad_features")
    return names


def columns_of(version: DatasetVersion) -> dict[str, str]:
    """The columns of a table by name and type; none where they are not known yet."""
    return {each["name"]: each["type"] for each in (version.profile or {}).get("columns") or ()}
