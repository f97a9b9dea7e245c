"""How good a model is: metrics against scikit-learn's, labels that come in parts, and what is told and started of it."""

from __future__ import annotations

import csv
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from core.clock import now
from monitors import model_metrics
from monitors.models import Monitor, MonitorWindow
from monitors.services import computing, measuring, monitors, queueing
from notifications.models import Alert, Rule
from notifications.services import matching
from runs.models import Run
from runs.services.submission import publish
from tests.monitors.test_monitors import FLIGHTS, looked, rows, table
from tests.runs.conftest import RunScenario
from workspaces.models import Role

in_database = pytest.mark.django_db(transaction=True)
SPAN = ("2013-03-01T00:00:00Z", "2013-04-01T00:00:00Z")
codes = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)
numbers = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=60)


@given(codes)
def test_classes_are_measured_as_scikit_learn_measures_them(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    found = model_metrics.classification(truth, predicted)
    more: dict[str, Any] = {"average": "macro", "zero_division": 0}
    assert found == pytest.approx({
        "accuracy": sklearn.accuracy_score(truth, predicted),
        "precision_macro": sklearn.precision_score(truth, predicted, **more),
        "recall_macro": sklearn.recall_score(truth, predicted, **more),
        "f1_macro": sklearn.f1_score(truth, predicted, **more),
    })  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 1.0])), min_size=2, max_size=60))
def test_the_area_under_the_curve_is_that_of_scikit_learn(pairs: list[tuple[bool, float]]) -> None:
    truth, scores = np.array([each for each, _score in pairs]), np.array([score for _each, score in pairs])
    found = model_metrics.roc_auc(truth, scores)
    if truth.all() or not truth.any():
        assert found is None
    else:
        assert found == pytest.approx(sklearn.roc_auc_score(truth, scores))


@given(numbers)
def test_numbers_are_measured_as_scikit_learn_measures_them(pairs: list[tuple[float, float]]) -> None:
    truth, predicted = np.array(pairs).T
    found = model_metrics.regression(truth, predicted)
    assert found["mae"] == pytest.approx(sklearn.mean_absolute_error(truth, predicted))
    assert found["rmse"] == pytest.approx(sklearn.root_mean_squared_error(truth, predicted))
    assert found["r2"] == pytest.approx(sklearn.r2_score(truth, predicted), rel=1e-6, abs=1e-9)


