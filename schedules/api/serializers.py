"""What schedules look like on the wire."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from schedules.models import Schedule

MOST = 1_000_000


class _Common(serializers.Serializer[Any]):
    description = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    parameters = serializers.DictField(required=False, allow_null=True)
    continue_on_step_failure = serializers.BooleanField(required=False, allow_null=True)
    status = serializers.ChoiceField(Schedule.Status.choices, required=False)
    pause_reason = serializers.CharField(required=False, allow_blank=True, help_text="Why it is disabled.")
    watch = serializers.DictField(
        required=False,
        allow_null=True,
        help_text="A folder of a datastore whose changes start runs (docs/schedules.md).",
    )
    trigger = serializers.DictField(
        required=False,
        allow_null=True,
        help_text="The end of a run, or a new version of a dataset or a model, that starts runs (docs/schedules.md).",
    )
    values = serializers.DictField(
        required=False, allow_null=True, help_text="Parameters that get facts of what starts a run: by name the fact."
    )
    overlap = serializers.ChoiceField(Schedule.Overlap.choices, required=False)
    catch_up = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=MOST,
        help_text="Of the times that were missed so many, the newest, are made up for; null: all.",
    )  # fmt: skip
    jitter = serializers.IntegerField(required=False, min_value=0, max_value=86_400, help_text="Seconds at most.")
    end_at = serializers.DateTimeField(required=False, allow_null=True)
    max_runs = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=MOST)


class ScheduleIn(_Common):
    """Either a published pipeline or an endpoint."""

    name = serializers.CharField(max_length=255)
    pipeline = serializers.UUIDField(required=False, allow_null=True)
    endpoint = serializers.UUIDField(required=False, allow_null=True)
    experiment_name = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=255)
    timetable = serializers.DictField(
        required=False, help_text="A recurrence or a cron expression (docs/schedules.md), where there is no trigger."
    )


class ScheduleChange(_Common):
    """What is left out stays."""

    name = serializers.CharField(required=False, max_length=255)
    experiment_name = serializers.CharField(required=False, max_length=255)
    timetable = serializers.DictField(required=False)


class ScheduleOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    status = serializers.CharField()
    pause_reason = serializers.CharField()
    pipeline_id = serializers.UUIDField(allow_null=True)
    endpoint_id = serializers.UUIDField(allow_null=True)
    experiment_name = serializers.CharField()
    parameters = serializers.JSONField()
    continue_on_step_failure = serializers.BooleanField(allow_null=True)
    timetable = serializers.JSONField(help_text="Of a watch: when it looks.")
    watch = serializers.JSONField()
    trigger = serializers.JSONField()
    values = serializers.JSONField()
    watch_error = serializers.CharField(help_text="Why the last look found nothing to look at.")
    overlap = serializers.CharField()
    catch_up = serializers.IntegerField(allow_null=True)
    jitter = serializers.IntegerField()
    end_at = serializers.DateTimeField(allow_null=True)
    max_runs = serializers.IntegerField(allow_null=True)
    run_count = serializers.IntegerField()
    next_at = serializers.DateTimeField(allow_null=True)
    upcoming = serializers.ListField(child=serializers.DateTimeField(), help_text="The next five times.")
    url = serializers.CharField(help_text="Its page.")
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class TickOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    due_at = serializers.DateTimeField()
    status = serializers.CharField(help_text="held, due, queued, fired, skipped or failed.")
    settled_at = serializers.DateTimeField(allow_null=True)
    late_by = serializers.FloatField(allow_null=True, help_text="Seconds.")
    reason = serializers.CharField()
    cause = serializers.CharField(
        help_text="What has started it, where that is not the time: run:<id>, dataset:<id>, model:<id>."
    )
    run_id = serializers.UUIDField(allow_null=True)
    run = serializers.DictField(required=False, allow_null=True, help_text="Where `runs` asks for it.")


class WindowIn(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class BackfillIn(WindowIn):
    parallel = serializers.IntegerField(required=False, default=1, help_text="Runs at once, at most.")


class PlannedOut(serializers.Serializer[Any]):
    due_at = serializers.DateTimeField()
    is_made = serializers.BooleanField(help_text="Whether a backfill runs it: it has not run, and is not about to.")
    status = serializers.CharField(allow_null=True, help_text="Of the tick that it has.")
    run_id = serializers.UUIDField(allow_null=True)


class BackfillPlanOut(serializers.Serializer[Any]):
    times = PlannedOut(many=True)
    count = serializers.IntegerField(help_text="How many of them a backfill runs.")


class BackfillOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    parallel = serializers.IntegerField()
    status = serializers.CharField(help_text="running, completed or canceled.")
    counts = serializers.JSONField(
        help_text="Ticks by state: held, due, skipped, failed; those that fired by how their run is: running, completed, failed, canceled."
    )
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    canceled_at = serializers.DateTimeField(allow_null=True)


class UpcomingIn(serializers.Serializer[Any]):
    timetable = serializers.DictField()
    count = serializers.IntegerField(required=False, default=5, min_value=1, max_value=100)


class UpcomingOut(serializers.Serializer[Any]):
    upcoming = serializers.ListField(child=serializers.DateTimeField())
