"""From tables to windows with a magnitude: what is compared, what is not and why, once, whoever dies on the way."""

from __future__ import annotations

import csv
import io
import math
import random
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.utils import translation

from core.clock import now
from core.errors import ConcurrentUpdate
from datasets.models import DatasetVersion
from datasets.services import versions
from datasets.services.datastores import put_file
from monitors import stored_messages
from monitors.models import Monitor, MonitorWindow
from monitors.services import computing, monitors, queueing, retraining
from notifications.models import Alert, Rule
from notifications.services import matching
from pipelines.services import published
from runs.models import Run
from runs.services.submission import publish
from tests.runs.conftest import RunScenario
from workspaces.models import Member, Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
STORE = "workspaceblobstore"
FLIGHTS = Path(__file__).resolve().parents[2] / "examples/data-references/data"
MARCH = ("2013-03-01T00:00:00Z", "2013-04-01T00:00:00Z")
TIMES = {"op": "timestamp_columns", "timestamp": "time_hour"}


def table(scenario: RunScenario, name: str, text: str, *operations: dict[str, Any], **form: Any) -> DatasetVersion:
    put_file(scenario.context, STORE, f"{name}/rows.csv", io.BytesIO(text.encode()), overwrite=True)
    definition = {
        "sources": [{"datastore": STORE, "path": f"{name}/*.csv"}], "format": {"type": "delimited", **form},
        "operations": list(operations),
    }  # fmt: skip
    return versions.save(scenario.context, name, "tabular", definition, create_new_version=True)


def flights(scenario: RunScenario, month: int, *operations: dict[str, Any]) -> DatasetVersion:
    return table(scenario, f"lga-{month}", (FLIGHTS / f"lga-2013-0{month}.csv").read_text(), *operations)


def made(scenario: RunScenario, **asked: Any) -> Monitor:
    asked = {
        "name": "flights", "frequency": "Month",
        "baseline": lambda: flights(scenario, 2).pk, "target": lambda: flights(scenario, 3, TIMES).pk, **asked,
    }  # fmt: skip
    return monitors.create(scenario.context, {name: each() if callable(each) else each for name, each in asked.items()})


def looked(scenario: RunScenario, monitor: Monitor, start: str = MARCH[0], end: str = MARCH[1]) -> MonitorWindow:
    asked = monitors.backfill(scenario.context, monitor, datetime.fromisoformat(start), datetime.fromisoformat(end))
    computing.look_at_all()
    return MonitorWindow.objects.select_related("monitor__workspace").get(pk=asked[-1].pk)