def test_what_cannot_be_reckoned_is_no_number() -> None:
    constant = np.full(3, 2.0)
    assert (
        model_metrics.regression(constant, constant)["r2"] == 1
        and model_metrics.regression(constant, constant + 1)["r2"] == 0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        huge = model_metrics.regression(np.array([1e308, 0.0]), np.array([-1e308, 0.0]))
    assert huge == {"mae": None, "rmse": None, "r2": None}


def flown() -> list[dict[str, str]]:
    """The flights of March that have departed and arrived, as they were recorded."""
    with (FLIGHTS / "lga-2013-03.csv").open() as file:
        found = [
            row for row in csv.DictReader(file) if row["arr_delay"] not in ("", "NA") and row["time_hour"] >= "2013-03"
        ]
    return found


def predictions(scenario: RunScenario, name: str = "predictions") -> Any:
    """That a flight arrives late if it has departed late; the score is by how much."""
    lines = ["carrier,flight,at,late,score,delay"]
    for row in flown():
        late = float(row["dep_delay"]) > 15
        lines.append(
            f"{row['carrier']},{row['flight']},{row['time_hour']},{late},{row['dep_delay']},{row['dep_delay']}"
        )
    return table(scenario, name, "\n".join(lines), {"op": "timestamp_columns", "timestamp": "at"})


def labels(scenario: RunScenario, count: int | None = None, *more: str) -> Any:
    lines = ["carrier,flight,at,was_late,was_delay"]
    for row in flown()[:count]:
        lines.append(
            f"{row['carrier']},{row['flight']},{row['time_hour']},{float(row['arr_delay']) > 15},{row['arr_delay']}"
        )
    return table(scenario, "arrivals", "\n".join([*lines, *more]))


def measured(scenario: RunScenario, **asked: Any) -> Monitor:
    target = predictions(scenario)
    about = {
        "labels": labels(scenario).pk, "task": "classification", "keys": ["carrier", "flight", "at"],
        "prediction_column": "late", "label_column": "was_late", "score_column": "score", **asked.pop("about", {}),
    }  # fmt: skip
    asked = {
        "name": "arrivals",
        "frequency": "Month",
        "baseline": target.pk,
        "target": target.pk,
        "features": ["score"],
        **asked,
    }
    return monitors.create(scenario.context, {**asked, "performance": about})


class TestWindows:
    pytestmark = in_database

    def test_predictions_of_recorded_flights_are_measured(self, scenario: RunScenario) -> None:
        window = looked(scenario, measured(scenario), *SPAN)
        truth = [float(row["arr_delay"]) > 15 for row in flown()]
        scores = [float(row["dep_delay"]) for row in flown()]
        predicted = [score > 15 for score in scores]
        found = window.performance
        assert window.status == "completed" and window.magnitude is not None
        assert (found["predictions"], found["labelled"], found["has_degraded"]) == (len(truth), len(truth), None)
        assert found["metrics"] == pytest.approx({
            "accuracy": sklearn.accuracy_score(truth, predicted), "f1_macro": sklearn.f1_score(truth, predicted, average="macro"),
            "precision_macro": sklearn.precision_score(truth, predicted, average="macro"),
            "recall_macro": sklearn.recall_score(truth, predicted, average="macro"), "roc_auc": sklearn.roc_auc_score(truth, scores),
        })  # fmt: skip
        about = {"task": "regression", "prediction_column": "delay", "label_column": "was_delay", "score_column": ""}
        window = looked(scenario, measured(scenario, name="delays", about=about), *SPAN)
        delays = [float(row["arr_delay"]) for row in flown()]
        assert window.performance["metrics"] == pytest.approx({
            "mae": sklearn.mean_absolute_error(delays, scores), "rmse": sklearn.root_mean_squared_error(delays, scores),
            "r2": sklearn.r2_score(delays, scores),
        })  # fmt: skip
        assert window.metric == window.performance["metrics"]["mae"]

    def test_labels_that_come_later_are_measured_and_told_once(self, scenario: RunScenario) -> None:
        """60 labels are too small a share; with all of them the model is worse than its threshold, is told and starts a run."""
        pipeline = publish.publish_graph(scenario.context, scenario.graph("train"), name="retrain")
        Rule.objects.create(
            workspace=scenario.workspace, owner=scenario.owner, name="r", events=["performance"], by_browser=True
        )
        hours = int((now() - datetime(2013, 4, 1, tzinfo=UTC)).total_seconds() // 3600) + 5
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(measuring, "MOST_LATENESS", hours)
            about = {"threshold": 0.99, "lateness_hours": hours}
            monitor = measured(scenario, about=about, pipeline=pipeline.pk)
        labels(scenario, 20)
        window = looked(scenario, monitor, *SPAN)
        assert window.performance["reason"]["code"] == "few_labels" and window.metric is None
        labels(scenario, 60)
        self._an_hour_later()
        window.refresh_from_db()
        total = len(flown())
        assert window.performance["labelled"] == 60 and window.performance["predictions"] == total
        assert window.metric is not None and window.metric < 0.99 and window.has_degraded is None and window.run is None
        before = window.magnitude, window.features
        labels(scenario)
        self._an_hour_later()
        window.refresh_from_db()
        assert window.performance["labelled"] == total and window.has_degraded is True
        assert (window.status, window.magnitude, window.features) == ("completed", *before), "what was compared stays"
        self._an_hour_later()
        assert Monitor.objects.get().labels_at is None, "nothing more is waited for"
        assert window.run is not None and window.run.tags["monitor"] == "arrivals"
        matching.match_all()
        looked(scenario, monitor, *SPAN), matching.match_all()
        assert Run.objects.filter(published_pipeline_id=pipeline.pk).count() == 1
        (alert,) = Alert.objects.all()
        assert alert.event == "performance" and "accuracy is 0." in alert.facts["why"], alert.facts
        assert f"{total} labelled predictions of {total}" in alert.facts["why"]

    def _an_hour_later(self) -> None:
        """The ticker finds that labels are to be looked for, and a worker does."""
        assert Monitor.objects.get().labels_at is not None
        Monitor.objects.update(labels_at=now() - timedelta(seconds=1))
        sent: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(queueing, "send", sent.append)
            queueing.check_due()
        assert sent == [queueing.TASK]
        computing.look_at_all()

    def test_nothing_is_measured_again_while_labels_are_the_same(self, scenario: RunScenario) -> None:
        monitor = measured(scenario)
        labels(scenario, 60)
        window = looked(scenario, monitor, *SPAN)
        assert Monitor.objects.get().labels_at is None, "labels of 2013 are not waited for"
        Monitor.objects.update(labels_at=now() - timedelta(seconds=1))
        MonitorWindow.objects.update(end_at=now())
        at = window.performance["measured_at"]
        measuring.look_for_labels()
        window.refresh_from_db()
        assert (window.status, window.performance["measured_at"]) == ("completed", at)

    @pytest.mark.parametrize(("lines", "about", "code", "said"), [
        (["DL,1,2013-03-01T10:00:00,True,1", "DL,1,2013-03-01T10:00:00,False,1"], {}, None, ""),
        (["{key},True,1", "{key},False,1"], {}, "conflicting_labels", "Keep one label for each key"),
        ([], {"label_column": "was_delay"}, "label_type", "are bool and the labels"),
        ([], {"keys": ["flight"]}, "conflicting_labels", "keys have two different labels"),
        ([], {"score_column": "carrier"}, "no_numbers_in", "holds no numbers"),
    ])  # fmt: skip
    def test_what_cannot_be_joined_says_why_and_drift_is_told_all_the_same(
        self, scenario: RunScenario, lines: list[str], about: dict[str, Any], code: str | None, said: str
    ) -> None:
        """Two labels of a flight that nobody predicted are nothing to worry about."""
        monitor = measured(scenario, about=about)
        first = flown()[0]
        key = f"{first['carrier']},{first['flight']},{first['time_hour']}"
        labels(scenario, None, *(line.replace("{key}", key) for line in lines))
        window = looked(scenario, monitor, *SPAN)
        assert window.status == "completed" and window.magnitude is not None
        shown = scenario.get(f"monitors/{monitor.pk}/windows/{window.pk}/").json()["performance"]
        assert window.performance.get("reason", {}).get("code") == code and said in shown["reason"], shown
        assert (shown["metrics"] is None) == (code is not None)

    def test_rows_without_a_key_a_value_or_a_score_are_counted(self, scenario: RunScenario) -> None:
        own = [
            ("id", lambda n: "" if n == 0 else n), ("guess", lambda n: "" if n == 1 else n % 2),
            ("score", lambda n: "" if n == 2 else n % 2),
        ]  # fmt: skip
        target = table(scenario, "t", rows(*own, each_day=100))
        truth = table(
            scenario, "l", rows(("id", lambda n: n), ("truth", lambda n: "" if n == 3 else n % 2), each_day=100)
        )
        asked = {
            "labels": str(truth.pk), "task": "classification", "keys": ["id"], "prediction_column": "guess",
            "label_column": "truth", "score_column": "score",
        }  # fmt: skip
        body = {
            "name": "m",
            "frequency": "Day",
            "baseline": str(target.pk),
            "target": str(target.pk),
            "timestamp_column": "at",
        }
        assert scenario.post("monitors/", {**body, "performance": asked}).status_code == 201
        window = looked(scenario, Monitor.objects.get(), "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
        found = window.performance
        assert [found[name] for name in ("predictions", "labelled", "without_key", "without_prediction")] == [
            100,
            97,
            1,
            1,
        ]
        assert found["metrics"] == {
            "accuracy": 1,
            "precision_macro": 1,
            "recall_macro": 1,
            "f1_macro": 1,
            "roc_auc": None,
        }
        assert (
            found["notes"]["roc_auc"]["code"] == "missing_scores" and found["notes"]["roc_auc"]["facts"]["count"] == 1
        )

    def test_what_cannot_be_meant_is_refused(self, scenario: RunScenario) -> None:
        target, truth = predictions(scenario), labels(scenario)
        body = {"name": "m", "frequency": "Day", "baseline": str(target.pk), "target": str(target.pk)}
        right = {
            "labels": str(truth.pk), "task": "classification", "keys": ["flight"], "prediction_column": "late",
            "label_column": "was_late",
        }  # fmt: skip
        for wrong, status, said in (
            ({"task": "ranking"}, 400, "task"), ({"keys": []}, 400, "1 to 20 columns"), ({"keys": ["nope"]}, 422, "no column 'nope'"),
            ({"label_column": "late"}, 422, "labels have no column"), ({"metric": "roc_auc"}, 400, "needs a column of scores"),
            ({"metric": "mae"}, 400, "accuracy"), ({"lateness_hours": 99_999}, 400, "hours"), ({"least_labelled": 2}, 400, "1"),
            ({"labels": None}, 400, "labels"), ({"threshold": 0.5, "metric": "auc"}, 400, "accuracy"),
            ({"task": "regression", "score_column": "score"}, 400, "classification alone"),
        ):  # fmt: skip
            answer = scenario.post("monitors/", {**body, "performance": {**right, **wrong}})
            assert answer.status_code == status and said in answer.content.decode(), (wrong, answer.content)
        made = scenario.post("monitors/", {**body, "performance": right}).json()
        assert made["performance"]["metric"] == "accuracy" and made["performance"]["labels"] == str(truth.pk)
        place = f"{scenario.base}monitors/{made['id']}/"
        change = lambda asked: scenario.client.patch(place, {"performance": asked}, content_type="application/json")  # noqa: E731
        assert change({"threshold": 0.8, "metric": "f1_macro"}).json()["performance"]["threshold"] == 0.8
        assert change({"keys": ["flight"]}).status_code == 200
        for asked in ({"keys": ["at"]}, None):
            assert change(asked).json()["error"]["code"] == "bad_performance"
        assert Monitor.objects.get().performance["metric"] == "f1_macro"
        reader = scenario.member("rui", Role.READER)
        assert (
            reader.patch(place, {"performance": {"threshold": 0.1}}, content_type="application/json").status_code == 403
        )
