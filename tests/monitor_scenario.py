"""A monitor with a window of each kind, as looking at them would have left it, without the processes that look."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from datasets.services.datastores import put_file
from datasets.services.versions import save
from monitors import comparison, model_metrics, stored_messages
from monitors.models import Monitor, MonitorWindow
from monitors.services import monitors
from workspaces.access import WorkspaceContext

CATEGORIES: list[comparison.Category] = ["Torgersen", "Biscoe", "Dream"]
STORE = "workspaceblobstore"


class Made:
    """Rows of two features: masses around a mean, and islands by shares."""

    def __init__(self, seed: int, rows: int, mean: float, shares: list[float]) -> None:
        chance = np.random.default_rng(seed)
        self.rows = rows
        self._columns: Mapping[str, Any] = {
            "body_mass_g": chance.normal(mean, 600, rows).round(),
            "island": chance.choice(3, rows, p=shares).astype(float),
        }

    def column(self, name: str) -> Any:
        return self._columns[name]

    def categories(self, name: str) -> list[comparison.Category]:
        return CATEGORIES


def a_monitor(context: WorkspaceContext, **asked: Any) -> Monitor:
    """Of a table of penguins, enabled, with weeks of each state; the last one has drifted."""
    lines = [
        f"{['Torgersen', 'Biscoe', 'Dream'][n % 3]},{3500 + n},seen {n} times,2026-09-{n % 28 + 1:02}T08:00:00"
        for n in range(120)
    ]
    text = "\n".join(["island,body_mass_g,comment,seen_at", *lines])
    put_file(context, STORE, "sightings/all.csv", io.BytesIO(text.encode()), overwrite=True)
    times = {"op": "timestamp_columns", "timestamp": "seen_at"}
    definition = {"sources": [{"datastore": STORE, "path": "sightings/all.csv"}], "operations": [times]}
    version = save(context, "sightings", "tabular", definition)
    about = {"name": "penguins", "baseline": version.pk, "target": version.pk, "frequency": "Week", "is_enabled": True}
    about["performance"] = {
        "labels": version.pk, "task": "classification", "keys": ["comment"], "prediction_column": "island",
        "label_column": "island", "threshold": 0.9, "least_labelled": 0.4,
    }  # fmt: skip
    monitor = monitors.create(context, {**about, "threshold": 0.3, "description": "2026", **asked})
    start = datetime(2026, 8, 31, tzinfo=UTC)
    baseline = Made(0, 400, 4_200, [0.2, 0.5, 0.3])
    excluded = [{"name": "comment", "code": "many_values", "facts": {"unique": 200, "rows": 400}}]
    for number in range(12):
        at = start + timedelta(days=7 * number)
        window = MonitorWindow(
            monitor=monitor, start_at=at, end_at=at + timedelta(days=7), status="completed", finished_at=at
        )
        if number == 4:
            window.status, window.rows = "skipped", {"target": 12}
            window.reason = stored_messages.keep("few_rows", rows=12, least=50)
        elif number == 7:
            window.status, window.reason = "failed", stored_messages.keep("no_timestamp", column="seen_at")
        elif number == 11:
            window.status, window.finished_at = "running", None
            window.lease_until = datetime(2100, 1, 1, tzinfo=UTC)
        else:
            target = Made(number + 1, 200, 4_200 + 60 * number, [0.2, 0.5 - number * 0.03, 0.3 + number * 0.03])
            found = comparison.compare(
                baseline, target, {"body_mass_g": "numeric", "island": "categorical"}, [*excluded]
            )
            window.threshold, window.target = 0.3, version
            for name, value in found.items():
                setattr(window, name, value)
            window.performance = measured(monitor, number)
        window.save()
    return monitor


def measured(monitor: Monitor, number: int) -> dict[str, Any]:
    """How good the model was in a window: less so from one to the next, and of the last ones fewer labels have come."""
    settings = monitor.performance_settings
    assert settings is not None
    labelled = 200 - 12 * number
    found: dict[str, Any] = {"predictions": 200, "labelled": labelled, "without_key": 0, "without_prediction": 0}
    truth = np.arange(labelled) % 3
    predicted = np.where(np.arange(labelled) < 2 * number, 0, truth)
    found |= {"metrics": model_metrics.classification(truth, predicted), "notes": {}, "metric": settings.metric}
    found |= {"threshold": settings.threshold, "labels": str(monitor.labels_id), "measured_at": "2026-11-30T08:00:00Z"}
    return {**found, "has_degraded": settings.has_degraded(found)}