def rows(*columns: Any, days: int = 1, each_day: int = 100, first: str = "2026-01-01") -> str:
    """Lines of a table with a time `at`, whose columns are (name, value by the number of the row)."""
    start = datetime.fromisoformat(first)
    lines = [",".join(["at", *(name for name, _value in columns)])]
    for number in range(days * each_day):
        at = start + timedelta(days=number // each_day, seconds=number % each_day)
        lines.append(",".join([at.isoformat(), *(str(value(number)) for _name, value in columns)]))
    return "\n".join(lines) + "\n"


def test_flights_of_march_are_compared_with_those_of_february(scenario: RunScenario) -> None:
    window = looked(scenario, made(scenario))
    with (FLIGHTS / "lga-2013-03.csv").open() as file:
        march = [row for row in csv.DictReader(file) if row["time_hour"] >= "2013-03"]
    assert (window.status, window.rows) == ("completed", {"baseline": 567, "target": len(march)}), window.reason
    assert window.magnitude is not None and 0 <= window.magnitude <= 1
    found = {each["name"]: each for each in window.features}
    assert found["month"]["magnitude"] == pytest.approx(1, abs=0.01), "2 and 3 tell all rows apart"
    assert found["month"]["metrics"]["wasserstein"] == 1 and found["month"]["metrics"]["kolmogorov_smirnov"] == 1
    assert found["year"]["metrics"]["psi"] == 0 and found["year"]["magnitude"] == 0
    delay = found["dep_delay"]
    present = [float(row["dep_delay"]) for row in march if row["dep_delay"] not in ("", "NA")]
    assert delay["target"]["mean"] == pytest.approx(sum(present) / len(present))
    assert delay["target"]["missing"] == pytest.approx(1 - len(present) / len(march))
    assert sum(delay["histogram"]["target"]) == len(present)
    carriers = {name: (before, after) for name, before, after in found["carrier"]["categories"]}
    assert carriers["DL"][1] == sum(row["carrier"] == "DL" for row in march)
    excluded = {each["name"]: each["code"] for each in window.excluded}
    assert excluded["tailnum"] == "many_values" and "time_hour" not in excluded, (
        "a number for each plane is no category"
    )
    assert window.features[0]["magnitude"] == max(each["magnitude"] for each in window.features)


def test_the_same_rows_have_hardly_any_drift_and_moved_ones_have(scenario: RunScenario) -> None:
    chance = random.Random(5)
    kinds = [("x", lambda _n: f"{chance.gauss(0, 1):.4f}"), ("kind", lambda _n: chance.choice("abc"))]
    before = table(scenario, "before", rows(*kinds, each_day=600))
    moved = [("x", lambda _n: f"{chance.gauss(2, 1):.4f}"), ("kind", lambda _n: chance.choice("abd"))]
    lines = rows(*kinds, each_day=600) + rows(*moved, each_day=600, first="2026-01-02").partition("\n")[2]
    after = table(scenario, "after", lines)
    monitor = made(scenario, baseline=before.pk, target=after.pk, timestamp_column="at", frequency="Day", threshold=0.3)
    asked = monitors.backfill(
        scenario.context, monitor, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    )
    computing.look_at_all()
    calm, moved_window = MonitorWindow.objects.filter(monitor=monitor).order_by("start_at")
    assert len(asked) == 2 and calm.rows == moved_window.rows == {"baseline": 600, "target": 600}
    assert calm.magnitude < 0.1 and calm.has_drifted is False
    assert moved_window.magnitude > 0.65 and moved_window.has_drifted is True
    kind = next(each for each in moved_window.features if each["name"] == "kind")
    assert kind["new_categories"] == ["d"] and kind["metrics"]["new_categories"] == 1
    assert kind["metrics"]["new_share"] == pytest.approx(1 / 3, abs=0.06)


@pytest.mark.parametrize(("baseline", "target", "status", "code", "facts"), [
    ({}, {"first": "2027-01-01"}, "skipped", "no_rows", {"rows": 0, "least": 50}),
    ({}, {"each_day": 49}, "skipped", "few_rows", {"rows": 49, "least": 50}),
    ({"each_day": 49}, {}, "skipped", "few_baseline_rows", {"rows": 49, "least": 50}),
])  # fmt: skip
def test_a_window_with_too_few_rows_says_so_and_has_no_number(
    scenario: RunScenario, baseline: Any, target: Any, status: str, code: str, facts: Any
) -> None:
    x = ("x", lambda n: n % 7)
    before, after = table(scenario, "b", rows(x, **baseline)), table(scenario, "t", rows(x, **target))
    monitor = made(scenario, baseline=before.pk, target=after.pk, timestamp_column="at", frequency="Day")
    window = looked(scenario, monitor, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert (window.status, window.magnitude, window.has_drifted, window.features) == (status, None, None, [])
    assert (window.reason["code"], window.reason["facts"]) == (code, facts)
    with translation.override("pt"):
        assert window.localized_reason != window.reason["text"]


def test_columns_that_cannot_be_compared_say_why(scenario: RunScenario) -> None:
    same = ("same", lambda n: n % 5)
    before = table(scenario, "b", rows(
        same, ("gone", lambda n: n), ("changed", lambda n: n), ("sparse", lambda n: "" if n % 5 == 0 else n),
        ("id", lambda n: f"k{n}"), ("when", lambda _n: "2026-01-01"),
    ))  # fmt: skip
    after = table(scenario, "t", rows(
        same, ("changed", lambda n: f"v{n % 3}"), ("sparse", lambda n: n), ("id", lambda n: f"k{n}"),
        ("when", lambda _n: "2026-01-01"), ("extra", lambda n: n),
    ))  # fmt: skip
    monitor = made(scenario, baseline=before.pk, target=after.pk, timestamp_column="at", frequency="Day")
    window = looked(scenario, monitor, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert [each["name"] for each in window.features] == ["same"]
    assert {each["name"]: each["code"] for each in window.excluded} == {
        "gone": "vanished", "changed": "type_changed", "sparse": "many_missing_baseline", "id": "many_values",
        "when": "no_values_to_compare", "extra": "not_in_baseline",
    }  # fmt: skip
    body = scenario.get(f"monitors/{monitor.pk}/windows/{window.pk}/").json()
    reasons = {each["name"]: each["reason"] for each in body["excluded"]}
    assert reasons["changed"] == "Its type has changed from long to string."
    assert reasons["sparse"] == "More than 15 % of its values are missing in the baseline (20.0 %)."
    table(scenario, "t", rows(("other", lambda n: n)))
    window = looked(scenario, monitor, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert (window.status, window.reason["code"]) == ("failed", "no_features")
    assert "vanished" in {each["code"] for each in window.excluded}
    table(scenario, "t", "x\n1\n")
    window = looked(scenario, monitor, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert (window.status, window.reason["code"], window.features) == ("failed", "no_timestamp", [])


@pytest.mark.parametrize(("asked", "status", "code"), [
    ({"name": "a\nb"}, 400, "bad_name"), ({"frequency": "Hour"}, 400, "invalid"), ({"threshold": 0}, 400, "bad_threshold"),
    ({"threshold": math.nan}, 400, None), ({"features": []}, 400, "bad_features"), ({"features": ["nope"]}, 400, "bad_features"),
    ({"time_zone": "Mars/Base"}, 400, "bad_zone"), ({"latency_hours": 10_000}, 400, "bad_latency"),
    ({"timestamp_column": "carrier"}, 422, "no_timestamp"), ({"timestamp_column": "nope"}, 422, "no_timestamp"),
    ({"baseline": "00000000-0000-0000-0000-000000000000"}, 404, "unknown_dataset"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(
    scenario: RunScenario, asked: dict[str, Any], status: int, code: str | None
) -> None:
    whole = {
        "name": "m", "frequency": "Month", "baseline": str(flights(scenario, 2).pk),
        "target": str(flights(scenario, 3, TIMES).pk), **asked,
    }  # fmt: skip
    answer = scenario.post("monitors/", whole)
    assert answer.status_code == status, answer.content
    if code:
        assert answer.json()["error"]["code"] == code, answer.content
    assert not Monitor.objects.exists()


def test_windows_become_due_by_themselves_once(scenario: RunScenario) -> None:
    monitor = made(scenario, frequency="Day", is_enabled=True, latency_hours=2)
    assert monitor.next_at is not None and monitor.next_at > now()
    queueing.check_due()
    assert not MonitorWindow.objects.exists()
    start = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=40)
    Monitor.objects.update(next_start=start, next_at=start + timedelta(days=1))
    queueing.check_due(), queueing.check_due()
    found = list(MonitorWindow.objects.order_by("start_at"))
    assert len(found) in (30, 31) and found[0].status == "queued", "of those that were missed the newest"
    fresh = Monitor.objects.get()
    assert fresh.next_start == found[-1].end_at and fresh.next_at == fresh.next_start + timedelta(days=1, hours=2)
    monitor.refresh_from_db()
    monitors.change(scenario.context, monitor, {"is_enabled": False})
    assert Monitor.objects.get().next_at is None


def test_two_workers_look_at_a_window_once_and_one_that_dies_is_followed(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = made(scenario)
    (window,) = monitors.backfill(scenario.context, monitor, *map(datetime.fromisoformat, MARCH))
    mine, theirs = (MonitorWindow.objects.select_related("monitor__workspace").get() for _each in range(2))
    computing._Lease(mine).take()
    with pytest.raises(ConcurrentUpdate):
        computing._Lease(theirs).take()
    computing.look_at_all()
    assert MonitorWindow.objects.get().status == "running", "whose lease holds is left alone"
    MonitorWindow.objects.update(lease_until=now() - timedelta(seconds=1))
    sent: list[str] = []
    monkeypatch.setattr(queueing, "send", sent.append)
    queueing.check_due()
    assert sent == [queueing.TASK]
    computing.look_at_all()
    window = MonitorWindow.objects.get()
    assert (window.status, window.tries) == ("completed", 2)
    MonitorWindow.objects.update(status="running", tries=5, lease_until=now() - timedelta(seconds=1))
    computing.look_at_all()
    window = MonitorWindow.objects.get()
    assert (window.status, window.reason["code"], window.magnitude) == ("failed", "interrupted", None)


def test_a_process_that_is_killed_is_told(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that compares, and not the worker, is lost by what is in a file."""
    monitor = made(scenario)
    answers = computing.child.Child.answers

    def killed(child: Any, alive: Any) -> Any:
        psutil.Process(child._process.pid).send_signal(signal.SIGKILL)
        return answers(child, alive)

    monkeypatch.setattr(computing.child.Child, "answers", killed)
    window = looked(scenario, monitor)
    assert (window.status, window.reason["code"]) == ("failed", "reader_killed")
    monkeypatch.undo()
    assert looked(scenario, monitor).status == "completed", "it can be looked at again"
    assert MonitorWindow.objects.count() == 1


def test_drift_starts_a_run_once_a_window(scenario: RunScenario) -> None:
    pipeline = publish.publish_graph(scenario.context, scenario.graph("train"), name="retrain")
    monitor = made(scenario, pipeline=pipeline.pk, threshold=0.1, features=["month"])
    window = looked(scenario, monitor)
    run = window.run
    assert run is not None and window.triggered_at is not None and window.trigger_at is None
    assert run.trigger == {"kind": "monitor", "name": "flights"} and run.tags["monitor"] == "flights"
    looked(scenario, monitor), retraining.start_due()
    assert Run.objects.filter(published_pipeline_id=pipeline.pk).count() == 1, "looked at again, it starts nothing"
    monitors.change(scenario.context, monitor, {"features": ["year"]})
    calm = looked(scenario, monitor, "2013-02-01T00:00:00Z", "2013-02-02T00:00:00Z")
    assert calm.run is None and calm.trigger_at is None


def test_a_run_that_cannot_be_started_says_why(scenario: RunScenario) -> None:
    pipeline = publish.publish_graph(scenario.context, scenario.graph("train"), name="retrain")
    monitor = made(scenario, pipeline=pipeline.pk, threshold=0.1, features=["month"])
    published.set_status(scenario.context, pipeline, "Disabled")
    window = looked(scenario, monitor)
    assert window.run is None and "disabled" in stored_messages.localized(window.trigger_error), window.trigger_error
    Member.objects.filter(user=scenario.owner).update(role=Role.READER)
    MonitorWindow.objects.update(trigger_at=now())
    retraining.start_due()
    assert MonitorWindow.objects.get().trigger_error["code"] == "nobody"


def test_the_newest_version_of_the_target_is_read(scenario: RunScenario) -> None:
    monitor = made(scenario)
    first = looked(scenario, monitor)
    newer = table(scenario, "lga-3", (FLIGHTS / "lga-2013-03.csv").read_text(), TIMES, {"op": "take", "count": 100})
    second = looked(scenario, monitor)
    assert first.rows["target"] > 200 and second.rows["target"] <= 100 and second.target_id == newer.pk


def test_what_members_may(scenario: RunScenario) -> None:
    monitor = made(scenario)
    reader = scenario.member("rui", Role.READER)
    base = f"{scenario.base}monitors/{monitor.pk}/"
    assert reader.get(base).json()["name"] == "flights" and reader.get(f"{base}windows/").json()["items"] == []
    span = {"start": MARCH[0], "end": MARCH[1]}
    for answer in (
        reader.patch(base, {"threshold": 0.5}, content_type="application/json"), reader.delete(base),
        reader.post(f"{base}run/", {}, content_type="application/json"),
        reader.post(f"{base}backfill/", span, content_type="application/json"),
    ):  # fmt: skip
        assert answer.status_code == 403
    assert scenario.post(f"monitors/{monitor.pk}/backfill/", {"start": MARCH[1], "end": MARCH[0]}).status_code == 400
    many = {"start": "2000-01-01T00:00:00Z", "end": MARCH[1]}
    assert scenario.post(f"monitors/{monitor.pk}/backfill/", many).json()["error"]["code"] == "many_windows"
    ahead = {"start": "2099-01-01T00:00:00Z", "end": "2099-03-01T00:00:00Z"}
    assert scenario.post(f"monitors/{monitor.pk}/backfill/", ahead).json()["error"]["code"] == "not_over"
    assert (
        scenario.post(f"monitors/{monitor.pk}/run/", {"at": "2013-03-15T12:00:00Z"}).json()["start"]
        == "2013-03-01T00:00:00.000000Z"
    )
    assert scenario.post("monitors/", {**_body(monitor)}).json()["error"]["code"] == "taken"


def _body(monitor: Monitor) -> dict[str, Any]:
    return {
        "name": monitor.name,
        "frequency": "Day",
        "baseline": str(monitor.baseline_id),
        "target": str(monitor.target_id),
    }


def test_drift_is_told_once_a_window(scenario: RunScenario) -> None:
    rule = Rule.objects.create(
        workspace=scenario.workspace, owner=scenario.owner, name="r", events=["drift"], by_browser=True
    )
    Rule.objects.create(
        workspace=scenario.workspace, owner=scenario.owner, name="other", events=["failed"], by_browser=True
    )
    monitor = made(scenario, threshold=0.1, features=["month"])
    window = looked(scenario, monitor)
    matching.match_all()
    looked(scenario, monitor), matching.match_all()
    (alert,) = Alert.objects.select_related("delivery__rule")
    assert (alert.event, alert.subject, alert.delivery.rule) == ("drift", window.pk, rule)
    assert (
        alert.facts["title"] == "The data of the monitor flights have drifted" and "month (100%)" in alert.facts["why"]
    )
    assert alert.facts["url"].endswith(f"/monitors/{monitor.pk}/windows/{window.pk}/")
    monitors.change(scenario.context, monitor, {"features": ["year"], "threshold": 0.5})
    looked(scenario, monitor, "2013-02-01T00:00:00Z", "2013-02-02T00:00:00Z"), matching.match_all()
    assert Alert.objects.count() == 1, "what is calm tells nothing"
