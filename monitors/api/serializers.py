"""What monitors look like on the wire."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from monitors.models import Monitor


class _Common(serializers.Serializer[Any]):
    description = serializers.CharField(required=False, allow_blank=True)
    features = serializers.ListField(
        child=serializers.CharField(), required=False, allow_null=True,
        help_text="Columns that are compared; null: all that both tables have.",
    )  # fmt: skip
    threshold = serializers.FloatField(
        required=False, help_text="Of the magnitude, above 0 and at most 1: data have drifted where it is reached."
    )
    is_enabled = serializers.BooleanField(required=False, help_text="Whether windows are looked at by themselves.")
    compute_target = serializers.CharField(
        required=False, allow_blank=True, max_length=255, help_text="Kept as it is given: the studio compares."
    )
    alert_emails = serializers.ListField(
        child=serializers.EmailField(), required=False, max_length=50,
        help_text="Kept as they are given: rules of notifications tell of drift.",
    )  # fmt: skip
    pipeline = serializers.UUIDField(
        required=False, allow_null=True, help_text="A published pipeline that is run where data have drifted."
    )
    experiment_name = serializers.CharField(
        required=False, allow_blank=True, max_length=255, help_text="Of these runs; empty: that of the pipeline."
    )


class MonitorIn(_Common):
    name = serializers.CharField(max_length=255)
    baseline = serializers.UUIDField(help_text="The id of a version of a tabular dataset.")
    target = serializers.UUIDField(
        help_text="The id of a version of a tabular dataset. Of one with a name the newest version is read."
    )
    timestamp_column = serializers.CharField(
        required=False, allow_blank=True, max_length=1000,
        help_text="The column of the target that tells the time of a row; empty: the one that its dataset names.",
    )  # fmt: skip
    frequency = serializers.ChoiceField(Monitor.Frequency.choices)
    time_zone = serializers.CharField(
        required=False, allow_blank=True, max_length=64, help_text="Of days, weeks and months; empty: UTC."
    )
    latency_hours = serializers.IntegerField(
        required=False, min_value=0, help_text="How long after its end a window is looked at."
    )


class MonitorChange(_Common):
    """What is left out stays."""


class MonitorOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    baseline = serializers.UUIDField()
    target = serializers.UUIDField()
    timestamp_column = serializers.CharField()
    features = serializers.ListField(child=serializers.CharField(), allow_null=True)
    frequency = serializers.CharField()
    time_zone = serializers.CharField()
    latency_hours = serializers.IntegerField()
    threshold = serializers.FloatField()
    is_enabled = serializers.BooleanField()
    compute_target = serializers.CharField()
    alert_emails = serializers.ListField(child=serializers.CharField())
    pipeline = serializers.UUIDField(allow_null=True)
    experiment_name = serializers.CharField()
    next_start = serializers.DateTimeField(allow_null=True, help_text="The start of the next window.")
    next_at = serializers.DateTimeField(allow_null=True, help_text="When it is looked at.")
    url = serializers.CharField(help_text="Its page.")
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class WindowOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField(help_text="Rows before this moment are in it.")
    start_date = serializers.DateField(help_text="Its first day, in the time zone of the monitor.")
    end_date = serializers.DateField(help_text="The day after its last one.")
    status = serializers.CharField(help_text="queued, running, completed, skipped (nothing to compare) or failed.")
    magnitude = serializers.FloatField(
        allow_null=True, help_text="0: rows of target and baseline cannot be told apart; 1: always."
    )
    threshold = serializers.FloatField(allow_null=True, help_text="That held when it was looked at.")
    has_drifted = serializers.BooleanField(allow_null=True)
    rows = serializers.JSONField(help_text="How many: of the baseline and the target.")
    reason = serializers.CharField(help_text="Why there is no magnitude.")
    target = serializers.UUIDField(allow_null=True, help_text="The version of the target that was read.")
    run_id = serializers.UUIDField(allow_null=True, help_text="The run that drift has started.")
    trigger_error = serializers.CharField(help_text="Why that was not started.")
    finished_at = serializers.DateTimeField(allow_null=True)
    excluded = serializers.JSONField(help_text="Columns that were not compared, each with why.")
    features = serializers.JSONField(
        required=False, help_text="Of one window: each feature with its measures (docs/monitors.md)."
    )


class SpanIn(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class RunNowIn(serializers.Serializer[Any]):
    at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="A moment of the window; null: the last that is over."
    )


class WindowsOut(serializers.Serializer[Any]):
    windows = WindowOut(many=True)
