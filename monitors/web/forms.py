"""The form of a monitor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from core.forms import Choice, TextArea
from monitors.models import Monitor

Choices = Sequence[tuple[str, str]]


class ChangeForm(forms.Form):
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
    pipeline = forms.ChoiceField(
        label=gettext_lazy("Run when data have drifted"), choices=[], required=False,
        help_text=gettext_lazy("a published pipeline, once for each window"),
    )  # fmt: skip
    experiment_name = forms.CharField(
        label=gettext_lazy("Experiment"), max_length=255, required=False, help_text=gettext_lazy("of these runs")
    )
    description = TextArea(label=gettext_lazy("Description"), required=False)

    def __init__(self, pipelines: Choices, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        pipeline: Any = self.fields["pipeline"]
        pipeline.choices = [("", _("none")), *pipelines]

    def asked(self) -> dict[str, Any]:
        """Of a valid form, as the service takes it."""
        values = self.cleaned_data
        names = [line.strip() for line in values["features"].splitlines() if line.strip()]
        return {
            "threshold": values["threshold"] / 100,
            "features": names or None,
            "pipeline": values["pipeline"] or None,
            "experiment_name": values["experiment_name"],
            "description": values["description"],
        }


class MonitorForm(ChangeForm):
    """A new monitor."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=255)
    target = Choice(
        label=gettext_lazy("Target"), choices=[], help_text=gettext_lazy("the table whose windows are looked at")
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
        help_text=gettext_lazy("hours after its end at which a window is looked at"),
    )  # fmt: skip
    is_enabled = forms.BooleanField(label=gettext_lazy("Enabled"), required=False, initial=True)

    def __init__(self, tables: Choices, pipelines: Choices, *args: Any, **more: Any) -> None:
        super().__init__(pipelines, *args, **more)
        for name in ("target", "baseline"):
            field: Any = self.fields[name]
            field.choices = tables

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
        "description": monitor.description,
    }
