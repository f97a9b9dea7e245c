"""The form of a monitor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from core.forms import Choice, TextArea
from monitors.models import Monitor
from monitors.performance import CLASSIFICATION, REGRESSION
from monitors.services.measuring import FIXED
from monitors.web.words import METRICS

Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Offered:
    """What the lists of the form have."""

    tables: Choices
    pipelines: Choices
    models: Choices


class PerformanceFields(forms.Form):
    """How a model is measured; nothing of it is asked for without a table of labels."""

    labels = forms.ChoiceField(
        label=gettext_lazy("Labels"), choices=[], required=False,
        help_text=gettext_lazy("the table in which the true values come, sooner or later; none: no model is measured"),
    )  # fmt: skip
    keys = TextArea(
        label=gettext_lazy("Keys"), required=False,
        help_text=gettext_lazy("columns of both tables by which a label finds its prediction, one a line"),
    )  # fmt: skip
    task = Choice(
        label=gettext_lazy("Task"), required=False,
        choices=[(CLASSIFICATION, gettext_lazy("Classification")), (REGRESSION, gettext_lazy("Regression"))],
    )  # fmt: skip
    prediction_column = forms.CharField(
        label=gettext_lazy("Column of predictions"),
        max_length=1000,
        required=False,
        help_text=gettext_lazy("of the target"),
    )
    label_column = forms.CharField(label=gettext_lazy("Column of labels"), max_length=1000, required=False)
    score_column = forms.CharField(
        label=gettext_lazy("Column of scores"), max_length=1000, required=False,
        help_text=gettext_lazy("of the target, for ROC AUC of two classes"),
    )  # fmt: skip
    positive_class = forms.CharField(
        label=gettext_lazy("Positive class"), max_length=200, required=False,
        help_text=gettext_lazy("that the score is of; empty: the greater one"),
    )  # fmt: skip
    metric = Choice(
        label=gettext_lazy("Metric"), required=False,
        choices=[("", gettext_lazy("the first of the task")), *METRICS.items()],
    )  # fmt: skip
    metric_threshold = forms.FloatField(
        label=gettext_lazy("Threshold of the metric"), required=False,
        help_text=gettext_lazy("the model has degraded below it, of errors above it; empty: nothing is told"),
    )  # fmt: skip
    lateness_hours = forms.IntegerField(
        label=gettext_lazy("Labels are waited for"), min_value=0, required=False,
        help_text=gettext_lazy("hours after the end of a window"),
    )  # fmt: skip
    least_labelled = forms.FloatField(
        label=gettext_lazy("Labels needed"), min_value=0, max_value=100, initial=50, required=False,
        help_text=gettext_lazy("per cent of the predictions, before a window counts"),
    )  # fmt: skip

    def _offer(self, tables: Choices, *, is_fixed: bool = False) -> None:
        labels: Any = self.fields["labels"]
        labels.choices = [("", _("none")), *tables]
        for name in ("labels", *FIXED):
            self.fields[name].disabled = is_fixed

    def performance(self) -> dict[str, Any]:
        """Of a valid form, as the service takes it; empty without labels."""
        values = self.cleaned_data
        if not values["labels"]:
            return {}
        names = ("labels", "task", "prediction_column", "label_column", "score_column", "positive_class", "metric")
        least = values["least_labelled"]
        asked = {
            **{name: values[name] for name in names},
            "keys": _lines(values["keys"]),
            "threshold": values["metric_threshold"],
            "lateness_hours": values["lateness_hours"] or 0,
            "least_labelled": None if least is None else least / 100,
        }
        return {"performance": asked}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


class ChangeForm(PerformanceFields):
    """What of a monitor may change."""

    threshold = forms.FloatField(
        label=gettext_lazy("Threshold"), min_value=0.1, max_value=100, initial=20,
        help_text=gettext_lazy("per cent of the drift magnitude; from there on data have drifted"),
    )  # fmt: skip
    features = TextArea(
        label=gettext_lazy("Columns"),
        required=False,
        help_text=gettext_lazy("one a line; empty: all that both tables have"),
    )
    model = forms.ChoiceField(
        label=gettext_lazy("Model"), choices=[], required=False,
        help_text=gettext_lazy("the registered model that is watched; its page leads here"),
    )  # fmt: skip
    pipeline = forms.ChoiceField(
        label=gettext_lazy("Pipeline"), choices=[], required=False,
        help_text=gettext_lazy("run once for each window that has drifted, or in which the model has degraded"),
    )  # fmt: skip
    experiment_name = forms.CharField(
        label=gettext_lazy("Experiment"), max_length=255, required=False, help_text=gettext_lazy("of these runs")
    )
    description = TextArea(label=gettext_lazy("Description"), required=False)

    def __init__(self, offered: Offered, is_measured: bool, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._offer(offered.tables, is_fixed=is_measured)
        for name, choices in (("pipeline", offered.pipelines), ("model", offered.models)):
            field: Any = self.fields[name]
            field.choices = [("", _("none")), *choices]

    def asked(self) -> dict[str, Any]:
        """Of a valid form, as the service takes it."""
        values = self.cleaned_data
        return {
            **self.performance(),
            "threshold": values["threshold"] / 100,
            "features": _lines(values["features"]) or None,
            "pipeline": values["pipeline"] or None,
            "model": values["model"] or None,
            "experiment_name": values["experiment_name"],
            "description": values["description"],
        }


class MonitorForm(ChangeForm):
    """A new monitor."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=255)
    target = Choice(
        label=gettext_lazy("Target"), choices=[], help_text=gettext_lazy("the table whose windows are compared")
    )
    timestamp_column = forms.CharField(
        label=gettext_lazy("Time column"), max_length=1000, required=False,
        help_text=gettext_lazy("empty: the one that the dataset names"),
    )  # fmt: skip
    baseline = Choice(
        label=gettext_lazy("Baseline"), choices=[], help_text=gettext_lazy("the table that they are compared with")
    )
    frequency = Choice(label=pgettext_lazy("monitor", "Window"), choices=Monitor.Frequency.choices)
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"), initial="UTC", required=False, help_text=gettext_lazy("such as Europe/Lisbon")
    )
    latency_hours = forms.IntegerField(
        label=gettext_lazy("Latency"), min_value=0, initial=0, required=False,
        help_text=gettext_lazy("hours after its end at which a window is compared"),
    )  # fmt: skip
    is_enabled = forms.BooleanField(label=gettext_lazy("Enabled"), required=False, initial=True)

    def __init__(self, offered: Offered, *args: Any, **more: Any) -> None:
        super().__init__(offered, False, *args, **more)
        for name in ("target", "baseline"):
            field: Any = self.fields[name]
            field.choices = offered.tables

    def asked(self) -> dict[str, Any]:
        """Of a valid form, as the service takes it."""
        values = self.cleaned_data
        own = ("name", "target", "timestamp_column", "baseline", "frequency", "time_zone", "is_enabled")
        return {
            **super().asked(),
            **{name: values[name] for name in own},
            "latency_hours": values["latency_hours"] or 0,
        }


def initial_of(monitor: Monitor) -> dict[str, Any]:
    """What the form shows of a monitor that there is."""
    return {
        "threshold": round(monitor.threshold * 100, 6),
        "features": "\n".join(monitor.features or ()),
        "pipeline": str(monitor.pipeline_id or ""),
        "experiment_name": monitor.experiment_name,
        "model": monitor.model.name if monitor.model else "",
        "description": monitor.description,
        **_performance_of(monitor),
    }


def _performance_of(monitor: Monitor) -> dict[str, Any]:
    settings = monitor.performance_settings
    if settings is None:
        return {}
    return {
        **{name: value for name, value in settings.kept().items() if name != "threshold"},
        "labels": str(monitor.labels_id),
        "keys": "\n".join(settings.keys),
        "metric_threshold": settings.threshold,
        "least_labelled": round(settings.least_labelled * 100, 6),
    }
