"""Monitors, and the windows of time that they look at."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from core import outbox
from core.lifecycle import Lifecycle, Row
from datasets.models import DatasetVersion
from monitors import stored_messages
from monitors.performance import Settings
from pipelines.models import PublishedPipeline
from registry.models import RegisteredModel
from runs.models import Run
from schedules import timetable
from workspaces.models import User, Workspace


class Monitor(Row):
    """Compares each window of a target, by its time stamps, with a baseline."""

    class Frequency(models.TextChoices):
        DAY = "Day", _("Day")
        WEEK = "Week", _("Week")
        MONTH = "Month", _("Month")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="monitors")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    baseline = models.ForeignKey(DatasetVersion, models.CASCADE, related_name="+")
    # As it was when the monitor was made; of one with a name the newest version is read.
    target = models.ForeignKey(DatasetVersion, models.CASCADE, related_name="+")
    timestamp_column = models.CharField(max_length=1000)
    # Names of columns; None: all that both tables have.
    features = models.JSONField(null=True)
    frequency = models.CharField(max_length=8, choices=Frequency)
    time_zone = models.CharField(max_length=64, default="UTC")
    # How long after its end a window is looked at.
    latency_hours = models.PositiveIntegerField(default=0)
    # Of the magnitude, from 0 to 1: data have drifted where it is reached.
    threshold = models.FloatField(default=0.2)
    is_enabled = models.BooleanField(default=False)
    # Whose input or predictions are watched; said for people alone.
    model = models.ForeignKey(RegisteredModel, models.SET_NULL, null=True, related_name="+")
    # Where labels come for the predictions of the target, how a model is measured by them (monitors.performance.Settings), and
    # when it is seen next whether more have come; None where none are waited for.
    labels = models.ForeignKey(DatasetVersion, models.CASCADE, null=True, related_name="+")
    performance = models.JSONField(null=True)
    labels_at = models.DateTimeField(null=True)
    # Kept as programs gave it; the studio itself compares.
    compute_target = models.CharField(max_length=255, blank=True)
    # Told by a rule of notifications, which is made with them.
    alert_emails = models.JSONField(default=list)
    # What is run where data have drifted, in which experiment.
    pipeline = models.ForeignKey(PublishedPipeline, models.SET_NULL, null=True, related_name="+")
    experiment_name = models.CharField(max_length=255, blank=True)
    # The start of the next window that is looked at by itself, and when that is; None where it is not enabled.
    next_start = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "name", name="one_monitor_per_name")]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="monitors_newest"),
            models.Index(fields=["next_at"], name="monitors_due", condition=models.Q(next_at__isnull=False)),
            models.Index(fields=["labels_at"], name="monitors_labels", condition=models.Q(labels_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def performance_settings(self) -> Settings | None:
        """How a model is measured; None where none is."""
        return None if self.performance is None else Settings.of(self.performance)


class MonitorWindow(Lifecycle):
    """One window of a monitor, once, and what was found in it."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        COMPLETED = "completed", _("Completed")
        SKIPPED = "skipped", _("Nothing to compare")
        FAILED = "failed", _("Failed")

    KIND = "window of a monitor"
    # One that has ended is looked at again when somebody asks for it: rows may have come late.
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        Status.QUEUED: frozenset({Status.RUNNING}),
        Status.RUNNING: frozenset({Status.QUEUED, Status.COMPLETED, Status.SKIPPED, Status.FAILED}),
        Status.COMPLETED: frozenset({Status.QUEUED}),
        Status.SKIPPED: frozenset({Status.QUEUED}),
        Status.FAILED: frozenset({Status.QUEUED}),
    }
    ENDS = (Status.COMPLETED, Status.SKIPPED, Status.FAILED)

    monitor = models.ForeignKey(Monitor, models.CASCADE, related_name="windows")
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    # The version of the target that was read, and the threshold that held.
    target = models.ForeignKey(DatasetVersion, models.SET_NULL, null=True, related_name="+")
    threshold = models.FloatField(null=True)
    magnitude = models.FloatField(null=True)
    # {"baseline", "target"}; {"target"} alone where there are too few.
    rows = models.JSONField(default=dict)
    features = models.JSONField(default=list)
    excluded = models.JSONField(default=list)
    # Why there is nothing, a kept sentence (monitors.stored_messages).
    reason = models.JSONField(default=dict)
    # Of a model: {"predictions", "labelled", "without_key", "without_prediction", "metrics", "notes", "metric", "threshold",
    # "has_degraded", "labels", "measured_at"}, or "reason", a kept sentence, instead of metrics.
    performance = models.JSONField(default=dict)
    # What the labels were when they were joined: their files, by a digest.
    labels_seen = models.CharField(max_length=64, blank=True)
    # The state to go back to where the model alone is measured again, since labels have come.
    resumes = models.CharField(max_length=16, blank=True)
    # When a run is to be started since data have drifted or a model has degraded; None where there is none to start, or it is there.
    trigger_at = models.DateTimeField(null=True)
    trigger_tries = models.PositiveSmallIntegerField(default=0)
    # That a run was started: once a window, also where the run is deleted or the window looked at again.
    triggered_at = models.DateTimeField(null=True)
    run = models.OneToOneField(Run, models.SET_NULL, null=True, related_name="by_drift")
    trigger_error = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint("monitor", "start_at", name="one_monitor_window")]
        indexes = [
            models.Index(
                fields=["id"], name="monitor_windows_open", condition=models.Q(status__in=["queued", "running"])
            ),
            models.Index(
                fields=["trigger_at"], name="monitor_windows_trigger", condition=models.Q(trigger_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.monitor_id} {self.start_at:%Y-%m-%d}"

    @property
    def start_date(self) -> date:
        """Its first day, in the time zone of its monitor."""
        return self._day(self.start_at)

    @property
    def end_date(self) -> date:
        """The day after its last one."""
        return self._day(self.end_at)

    def _day(self, moment: datetime) -> date:
        zone = timetable.zone_of(self.monitor.time_zone)
        assert zone is not None, "a monitor is made with a zone that there is"
        return moment.astimezone(zone).date()

    @property
    def has_drifted(self) -> bool | None:
        """Whether the magnitude has reached the threshold; None where there is none."""
        if self.magnitude is None or self.threshold is None:
            return None
        return self.magnitude >= self.threshold

    @property
    def has_degraded(self) -> bool | None:
        """Whether the model was worse than its threshold; None where that is not known."""
        found: bool | None = self.performance.get("has_degraded")
        return found

    @property
    def metric(self) -> float | None:
        """The value of the metric that the threshold is of; None where there is none."""
        found: float | None = (self.performance.get("metrics") or {}).get(self.performance.get("metric"))
        return found

    @property
    def localized_reason(self) -> str:
        """Why there is nothing to see, in the reader's language."""
        return stored_messages.localized(self.reason)

    def on_transition(self, to: str, facts: dict[str, Any]) -> None:
        super().on_transition(to, facts)
        outbox.hint(f"list:{self.monitor.workspace.name}:monitors")
