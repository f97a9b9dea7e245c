"""What monitors look like on the wire."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from monitors.models import Monitor
from monitors.performance import TASKS


class _Settings(serializers.Serializer[Any]):
    task = serializers.ChoiceField(TASKS, required=False)
    keys = serializers.ListField(
        child=serializers.CharField(max_length=1000), required=False, max_length=20,
        help_text="Columns of predictions and labels by which one finds the other.",
    )  # fmt: skip
    prediction_column = serializers.CharField(required=False, max_length=1000, help_text="Of the target.")
    label_column = serializers.CharField(required=False, max_length=1000, help_text="Of the labels.")
    score_column = serializers.CharField(
        required=False, allow_blank=True, max_length=1000,
        help_text="Of the target, of two classes: the score of the positive one, for roc_auc.",
    )  # fmt: skip
    positive_class = serializers.CharField(
        required=False, allow_blank=True, max_length=200, help_text="Empty: the greater one."
    )
    metric = serializers.CharField(
        required=False, allow_blank=True, max_length=40,
        help_text="accuracy, precision_macro, recall_macro, f1_macro, roc_auc; mae, rmse, r2. Empty: the first of its task.",
    )  # fmt: skip
    threshold = serializers.FloatField(
        required=False,
        allow_null=True,
        help_text="Of the metric: the model has degraded below it, of mae and rmse above it.",
    )
    lateness_hours = serializers.IntegerField(
        required=False, min_value=0, help_text="How long after the end of a window labels are waited for."
    )
    least_labelled = serializers.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        help_text="Share of the predictions that need labels before a window counts.",
    )


class PerformanceIn(_Settings):
    """Of a monitor that measures a model already, what is left out stays."""

    labels = serializers.UUIDField(
        required=False,
        help_text="The id of a version of a tabular dataset. Of one with a name the newest version is read.",
    )


class PerformanceOut(_Settings):
    labels = serializers.UUIDField()


class _Common(serializers.Serializer[Any]):
    description = serializers.CharField(required=False, allow_blank=True)
    features = serializers.ListField(
        child=serializers.CharField(), required=False, allow_null=True,
        help_text="Columns that are compared; null: all that both tables have.",
    )  # fmt: skip
    threshold = serializers.FloatField(
        required=False, help_text="Of the magnitude, above 0 and at most 1: data have drifted where it is reached."
    )
    model = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=255,
        help_text="The name of a registered model; null: none.",
    )
    performance = PerformanceIn(
        required=False, allow_null=True, help_text="How a model is measured by labels that come later; null: it is not."
    )
    is_enabled = serializers.BooleanField(required=False, help_text="Whether windows are looked at by themselves.")
    compute_target = serializers.CharField(
        required=False, allow_blank=True, max_length=255, help_text="Kept as it is given: the studio compares."
    )
    alert_emails = serializers.ListField(
        child=serializers.EmailField(), required=False, max_length=50,
        help_text="A rule of notifications tells them; refused where no mail can be sent.",
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
    model = serializers.CharField(allow_null=True)
    performance = PerformanceOut(allow_null=True)
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


class MeasuredOut(serializers.Serializer[Any]):
    metrics = serializers.DictField(
        child=serializers.FloatField(allow_null=True), allow_null=True,
        help_text="By name; null: there are none, and `reason` says why.",
    )  # fmt: skip
    metric = serializers.CharField(allow_null=True, help_text="That the threshold is of.")
    threshold = serializers.FloatField(allow_null=True)
    has_degraded = serializers.BooleanField(allow_null=True, help_text="null: not known, or not yet.")
    predictions = serializers.IntegerField(allow_null=True, help_text="Rows of the window.")
    labelled = serializers.IntegerField(allow_null=True, help_text="Those of them for which a label has come.")
    without_key = serializers.IntegerField(allow_null=True)
    without_prediction = serializers.IntegerField(allow_null=True)
    notes = serializers.DictField(child=serializers.CharField(), help_text="Why a metric is null, by its name.")
    reason = serializers.CharField(help_text="Why there are no metrics.")
    labels = serializers.UUIDField(allow_null=True, help_text="The version of the labels that was read.")
    measured_at = serializers.DateTimeField(allow_null=True)


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
    performance = MeasuredOut(allow_null=True, help_text="How good the model was; null where none is measured.")
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
