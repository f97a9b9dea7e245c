"""The pages of monitors: what they show, what their forms make, who may."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from monitors.models import Monitor, MonitorWindow
from monitors.services import computing, monitors
from monitors.web import charts
from pipelines.services import endpoints
from registry.models import ModelVersion, RegisteredModel
from runs.services.submission import publish
from tests.monitor_scenario import a_monitor
from tests.monitors.test_monitors import TIMES, flights
from tests.runs.conftest import RunScenario
from tests.schedules.test_schedules import seen, visitor
from workspaces.models import Member, Role, User

__all__ = ["visitor"]
pytestmark = [pytest.mark.django_db(transaction=True)]


def test_the_pages_tell_of_a_monitor_and_its_windows(scenario: RunScenario, visitor: Client) -> None:
    assert "No monitors yet" in seen(visitor, "monitors/")
    monitor = a_monitor(scenario.context)
    found = seen(visitor, "monitors/")
    assert "penguins" in found and "sightings v1" in found
    assert "No monitor has this in its name" in seen(visitor, "monitors/?q=whales")
    page = seen(visitor, f"monitors/{monitor.pk}/")
    windows = list(MonitorWindow.objects.filter(monitor=monitor).order_by("start_at"))
    drifted = [each for each in windows if each.has_drifted]
    degraded = [each for each in windows if each.has_degraded]
    assert drifted and degraded and page.count(" drifted") >= len(drifted) + len(degraded)
    assert page.count('class="none"') == 6 == sum((each.magnitude is None) + (each.metric is None) for each in windows)
    assert "hollow" not in page and page.count(" partial") == sum(each.metric is not None for each in windows[1:]) + 1
    assert "fewer than 50 say too little" in page and "no column 'seen_at' any more" in page
    for each in windows:
        assert f"/windows/{each.pk}/" in page
    shown = seen(visitor, f"monitors/{monitor.pk}/windows/{drifted[-1].pk}/")
    assert "Drifted" in shown and "body_mass_g" in shown and "Torgersen" in shown and "Wasserstein distance" in shown
    assert "200 different texts in 400 rows" in shown, "what was not compared says why"
    failed = seen(visitor, f"monitors/{monitor.pk}/windows/{windows[7].pk}/")
    assert "no column 'seen_at' any more" in failed and "Magnitude" not in failed
    answer = visitor.get("/w/lab/monitors/00000000-0000-0000-0000-000000000000/")
    assert answer.status_code == 404


def test_the_form_makes_changes_and_refuses(scenario: RunScenario, visitor: Client) -> None:
    assert "No table yet" in seen(visitor, "monitors/new/")
    pipeline = publish.publish_graph(scenario.context, scenario.graph("train"), name="retrain")
    baseline, target = flights(scenario, 2), flights(scenario, 3, TIMES)
    assert f'<option value="{target.pk}" selected>' in seen(visitor, f"monitors/new/?target={target.pk}")
    form = {
        "name": "<b>flights</b>", "target": str(target.pk), "baseline": str(baseline.pk), "frequency": "Week", "time_zone": "UTC",
        "timestamp_column": "", "latency_hours": "", "threshold": "25", "features": "month\r\n\r\n dep_delay \r\n",
        "pipeline": str(pipeline.pk), "experiment_name": "", "description": "", "is_enabled": "on",
        "labels": str(baseline.pk), "keys": "flight\r\ntime_hour", "task": "regression", "prediction_column": "dep_delay",
        "label_column": "arr_delay", "score_column": "", "positive_class": "", "metric": "rmse", "metric_threshold": "20",
        "lateness_hours": "48", "least_labelled": "",
    }  # fmt: skip
    for wrong, said in (
        ({"features": "nope"}, "no column 'nope'"), ({"time_zone": "Mars"}, "no time zone 'Mars'"), ({"threshold": "0"}, "0.1"),
        ({"timestamp_column": "carrier"}, "holds no times"), ({"target": "x"}, "x"),
        ({"keys": "nope"}, "no column 'nope'"), ({"metric": "accuracy"}, "one of mae"),
    ):  # fmt: skip
        answer = visitor.post("/w/lab/monitors/new/", {**form, **wrong})
        assert said in _text(answer) and not Monitor.objects.exists(), wrong
    visitor.post("/w/lab/monitors/new/", form)
    monitor = Monitor.objects.get()
    assert (monitor.name, monitor.threshold, monitor.features) == ("<b>flights</b>", 0.25, ["month", "dep_delay"])
    assert monitor.is_enabled and monitor.pipeline_id == pipeline.pk and monitor.timestamp_column == "time_hour"
    settings = monitor.performance_settings
    assert settings is not None and monitor.labels_id == baseline.pk and settings.keys == ("flight", "time_hour")
    assert (settings.metric, settings.threshold, settings.lateness_hours, settings.least_labelled) == (
        "rmse",
        20,
        48,
        0.5,
    )
    assert "<b>flights" not in visitor.get(f"/w/lab/monitors/{monitor.pk}/").content.decode()
    at = f"/w/lab/monitors/{monitor.pk}/"
    opened = seen(visitor, f"monitors/{monitor.pk}/edit/")
    assert 'value="25.0"' in opened and "month\ndep_delay" in opened
    tag = re.search(r'name="seen" value="([^"]+)"', opened)
    assert tag
    monitors.change(scenario.context, monitor, {"threshold": 0.4})
    answer = visitor.post(f"{at}edit/", {**form, "threshold": "30", "seen": tag.group(1)})
    assert "40" in _text(answer) and Monitor.objects.get().threshold == 0.4, "another has changed it: both are shown"
    visitor.post(f"{at}edit/", {**form, "threshold": "30"})
    assert Monitor.objects.get().threshold == 0.3
    visitor.post(f"{at}edit/", {**form, "metric": "mae", "metric_threshold": "9.5", "keys": "carrier"})
    assert (settings := Monitor.objects.get().performance_settings) is not None
    assert (settings.metric, settings.threshold, settings.keys) == ("mae", 9.5, ("flight", "time_hour")), "keys stay"
    visitor.post(f"{at}status/", {"enabled": "0"})
    assert not Monitor.objects.get().is_enabled
    visitor.post(f"{at}backfill/", {"start": "2013-02-04", "end": "2013-03-04"})
    computing.look_at_all()
    days = [f"{each:%m-%d}" for each in MonitorWindow.objects.order_by("start_at").values_list("start_at", flat=True)]
    assert days == ["02-04", "02-11", "02-18", "02-25", "03-04"]
    last = MonitorWindow.objects.order_by("start_at").last()
    assert last is not None and last.status == "completed"
    visitor.post(f"{at}run/", {"window": str(last.pk)})
    assert MonitorWindow.objects.get(pk=last.pk).status == "queued"
    visitor.post(f"{at}backfill/", {"start": "", "end": "yesterday"})
    visitor.post(f"{at}delete/")
    assert not Monitor.objects.exists()


def _text(answer: Any) -> str:
    import html

    return html.unescape(answer.content.decode())


def test_what_is_watched_leads_to_its_monitors(scenario: RunScenario, visitor: Client) -> None:
    model = RegisteredModel.objects.create(workspace=scenario.workspace, name="forest")
    ModelVersion.objects.create(model=model, version=1)
    pipeline = publish.publish_graph(scenario.context, scenario.graph("train"), name="retrain")
    endpoint = endpoints.create(scenario.context, "daily", pipeline)
    monitor = a_monitor(scenario.context, pipeline=pipeline.pk, model="forest")
    assert scenario.get(f"monitors/{monitor.pk}/").json()["model"] == "forest"
    addresses = ("dataset=sightings", "model=forest", f"endpoint={endpoint.pk}")
    for address in addresses:
        found = seen(visitor, f"monitors/of/?{address}")
        assert f"/monitors/{monitor.pk}/" in found and "penguins" in found, address
    for address in ("dataset=other", "model=", "", f"endpoint={monitor.pk}", "endpoint=x"):
        assert "No monitor watches it" in seen(visitor, f"monitors/of/?{address}"), address
    counts = []
    for turn in range(2):
        with CaptureQueriesContext(connection) as queries:
            seen(visitor, "monitors/of/?dataset=sightings")
        counts.append(len(queries))
        for number in range(3):
            monitors.create(scenario.context, {
                "name": f"m{turn}{number}", "baseline": monitor.target_id, "target": monitor.target_id, "frequency": "Day",
            })  # fmt: skip
    assert counts[0] == counts[1]
    for page in ("data/sets/sightings/", "models/named/forest/", f"endpoints/{endpoint.pk}/"):
        assert "/monitors/of/?" in seen(visitor, page), page
    assert "/models/named/forest/" in seen(visitor, f"monitors/{monitor.pk}/")
    assert scenario.patch(f"monitors/{monitor.pk}/", {"model": "oak"}).json()["error"]["code"] == "unknown_model"
    model.delete()
    assert Monitor.objects.get(pk=monitor.pk).model is None


def test_a_window_leads_to_its_rows(scenario: RunScenario, visitor: Client) -> None:
    monitor = a_monitor(scenario.context)
    window = monitor.windows.get(start_at=datetime(2026, 9, 14, tzinfo=UTC))
    mass = next(each for each in window.features if each["name"] == "body_mass_g")
    mass["baseline"]["quantiles"] |= {"5": 3550, "95": 3600.5}
    island = {**mass, "name": "island", "kind": "categorical", "new_categories": ["Dream", "x" * 99 + "…"]}
    MonitorWindow.objects.filter(pk=window.pk).update(features=[mass, island])
    page = visitor.get(f"/w/lab/monitors/{monitor.pk}/windows/{window.pk}/").content.decode()
    found = [html.unescape(each) for each in re.findall(r'href="(/w/lab/data/sets/sightings/[^"#]*where=[^"#]*)', page)]
    rows = [(["Torgersen", "Biscoe", "Dream"][n % 3], 3500 + n, n % 28 + 1) for n in range(120)]
    inside = [each for each in rows if 14 <= each[2] < 21]
    wanted = [
        len(inside), sum(not 3550 <= mass <= 3600.5 for _island, mass, _day in inside),
        sum(island == "Dream" for island, _mass, _day in inside),
    ]  # fmt: skip
    assert len(found) == 3 and 0 < wanted[1] < wanted[0], found
    counts = []
    for address in found:
        preview = visitor.get(f"{address}&part=preview").content.decode()
        counts.append(preview.split("<tbody>")[1].count("<tr>"))
        assert "Rows where" in preview and "seen_at &gt;= 2026-09-14" in preview
        assert "part=preview" in visitor.get(address).content.decode()
    assert counts[0] == min(wanted[0], 50) and counts[1:] == wanted[1:]
    for wrong in ("{", "7", '{"op":"eq","of":[]}', "[" * 9000):
        assert visitor.get("/w/lab/data/sets/sightings/", {"where": wrong}).status_code == 400, wrong
    nowhere = json.dumps({"op": "eq", "of": [{"column": "nope"}, {"value": 1}]})
    shown = visitor.get("/w/lab/data/sets/sightings/", {"where": nowhere, "part": "preview"}).content.decode()
    assert "nope" in shown and 'role="alert"' in shown


def test_readers_look_and_change_nothing(scenario: RunScenario) -> None:
    monitor = a_monitor(scenario.context)
    reader = User.objects.create_user("rui")
    Member.objects.create(workspace=scenario.workspace, user=reader, role=Role.READER)
    client = Client()
    client.force_login(reader)
    at = reverse("monitors:monitor", args=["lab", monitor.pk])
    page = client.get(at).content.decode()
    assert "penguins" in page and "Backfill" not in page and "/edit/" not in page
    for path in ("status/", "run/", "backfill/", "delete/"):
        client.post(at + path, {"enabled": "0"})
    assert client.get(f"{at}edit/").status_code == 403
    assert Monitor.objects.get().is_enabled and not MonitorWindow.objects.filter(status="queued").exists()


def test_days_are_those_of_the_zone_of_the_monitor(scenario: RunScenario, visitor: Client) -> None:
    target = flights(scenario, 3, TIMES)
    asked = {"name": "m", "baseline": target.pk, "target": target.pk, "frequency": "Day", "time_zone": "Asia/Tokyo"}
    monitor = monitors.create(scenario.context, asked)
    visitor.post(f"/w/lab/monitors/{monitor.pk}/backfill/", {"start": "2013-03-05", "end": "2013-03-05"})
    window = MonitorWindow.objects.get()
    assert f"{window.start_at:%Y-%m-%d %H:%M}" == "2013-03-04 15:00"
    shown = scenario.get(f"monitors/{monitor.pk}/windows/").json()["items"][0]
    assert (shown["start_date"], shown["end_date"]) == ("2013-03-05", "2013-03-06")
    assert "2013-03-05</a>" in seen(visitor, f"monitors/{monitor.pk}/")


def test_a_chart_has_a_gap_where_there_is_no_number() -> None:
    values = [0.0, 0.5, None, 1.0, 0.25]
    points = [charts.Point(n, "2026-01-01", each, "") for n, each in enumerate(values)]
    found = charts.trend(points, 0.5)
    assert len(found.lines) == 2 and [mark.y is None for mark in found.marks] == [False, False, True, False, False]
    heights = [mark.y for mark in found.marks if mark.y is not None]
    assert heights[0] == charts.FLOOR and heights[1] == found.threshold and min(heights) == heights[2] > 0
    errors = charts.metric_trend([charts.Point(0, "", 12.0, ""), charts.Point(1, "", -3.0, "")], 4.0)
    assert [text for _y, text in errors.levels] == ["-3", "0.75", "4.5", "8.25", "12"] and errors.threshold is not None
    assert errors.marks[0].y < errors.threshold < errors.marks[1].y == charts.FLOOR  # type: ignore[operator]
    assert charts.histogram({"histogram": None}) is None and charts.bars({"categories": []}, "") is None
    drawn = charts.histogram({"histogram": {"edges": [0, 1, 2], "baseline": [1, 3], "target": [2, 2]}})
    assert drawn is not None and drawn.columns[1].height == pytest.approx(3 * drawn.columns[0].height)
    rows = charts.bars({"categories": [["a", 3, 1], [None, 1, 3]]}, "others")
    assert rows is not None and [each.name for each in rows.rows] == ["a", "others"]
    assert rows.rows[0].before == rows.rows[1].after > rows.rows[0].after
