"""What starts published pipelines by itself: at times, or when files change. What became of each time is a tick."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.lifecycle import Row
from pipelines.models import PipelineEndpoint, PublishedPipeline
from runs.models import Run
from schedules import stored_messages
from workspaces.models import User, Workspace


class Schedule(Row):
    """Runs one published pipeline, or the default version of an endpoint, again and again, under the rights of who made it."""

    class Status(models.TextChoices):
        ACTIVE = "Active", _("Active")
        DISABLED = "Disabled", _("Disabled")

    class Overlap(models.TextChoices):
        """What a tick does while a run of the schedule is under way."""

        ALLOW = "allow", _("Start beside it")
        SKIP = "skip", _("Skip the new one")
        QUEUE_ONE = "queue_one", _("Wait; of several the first")
        QUEUE_ALL = "queue_all", _("Wait, all one after the other")
        CANCEL = "cancel", _("Cancel the one under way")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="schedules")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    # Why it is disabled, in the words of whoever did it or of the studio.
    pause_reason = models.TextField(blank=True)
    # What the studio's own is made of (core.sentences).
    pause_parts = models.JSONField(null=True)
    # One of the two.
    pipeline = models.ForeignKey(PublishedPipeline, models.CASCADE, null=True, related_name="schedules")
    endpoint = models.ForeignKey(PipelineEndpoint, models.CASCADE, null=True, related_name="schedules")
    experiment_name = models.CharField(max_length=255)
    parameters = models.JSONField(default=dict)
    continue_on_step_failure = models.BooleanField(null=True)
    # A recurrence or a cron expression (schedules.timetable); empty where something else starts runs.
    timetable = models.JSONField(default=dict)
    # What is looked at each time, where a change and not the time starts runs (schedules.changes).
    watch = models.JSONField(null=True)
    # What has to happen, where neither times nor files start runs (schedules.triggers), and the key by which it is found.
    trigger = models.JSONField(null=True)
    trigger_key = models.CharField(max_length=300, blank=True)
    # Since when it starts something: what was there before the schedule was made, or enabled again, starts nothing.
    active_since = models.DateTimeField(null=True)
    # Parameters that get facts of what starts a run, by the name of the fact.
    values = models.JSONField(default=dict)
    # The files as the last look that told of them found them, with their digest (schedules.changes), and why the last one found none.
    seen = models.JSONField(default=dict)
    seen_digest = models.CharField(max_length=32, blank=True)
    watch_error = models.TextField(blank=True)
    watch_error_parts = models.JSONField(null=True)
    overlap = models.CharField(max_length=10, choices=Overlap, default=Overlap.ALLOW)
    # Of the ticks that were missed while the studio was away so many, the newest, are made up for; None: all.
    catch_up = models.PositiveIntegerField(null=True, default=1)
    # Seconds by which each tick is put off at most, another number for each.
    jitter = models.PositiveIntegerField(default=0)
    end_at = models.DateTimeField(null=True)
    max_runs = models.PositiveIntegerField(null=True)
    # When the timetable is due next; None: never again, or disabled.
    next_at = models.DateTimeField(null=True)
    # How many runs it has started.
    run_count = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "-id"], name="schedules_newest"),
            models.Index(fields=["next_at"], name="schedules_due", condition=models.Q(next_at__isnull=False)),
            models.Index(
                fields=["workspace", "trigger_key"], name="schedules_of_trigger", condition=~models.Q(trigger_key="")
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def localized_pause_reason(self) -> str:
        """Why it is disabled, in the reader's language where the studio said it."""
        return stored_messages.localized({"text": self.pause_reason, **(self.pause_parts or {})})

    @property
    def localized_watch_error(self) -> str:
        """Why the last look found nothing, in the reader's language where the studio said it."""
        return stored_messages.localized({"text": self.watch_error, **(self.watch_error_parts or {})})


class Backfill(Row):
    """The times of a window that somebody has had made up for. They run under the rights of who asked for them."""

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="backfills")
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    # Runs that are under way at once, at most.
    parallel = models.PositiveSmallIntegerField(default=1)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    canceled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["schedule", "-id"], name="backfills_newest")]

    def __str__(self) -> str:
        return f"{self.start_at:%Y-%m-%d %H:%M} – {self.end_at:%Y-%m-%d %H:%M}"


class Tick(Row):
    """One time at which a schedule was due: it fires once, or says why not."""

    class Status(models.TextChoices):
        # Of a backfill: its turn has not come.
        HELD = "held", _("waits for its turn")
        DUE = "due", _("due")
        QUEUED = "queued", _("waits")
        FIRED = "fired", _("fired")
        SKIPPED = "skipped", _("skipped")
        FAILED = "failed", _("failed")

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="ticks")
    # When the timetable said so, the change was found, or what starts it happened.
    due_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=Status, default=Status.DUE)
    # Not before: the time that was due, and the jitter.
    fires_at = models.DateTimeField()
    # Whoever fires it says so first; after a while without success another may.
    claimed_at = models.DateTimeField(null=True)
    # How often that was done. A fault is tried again so many times, each time later.
    tries = models.PositiveSmallIntegerField(default=0)
    settled_at = models.DateTimeField(null=True)
    # Why it was skipped or failed: a sentence by its code and facts (runs.stored_messages), or a text.
    reason = models.JSONField(default=dict)
    # What has started it, where that is not the time: each starts a schedule once.
    cause = models.CharField(max_length=100, blank=True)
    backfill = models.ForeignKey(Backfill, models.CASCADE, null=True, related_name="ticks", db_index=False)
    # How many triggers have led to it, one after the other.
    depth = models.PositiveSmallIntegerField(default=0)
    # Values of parameters that go before those of the schedule: where the change was, and facts of what has started it.
    parameters = models.JSONField(default=dict)
    run = models.OneToOneField(Run, models.SET_NULL, null=True, related_name="by_tick")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "due_at"], name="one_tick_a_time", condition=models.Q(cause="")
            ),
            models.UniqueConstraint(
                fields=["schedule", "cause"], name="one_tick_a_cause", condition=~models.Q(cause="")
            ),
        ]
        indexes = [
            models.Index(fields=["schedule", "-due_at"], name="ticks_newest"),
            models.Index(fields=["settled_at"], name="ticks_settled", condition=models.Q(settled_at__isnull=False)),
            # Those that are due or wait, said without a value: SQLite finds no index by one that is put in.
            models.Index(
                fields=["schedule", "fires_at"], name="ticks_open", condition=models.Q(settled_at__isnull=True)
            ),
            # Most are of none: over them all SQLite would look for those that wait for their turn.
            models.Index(
                fields=["backfill", "due_at"], name="ticks_of_backfill", condition=models.Q(backfill__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} at {self.due_at:%Y-%m-%d %H:%M:%S}"
