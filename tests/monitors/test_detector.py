"""`azureml.datadrift` as programs of Azure's documentation use it."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azureml.core import Dataset, Datastore
from azureml.datadrift import AlertConfiguration, DataDriftDetector

from datasets.services.datastores import put_file
from duto import PerformanceConfiguration, PublishedPipeline, Workspace
from duto.exceptions import ActivityFailedException, ConflictException, NotFoundException, UserErrorException
from monitors.models import Monitor, MonitorWindow
from monitors.services import computing
from runs.models import Run
from runs.services.submission import publish
from tests.runs.conftest import RunScenario
from tests.schedules.test_schedules import ws

__all__ = ["ws"]
pytestmark = pytest.mark.django_db(transaction=True)
FLIGHTS = Path(__file__).resolve().parents[2] / "examples/data-references/data"


@pytest.fixture
def target(scenario: RunScenario, ws: Workspace) -> Any:
    for month in (2, 3):
        data = (FLIGHTS / f"lga-2013-0{month}.csv").read_bytes()
        put_file(scenario.context, "workspaceblobstore", f"flights/{month}.csv", io.BytesIO(data), overwrite=True)
    found = Dataset.Tabular.from_delimited_files([(Datastore.get(ws, "workspaceblobstore"), "flights/*.csv")])
    return found.with_timestamp_columns("time_hour").register(ws, "flights")


def test_a_program_makes_a_monitor_backfills_it_and_reads_what_it_found(
    scenario: RunScenario, ws: Workspace, target: Any, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = publish.publish_graph(scenario.context, scenario.graph("train"), name="retrain")
    baseline = target.time_before(datetime(2013, 2, 5))
    features = ["month", "dep_delay", "carrier", "distance", "tailnum"]
    settings.EMAIL_HOST = "mail.example.org"
    monitor = DataDriftDetector.create_from_datasets(
        ws, "flights-monitor", baseline, target, compute_target="cpu", frequency="Week", feature_list=features,
        alert_config=AlertConfiguration(["ana@example.org"]), drift_threshold=0.3, latency=24,
        pipeline_id=PublishedPipeline.get(ws, str(pipeline.pk)).id,
    )  # fmt: skip
    monitor = DataDriftDetector.get_by_name(ws, "flights-monitor")
    assert (monitor.name, monitor.frequency, monitor.interval, monitor.latency) == ("flights-monitor", "Week", 1, 24)
    assert (monitor.compute_target, monitor.drift_threshold, monitor.feature_list) == ("cpu", 0.3, features)
    assert (monitor.state, monitor.enabled, monitor.schedule_start) == ("Disabled", False, None)
    assert monitor.alert_config.email_addresses == ["ana@example.org"] and monitor.drift_type == "DatasetBased"
    assert monitor.target_dataset.id == target.id and monitor.baseline_dataset.id == baseline.id
    assert [each.name for each in DataDriftDetector.list(ws)] == ["flights-monitor"]
    assert (
        DataDriftDetector.list(ws, baseline_dataset=target) == []
        and len(DataDriftDetector.list(ws, target_dataset=target)) == 1
    )

    monitor = monitor.update(feature_list=features[:4], drift_threshold=0.5)
    assert monitor.feature_list == features[:4] and monitor.drift_threshold == 0.5

    backfill = monitor.backfill(datetime(2013, 2, 5), datetime(2013, 3, 6))
    assert backfill.get_status() == "Running" and len(backfill.windows) == 5
    worker = threading.Thread(target=_work)
    worker.start()
    details = backfill.wait_for_completion(show_output=True)
    worker.join()
    assert details["status"] == "Completed" and "drifted" in capsys.readouterr().out
    results, metrics = monitor.get_output(start_time=datetime(2013, 2, 4), end_time=datetime(2013, 4, 1))
    found = {each["start_date"]: each["has_drift"] for each in results[0]["result"]}
    assert found == {"2013-02-04": False, "2013-03-04": True}, "the others have no rows"
    assert set(results[0]) == {"drift_type", "result"} and set(metrics[0]) == {"drift_type", "metrics"}
    assert set(results[0]["result"][0]) == {
        "has_drift", "drift_threshold", "start_date", "end_date", "base_dataset_id", "target_dataset_id",
    }  # fmt: skip
    assert set(metrics[0]["metrics"][0]) == {
        "schema_version", "start_date", "end_date", "baseline_dataset_id", "target_dataset_id", "dataset_metrics", "column_metrics",
    }  # fmt: skip
    inside = monitor.get_output(start_time=datetime(2013, 2, 6), end_time=datetime(2013, 2, 7))[0][0]["result"]
    assert [each["start_date"] for each in inside] == ["2013-02-04"], "a window that a span lies in overlaps it"
    with pytest.raises(UserErrorException, match="names one window"):
        monitor.get_output(start_time=datetime(2013, 2, 6), run_id="x")
    first = metrics[0]["metrics"][0]
    assert first["dataset_metrics"][0]["name"] == "datadrift_coefficient"
    measures = {each["name"]: each["value"] for each in _of(first, "distance")}
    assert (
        measures["wasserstein_distance"] > 0
        and measures["energy_distance"] > 0
        and 0 <= measures["datadrift_contribution"] <= 1
    )
    assert "euclidean_distance" in {each["name"] for each in _of(first, "carrier")}
    assert Run.objects.filter(published_pipeline_id=pipeline.pk).count() == 1
    monitor.show()
    assert "%" in capsys.readouterr().out

    again = monitor.run(datetime(2013, 3, 6), None, compute_target="cpu")
    computing.look_at_all()
    assert (
        again.wait_for_completion()["status"] == "Completed"
        and len(monitor.get_output(run_id=again.id)[0][0]["result"]) == 1
    )
    assert MonitorWindow.objects.count() == 5, "a window is there once"
    monitor.enable_schedule()
    assert monitor.state == "Enabled" and monitor.schedule_start <= datetime.now(UTC)
    assert monitor.schedule_start.weekday() == 0
    monitor.disable_schedule()
    assert DataDriftDetector.get_by_name(ws, "flights-monitor").state == "Disabled"
    monitor.delete()
    assert monitor.state == "Deleted" and not Monitor.objects.exists()
    with pytest.raises(NotFoundException, match="flights-monitor"):
        DataDriftDetector.get_by_name(ws, "flights-monitor")


def test_a_program_measures_a_model_by_labels(ws: Workspace, target: Any, capsys: pytest.CaptureFixture[str]) -> None:
    late = PerformanceConfiguration(
        target, "regression", ["carrier", "flight", "time_hour", "tailnum"], "dep_delay", "arr_delay", threshold=5.0,
        lateness_hours=24,
    )  # fmt: skip
    monitor = DataDriftDetector.create_from_datasets(ws, "delays", target, target, frequency="Month", performance=late)
    found = monitor.performance
    assert found is not None and found.labels.id == target.id and (found.metric, found.lateness_hours) == ("mae", 24)
    found.metric, found.threshold = "rmse", 1.0
    assert monitor.update(performance=found).performance.threshold == 1.0
    run = monitor.run(datetime(2013, 3, 15))
    computing.look_at_all()
    run.wait_for_completion(show_output=True)
    (measured,) = monitor.get_performance()
    assert measured["start_date"] == "2013-03-01" and measured["has_degraded"] is True
    assert (
        measured["metrics"]["rmse"] > 1 and measured["labelled"] > 50 and measured["predictions"] > measured["labelled"]
    )
    assert "labelled)  degraded" in capsys.readouterr().out
    found.keys = ["flight"]
    with pytest.raises(UserErrorException, match="'keys' stays as it was made"):
        monitor.update(performance=found)


def _of(metrics: dict[str, Any], feature: str) -> list[dict[str, Any]]:
    return next(each[feature] for each in metrics["column_metrics"] if feature in each)


def _work() -> None:
    from django.db import connections

    try:
        computing.look_at_all()
    finally:
        connections.close_all()


def test_what_cannot_be_meant_is_refused_with_what_to_do(scenario: RunScenario, ws: Workspace, target: Any) -> None:
    plain = Dataset.Tabular.from_delimited_files([(Datastore.get(ws, "workspaceblobstore"), "flights/2.csv")])
    with pytest.raises(UserErrorException, match="with_timestamp_columns"):
        DataDriftDetector.create_from_datasets(ws, "m", plain, plain)
    with pytest.raises(UserErrorException, match="frequency"):
        DataDriftDetector.create_from_datasets(ws, "m", plain, target, frequency="Hour")
    with pytest.raises(ConflictException, match="no mail server"):
        DataDriftDetector.create_from_datasets(
            ws, "m", plain, target, alert_config=AlertConfiguration("ana@example.org")
        )
    monitor = DataDriftDetector.create_from_datasets(ws, "m", plain, target)
    with pytest.raises(ConflictException, match="There is a monitor 'm'"):
        DataDriftDetector.create_from_datasets(ws, "m", plain, target)
    with pytest.raises(UserErrorException, match="no column 'nope'"):
        monitor.update(feature_list=["nope"])
    with pytest.raises(UserErrorException, match="more than 31"):
        monitor.backfill(datetime(2013, 1, 1), datetime(2013, 3, 1))
    with pytest.raises(UserErrorException, match="by `update` first"):
        monitor.run(datetime(2013, 3, 1), feature_list=["month"])
    with pytest.raises(UserErrorException, match="has not begun"):
        monitor.run(datetime.now(UTC) + timedelta(days=3))
    put_file(scenario.context, "workspaceblobstore", "flights/2.csv", io.BytesIO(b'a\n"1\n'), overwrite=True)
    failing = monitor.run(datetime(2013, 2, 20))
    computing.look_at_all()
    with pytest.raises(ActivityFailedException, match="2013-02-20"):
        failing.wait_for_completion()
    assert monitor.get_output() == (
        [{"drift_type": "DatasetBased", "result": []}],
        [{"drift_type": "DatasetBased", "metrics": []}],
    )
