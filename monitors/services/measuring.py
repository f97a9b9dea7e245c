"""How good the model of a monitor is: what it is measured by, the measuring of a window, and measuring it again as labels come."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from core import slices, words
from core.clock import iso, now
from core.errors import ConcurrentUpdate, Invalid, StudioError, Unprocessable
from datasets import child, tables
from datasets.models import Dataset, DatasetVersion
from datasets.services import files, inspection
from datasets.services.versions import find_version
from duto.spec import canonical
from monitors import stored_messages
from monitors.models import Monitor, MonitorWindow
from monitors.performance import METRICS, REGRESSION, TASKS, Settings
from monitors.services.queueing import awaiting, notify_pages

log = logging.getLogger(__name__)
CHILD = Path(__file__).parent.parent / "performance_child.py"
# Fewer labelled predictions say too little.
LEAST_LABELLED = 50
# How often it is seen whether labels have come.
LOOK_AGAIN = timedelta(minutes=15)
# Windows of which labels are waited for at once are as many as this has days.
MOST_LATENESS = 24 * 93
MOST_KEYS, LONGEST_NAME = 20, 1000
# What was measured so far is only comparable while these are the same.
FIXED = ("task", "keys", "prediction_column", "label_column", "score_column", "positive_class")
Status = MonitorWindow.Status


def configured(monitor: Monitor, asked: Mapping[str, Any], labels: DatasetVersion | None) -> None:
    """Put into the row how its model is measured; of one that has it, what of it may change. `labels`: the table that is asked for.

    Raises Invalid for what cannot be meant.
    """
    before = monitor.performance
    if before is not None:
        changed = [name for name in FIXED if name in asked and asked[name] != before[name]]
        if labels is not None and not _is_same(labels, monitor.labels):
            changed.append("labels")
        if changed:
            text = _("'%(name)s' stays as it was made: windows would not be comparable. Make another monitor.")
            raise Invalid(text % {"name": changed[0]}, code="bad_performance")
    elif labels is None:
        raise Invalid(_("Say which dataset has the labels."), code="bad_performance")
    else:
        monitor.labels = labels
    settings = _settings({**(before or {}), **asked})
    _check_columns(monitor, settings)
    monitor.performance = settings.kept()


def _is_same(labels: DatasetVersion, before: DatasetVersion | None) -> bool:
    """Whether they are the same version, or two of one dataset."""
    assert before is not None
    return labels.pk == before.pk or (labels.dataset_id is not None and labels.dataset_id == before.dataset_id)


def _settings(asked: Mapping[str, Any]) -> Settings:
    task = asked.get("task")
    if task not in TASKS:
        raise Invalid(_("'task' is one of %(values)s.") % {"values": ", ".join(TASKS)}, code="bad_performance")
    keys = tuple(dict.fromkeys(str(each) for each in asked.get("keys") or ()))
    if not keys or len(keys) > MOST_KEYS:
        text = _("Name 1 to %(most)s columns as keys, by which a prediction finds its label.")
        raise Invalid(text % {"most": MOST_KEYS}, code="bad_performance")
    for name in ("prediction_column", "label_column"):
        if not asked.get(name):
            raise Invalid(_("Name the column: '%(name)s'.") % {"name": name}, code="bad_performance")
    score = str(asked.get("score_column") or "")
    positive = str(asked.get("positive_class") or "")
    if task == REGRESSION and (score or positive):
        raise Invalid(_("Scores and a positive class are of classification alone."), code="bad_performance")
    offered = [each for each in METRICS[task] if each != "roc_auc" or score]
    metric = str(asked.get("metric") or offered[0])
    threshold = asked.get("threshold")
    if metric not in offered:
        text = _("The metric is one of %(values)s. 'roc_auc' needs a column of scores.")
        raise Invalid(text % {"values": ", ".join(offered)}, code="bad_performance")
    if threshold is not None and not math.isfinite(threshold):
        raise Invalid(_("The threshold of a metric is a finite number."), code="bad_performance")
    lateness = asked.get("lateness_hours") or 0
    if not 0 <= lateness <= MOST_LATENESS:
        text = _("Labels are waited for from 0 to %(most)s hours.")
        raise Invalid(text % {"most": MOST_LATENESS}, code="bad_performance")
    least = 0.5 if asked.get("least_labelled") is None else float(asked["least_labelled"])
    if not 0 <= least <= 1:
        raise Invalid(_("The share of labelled predictions is from 0 to 1."), code="bad_performance")
    return Settings(
        task=task, keys=keys, prediction_column=str(asked["prediction_column"]), label_column=str(asked["label_column"]),
        score_column=score, positive_class=positive, metric=metric,
        threshold=None if threshold is None else float(threshold), lateness_hours=lateness, least_labelled=least,
    )  # fmt: skip


def _check_columns(monitor: Monitor, settings: Settings) -> None:
    """See that the columns are there, where the columns of the tables are known already."""
    assert monitor.labels is not None
    of_target = [*settings.keys, settings.prediction_column, *filter(None, [settings.score_column])]
    for version, names, text in (
        (monitor.target, of_target, _("The target has no column '%(name)s'. It has: %(there)s.")),
        (monitor.labels, [*settings.keys, settings.label_column], _("The labels have no column '%(name)s'. They have: %(there)s.")),
    ):  # fmt: skip
        there = [each["name"] for each in (version.profile or {}).get("columns") or ()]
        if missing := [each for each in names if there and each not in there]:
            raise Unprocessable(text % {"name": missing[0], "there": ", ".join(there[:50])}, code="bad_performance")


def newest_of(version: DatasetVersion, problem: str) -> DatasetVersion:
    """The version that is read: the newest of a dataset with a name. Raises Unprocessable (`problem`) where it is no table any more."""
    if version.dataset is not None and version.dataset.archived_at is None:
        version = find_version(version.workspace, version.dataset.name)
    if version.kind != Dataset.Kind.TABULAR:
        raise Unprocessable(stored_messages.SENTENCES[problem], code=problem)
    return version


def measured(window: MonitorWindow, alive: child.Alive) -> dict[str, Any]:
    """What to write into a window of its model; nothing where its monitor measures none. What refuses it is written as well.

    Raises Busy, ConcurrentUpdate.
    """
    monitor = window.monitor
    settings = monitor.performance_settings
    if settings is None or monitor.labels is None:
        return {}
    seen = ""
    try:
        labels = newest_of(monitor.labels, "labels_not_tabular")
        found = files.files_of(labels)
        seen = state_of(labels, found)
        questions = {"labels": inspection.question(labels, found, tables.AT_LENGTH)}
        target = newest_of(monitor.target, "not_tabular")
        questions["target"] = inspection.question(target, files.files_of(target), tables.AT_LENGTH)
        more = {
            "timestamp": monitor.timestamp_column, "settings": settings.kept(), "least": LEAST_LABELLED,
            "start": naive(window.start_at), "end": naive(window.end_at),
        }  # fmt: skip
        with tables.asked_of(CHILD, questions, more, alive) as answers:
            answer = dict(next(answers)["measured"])
    except StudioError as error:
        if isinstance(error, ConcurrentUpdate) or error.status >= 500:
            raise
        answer = {"reason": stored_messages.of_reading(error)}
        labels, seen = monitor.labels, seen or _refused(error)
    if "problem" in answer:
        answer["reason"] = stored_messages.keep(answer.pop("problem"), **answer.pop("facts"))
    answer |= {"metric": settings.metric, "threshold": settings.threshold, "labels": str(labels.pk)}
    answer |= {"measured_at": iso(now()), "has_degraded": settings.has_degraded(answer)}
    return {"performance": answer, "labels_seen": seen}


def naive(moment: datetime) -> str:
    """As times of tables are: in UTC, without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


def state_of(labels: DatasetVersion, found: list[files.ResolvedFile]) -> str:
    """What labels are right now, by a digest; another one where any have come."""
    return canonical.digest([str(labels.pk), files.fingerprint(found)])


def _refused(error: StudioError) -> str:
    """What labels are that cannot be read."""
    return f"refused {error.code}"[:64]


def await_labels(window: MonitorWindow) -> None:
    """Have it seen again whether labels have come, where they are waited for."""
    monitor = window.monitor
    settings = monitor.performance_settings
    if settings is None or is_complete(window) or window.end_at + _lateness(settings) <= now():
        return
    Monitor.objects.filter(pk=monitor.pk, labels_at__isnull=True).update(labels_at=now() + LOOK_AGAIN)


def is_complete(window: MonitorWindow) -> bool:
    """Whether each prediction that can have a label has one."""
    found = window.performance
    if "predictions" not in found:
        return False
    return bool(found["labelled"] + found["without_key"] + found["without_prediction"] >= found["predictions"])


def look_for_labels() -> None:
    """Have the windows measured again for which labels may have come."""
    moment = now()
    for key in awaiting(moment).order_by("labels_at").values_list("pk", flat=True):
        try:
            _look_for_labels(key, moment)
        except Exception:  # one monitor's fault must not keep the others from being seen to
            log.exception("labels of monitor %s could not be looked for", key)
            Monitor.objects.filter(pk=key).update(labels_at=moment + LOOK_AGAIN)


def _look_for_labels(key: UUID, moment: datetime) -> None:
    monitor = (
        awaiting(moment).select_related("workspace", "labels__dataset", "labels__workspace").filter(pk=key).first()
    )
    settings = None if monitor is None else monitor.performance_settings
    if monitor is None or settings is None or monitor.labels is None or monitor.labels_at is None:
        return
    try:
        with words.stored():
            labels = newest_of(monitor.labels, "labels_not_tabular")
            state = state_of(labels, files.files_of(labels))
    except StudioError as error:
        if error.status >= 500:
            raise
        state = _refused(error)  # windows say why, once
    # Those whose time was over when it was seen the last time have been measured for the last time.
    since = monitor.labels_at - LOOK_AGAIN - _lateness(settings)
    with slices.writing():
        rows = MonitorWindow.objects.select_for_update(no_key=True, of=("self",)).filter(
            monitor=monitor, end_at__gt=since
        )
        waiting = [
            each for each in rows.select_related("monitor__workspace").defer("features") if not is_complete(each)
        ]
        for window in waiting:
            if window.status in MonitorWindow.ENDS and window.labels_seen != state:
                window.move(Status.QUEUED, tries=0, lease_until=None, resumes=window.status)
        last = max((each.end_at for each in waiting), default=None)
        is_open = last is not None and last + _lateness(settings) > moment
        Monitor.objects.filter(pk=key, labels_at=monitor.labels_at).update(
            labels_at=moment + LOOK_AGAIN if is_open else None
        )
        if waiting:
            notify_pages(monitor)


def _lateness(settings: Settings) -> timedelta:
    return timedelta(hours=settings.lateness_hours)
