"""Schedules by REST, by a program and on their pages."""

from __future__ import annotations

import html
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.clock import now
from core.ids import uuid7
from datasets.services.datastores import put_file
from duto import PipelineEndpoint, PublishedPipeline, Schedule, ScheduleRecurrence, TimeZone, Workspace
from duto.exceptions import ConflictException, NotFoundException, UserErrorException
from pipelines.services import published as published_pipelines
from runs.models import Run
from runs.services.maintenance import workspace_removal
from runs.services.submission import publish
from schedules.models import Schedule as Row
from schedules.models import Tick
from schedules.services import firing, watching
from tests.runs.conftest import RunScenario
from workspaces.models import AuditEntry, Role
from workspaces.services import tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
DAILY = {"frequency": "Day", "interval": 1, "time_of_day": "02:30", "time_zone": "Europe/Lisbon"}
LATER = {**DAILY, "start_time": "2030-01-01T00:00:00"}
PARAMETERS = [{"name": "epochs", "type": "int", "default": 3}]


@pytest.fixture
def pipeline(scenario: RunScenario) -> Any:
    return publish.publish_graph(scenario.context, scenario.graph("train", parameters=PARAMETERS), name="Nightly")


@pytest.fixture
def made(scenario: RunScenario, pipeline: Any) -> dict[str, Any]:
    body = {"name": " nightly ", "pipeline": str(pipeline.pk), "timetable": LATER, "parameters": {"epochs": 5}}
    answer = scenario.post("schedules/", body)
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_a_schedule_says_when_it_is_due(scenario: RunScenario, made: dict[str, Any], pipeline: Any) -> None:
    assert (made["name"], made["status"], made["experiment_name"]) == ("nightly", "Active", "nightly")
    assert made["next_at"] == "2030-01-01T02:30:00.000000Z" == made["upcoming"][0] and len(made["upcoming"]) == 5
    assert (made["overlap"], made["catch_up"], made["run_count"]) == ("allow", 1, 0)
    place = f"schedules/{made['id']}/"
    changed = scenario.patch(place, {"overlap": "skip", "catch_up": None, "description": "Trains", "max_runs": 9})
    assert (changed.json()["overlap"], changed.json()["catch_up"], changed.json()["next_at"]) == ("skip", None, made["next_at"])  # fmt: skip
    off = scenario.patch(place, {"status": "Disabled", "pause_reason": "Holidays"}).json()
    assert (off["next_at"], off["upcoming"], off["pause_reason"]) == (None, [], "Holidays")
    on = scenario.patch(place, {"status": "Active"}).json()
    assert on["next_at"] == made["next_at"] and on["pause_reason"] == ""
    assert [each["id"] for each in scenario.get("schedules/", pipeline=str(pipeline.pk)).json()["items"]] == [
        made["id"]
    ]
    assert scenario.get("schedules/", pipeline=str(uuid7())).json()["items"] == []
    assert scenario.get("schedules/", status="Disabled").json()["items"] == []
    times = scenario.post("schedules/upcoming/", {"timetable": LATER, "count": 2}).json()["upcoming"]
    assert times == made["upcoming"][:2]
    assert scenario.client.delete(scenario.base + place).status_code == 204
    assert scenario.get(place).status_code == 404
    actions = AuditEntry.objects.filter(action__startswith="schedule.").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["schedule.created", *["schedule.changed"] * 3, "schedule.deleted"]


def test_what_cannot_be_a_schedule_says_why(scenario: RunScenario, pipeline: Any, made: dict[str, Any]) -> None:
    good = {"name": "x", "pipeline": str(pipeline.pk), "timetable": LATER}
    for change, status, said in (
        ({"name": "  "}, 400, "name"),
        ({"pipeline": None}, 400, "either 'pipeline' or 'endpoint'"),
        ({"endpoint": str(uuid7())}, 400, "either 'pipeline' or 'endpoint'"),
        ({"pipeline": str(uuid7())}, 404, "published pipeline"),
        ({"timetable": {"frequency": "Never", "interval": 1}}, 400, "'frequency' is one of"),
        ({"timetable": {"cron": "* * *"}}, 400, "five fields"),
        ({"parameters": {"epochs": "many"}}, 422, "epochs"),
        ({"parameters": {"speed": 1}}, 422, "speed"),
        ({"experiment_name": "a/b"}, 422, "a/b"),
        ({"overlap": "never"}, 400, "overlap"),
        ({"catch_up": -1}, 400, "catch_up"),
        ({"max_runs": 0}, 400, "max_runs"),
        ({"end_at": "2020-01-01T00:00:00Z"}, 400, "never be due"),
        ({"timetable": {**LATER, "timezone": "UTC"}}, 400, "no 'timezone'"),
        ({"watch": {"datastore": "workspaceblobstore"}}, 400, "frequency of a watch is Minute"),
    ):
        answer = scenario.post("schedules/", {**good, **change})
        assert answer.status_code == status and said in answer.json()["error"]["message"], (change, answer.content)
    assert Row.objects.count() == 1
    named = scenario.post("schedules/", {**good, "name": "a/b", "experiment_name": " "}).json()
    assert named["experiment_name"] == "a-b", "a name for it out of its own"
    place = f"schedules/{made['id']}/"
    assert scenario.patch(place, {"timetable": {"frequency": "Day", "interval": 0}}).status_code == 400
    assert scenario.patch(place, {"parameters": {"epochs": []}}).status_code == 422
    assert scenario.get("schedules/", status="Gone").status_code == 400
    reader = scenario.member("rui", Role.READER)
    assert reader.post(scenario.base + "schedules/", json.dumps(good), "application/json").status_code == 403
    assert reader.delete(scenario.base + place).status_code == 403


def test_what_a_schedule_runs_is_not_disabled_behind_its_back(
    scenario: RunScenario, pipeline: Any, made: dict[str, Any]
) -> None:
    refused = scenario.patch(f"pipelines/{pipeline.pk}/", {"status": "Disabled"})
    assert refused.status_code == 409 and "'nightly'" in refused.json()["error"]["message"]
    scenario.patch(f"schedules/{made['id']}/", {"status": "Disabled"})
    assert scenario.patch(f"pipelines/{pipeline.pk}/", {"status": "Disabled"}).status_code == 200
    again = scenario.patch(f"schedules/{made['id']}/", {"status": "Active"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "disabled")
    assert scenario.patch(f"schedules/{made['id']}/", {"name": "other"}).status_code == 200, (
        "a disabled one may be changed"
    )
    body = {"name": "x", "pipeline": str(pipeline.pk), "timetable": LATER}
    assert scenario.post("schedules/", body).json()["error"]["code"] == "disabled"
    published_pipelines.set_status(scenario.context, pipeline, "Active")
    endpoint = scenario.post("endpoints/", {"name": "scoring", "pipeline": str(pipeline.pk)}).json()["id"]
    of_endpoint = scenario.post("schedules/", {"name": "y", "endpoint": endpoint, "timetable": LATER})
    assert of_endpoint.status_code == 201
    for status in ("Disabled", "Archived"):
        assert scenario.patch(f"endpoints/{endpoint}/", {"status": status}).json()["error"]["code"] == "scheduled"
    # Nor what it runs, by itself or by another default version.
    refusal = scenario.patch(f"pipelines/{pipeline.pk}/", {"status": "Disabled"}).json()["error"]
    assert refusal["code"] == "scheduled" and "'y'" in refusal["message"]
    other = publish.publish_graph(scenario.context, scenario.graph("train"), name="Another")
    published_pipelines.set_status(scenario.context, other, "Disabled")
    version = {"pipeline": str(other.pk), "is_default": True}
    refusal = scenario.post(f"endpoints/{endpoint}/versions/", version).json()["error"]
    assert refusal["code"] == "scheduled" and "'Another' is disabled" in refusal["message"]
    published_pipelines.set_status(scenario.context, other, "Active")
    assert scenario.post(f"endpoints/{endpoint}/versions/", version).status_code == 201
    assert scenario.patch(f"pipelines/{pipeline.pk}/", {"status": "Disabled"}).status_code == 200


@pytest.fixture
def ws(scenario: RunScenario, live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    for name in ("AZUREML_RUN_ID", "AZUREML_RUN_TOKEN", "DUTO_STUDIO_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("DUTO_URL", live_server.url)
    monkeypatch.setenv("DUTO_TOKEN", tokens.create(scenario.context, "sdk", Role.OWNER).text)
    return Workspace(None, None, "lab")


def test_a_program_makes_finds_changes_and_follows_a_schedule(
    scenario: RunScenario, pipeline: Any, ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = PublishedPipeline.get(ws, str(pipeline.pk))
    recurrence = ScheduleRecurrence(
        frequency="Week", interval=2, week_days=["Monday", "Friday"], time_of_day="15:30",
        time_zone=TimeZone.PacificStandardTime, start_time="2030-01-01T00:00:00",
    )  # fmt: skip
    made = Schedule.create(
        workspace=ws, name="weekly", pipeline_id=published.id, experiment_name="by schedule", recurrence=recurrence,
        description="Every other week", pipeline_parameters={"epochs": 7}, wait_for_provisioning=True,
    )  # fmt: skip
    assert (made.name, made.status, made.pipeline_id, made.description) == ("weekly", "Active", published.id, "Every other week")  # fmt: skip
    assert made.recurrence is not None and made.recurrence.time_zone == "Pacific Standard Time"
    assert Row.objects.get().next_at == datetime(2030, 1, 4, 23, 30, tzinfo=UTC)
    assert made.get_last_pipeline_run() is None and made.get_pipeline_runs() == []
    made.update(recurrence=ScheduleRecurrence("Minute", 15), name="often")
    assert made.name == "often" and made.recurrence.frequency == "Minute"
    for _ in range(2):
        Row.objects.update(next_at=now())
        firing.check_due()
        firing.fire([Row.objects.get().pk])
    with monkeypatch.context() as counted:
        get, asked = ws._client.get, []
        counted.setattr(ws._client, "get", lambda path, **query: [asked.append(path), get(path, **query)][1])
        runs = made.get_pipeline_runs()
    assert len(asked) == 1, "however many runs there are"
    assert {run.type for run in runs} == {"azureml.PipelineRun"}
    assert [run.id for run in runs] == [str(run.pk) for run in Run.objects.filter(parent=None).order_by("-id")]
    assert len(runs) == 2 and made.get_last_pipeline_run().id == runs[0].id and runs[0].experiment.name == "by schedule"
    made.disable(wait_for_provisioning=True)
    assert Schedule.list(ws, pipeline_id=published.id) == []
    (found,) = Schedule.get_schedules_for_pipeline_id(ws, published.id)
    assert (found.id, found.status) == (made.id, "Disabled") and Schedule.get(ws, made.id).name == "often"
    found.enable()
    with pytest.raises(ConflictException, match="active schedules: 'often'"):
        published.disable()
    endpoint = PipelineEndpoint.publish(workspace=ws, name="scoring", pipeline=published, description="")
    other = Schedule.create_for_pipeline_endpoint(ws, "of endpoint", endpoint.id, "e", ScheduleRecurrence("Hour", 6))
    assert (other.pipeline_endpoint_id, other.pipeline_id) == (endpoint.id, None)
    assert [each.id for each in Schedule.get_schedules_for_pipeline_endpoint_id(ws, endpoint.id)] == [other.id]
    with pytest.raises(NotFoundException, match="no schedule"):
        Schedule.get(ws, str(uuid7()))
    for wrong, said in (
        (ScheduleRecurrence("Year", 0), "frequency is Minute.*interval is a whole number"),
        (ScheduleRecurrence("Day", 1, hours=[30], week_days=["x"]), "hours are whole numbers.*week_days"),
        (ScheduleRecurrence("Day", 1, time_zone="Mars"), "no time zone 'Mars'"),
        (ScheduleRecurrence("Month", 1, time_of_day="10:00"), "Day and Week alone"),
        (None, "needs a recurrence, or a datastore"),
    ):
        with pytest.raises(UserErrorException, match=said):
            Schedule.create(ws, "wrong", published.id, "e", wrong)
    single = ScheduleRecurrence("Week", 1, hours=6, minutes=30, week_days="Monday")
    found = Schedule.create(ws, "single", published.id, "e", single).recurrence
    assert (found.hours, found.minutes, found.week_days) == ([6], [30], ["Monday"])
    with pytest.raises(UserErrorException, match="epochs"):
        Schedule.create(
            ws, "wrong", published.id, "e", ScheduleRecurrence("Day", 1), pipeline_parameters={"epochs": "x"}
        )
    file = tmp_path / "schedule.yml"
    file.write_text(
        "Schedule:\n  description: by file\n  recurrence:\n    frequency: Day\n    interval: 2\n"
        "    time_of_day: '02:30'\n  pipeline_parameters: {epochs: 2}\n  continue_on_step_failure: None\n"
    )
    info: dict[str, Any] = Schedule.load_yaml(ws, str(file))
    loaded = Schedule.create(ws, "by file", published.id, "e", **info, datastore=info.get("datastore_name"))
    assert (loaded.description, loaded.recurrence.interval, loaded.continue_on_step_failure) == ("by file", 2, None)
    # As programs of Azure ML read one whose changes start runs.
    file.write_text(
        "Schedule:\n  recurrence: ~\n  datastore_name: workspaceblobstore\n  polling_interval: ~\n  path_on_datastore: in\n"
    )
    info = Schedule.load_yaml(ws, str(file))
    watching = Schedule.create(
        ws, "by files", published.id, "e", recurrence=info.get("recurrence"), datastore=info.get("datastore_name"),
        polling_interval=info.get("polling_interval"), path_on_datastore=info.get("path_on_datastore"),
    )  # fmt: skip
    assert (watching.datastore_name, watching.polling_interval, watching.path_on_datastore) == (
        "workspaceblobstore",
        5,
        "in",
    )
    file.write_text("Schedule:\n  datastore_name: nowhere\n")
    with pytest.raises(UserErrorException, match="no datastore 'nowhere'"):
        Schedule.load_yaml(ws, str(file))
    file.write_text("Schedule: {speed: 3}")
    with pytest.raises(UserErrorException, match="speed"):
        Schedule.load_yaml(ws, str(file))


def test_a_program_has_changes_of_a_datastore_start_runs(scenario: RunScenario, ws: Workspace) -> None:
    parameters = [{"name": "place", "type": "data_path", "default": "workspaceblobstore/raw"}]
    row = publish.publish_graph(scenario.context, scenario.graph("train", parameters=parameters), name="On change")
    store = ws.get_default_datastore()
    made = Schedule.create(
        ws, "on change", str(row.pk), "e", datastore=store, polling_interval=1, data_path_parameter_name="place",
        path_on_datastore="incoming/",
    )  # fmt: skip
    assert (made.datastore_name, made.path_on_datastore, made.polling_interval) == ("workspaceblobstore", "incoming", 1)
    assert made.data_path_parameter_name == "place" and made.recurrence is None
    put_file(scenario.context, "workspaceblobstore", "incoming/a.csv", io.BytesIO(b"1"), overwrite=True)
    Row.objects.update(next_at=now())
    watching.scan_schedule(Row.objects.get().pk)
    firing.fire([Row.objects.get().pk])
    (run,) = made.get_pipeline_runs()
    assert Run.objects.get(pk=run.id).parameters["place"] == {
        "datastore": "workspaceblobstore",
        "path": "incoming/a.csv",
    }
    made.update(path_on_datastore="other", polling_interval=10)
    assert (made.path_on_datastore, made.polling_interval, made.datastore_name) == ("other", 10, "workspaceblobstore")
    row_of = Row.objects.get()
    row_of.watch = {**(row_of.watch or {}), "settle": 60, "each_file": False}
    row_of.save()
    same = Schedule.get(ws, made.id)
    same.update(description="Set by REST", polling_interval=3)
    row_of.refresh_from_db()
    assert (row_of.watch["settle"], row_of.watch["each_file"], row_of.timetable["interval"]) == (60, False, 3)
    with pytest.raises(UserErrorException, match="not both"):
        Schedule.create(ws, "x", str(row.pk), "e", ScheduleRecurrence("Day", 1), datastore=store)
    with pytest.raises(UserErrorException, match="speed"):
        Schedule.create(ws, "x", str(row.pk), "e", datastore=store, data_path_parameter_name="speed")


@pytest.fixture
def visitor(scenario: RunScenario) -> Client:
    client = Client()
    client.force_login(scenario.owner)
    return client


def seen(visitor: Client, path: str) -> str:
    answer = visitor.get(f"/w/lab/{path}")
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


FORM = {
    "name": "Über <night>", "frequency": "Week", "interval": "1", "hours": "2", "minutes": "30", "week_days": ["Monday"],
    "time_zone": "Europe/Lisbon", "start_time": "2030-01-01T00:00", "cron": "", "overlap": "skip", "catch_up": "all",
    "jitter": "5", "max_runs": "", "end_at": "", "experiment_name": "", "description": "", "p_epochs": "8",
}  # fmt: skip


def test_its_pages_make_change_show_and_delete_it(scenario: RunScenario, visitor: Client, pipeline: Any) -> None:
    assert "No schedules yet" in seen(visitor, "schedules/")
    assert f"pipeline:{pipeline.pk}" in seen(visitor, "schedules/new/")
    of = f"pipeline:{pipeline.pk}"
    assert "p_epochs" in seen(visitor, f"schedules/new/?of={of}")
    assert visitor.get("/w/lab/schedules/new/?of=other").status_code == 404
    preview = visitor.post("/w/lab/schedules/preview/", FORM).content.decode()
    assert "2030-01-07 02:30:00 WET" in preview and preview.count("<li") == 5
    unnamed = visitor.post("/w/lab/schedules/preview/", {**FORM, "interval": "0"}).content.decode()
    assert "Every: Ensure this value is greater than" in html.unescape(unnamed)
    wrong = visitor.post("/w/lab/schedules/preview/", {**FORM, "hours": "2, x", "time_zone": "Mars"})
    assert "'hours' is a list" in html.unescape(wrong.content.decode()) and "Mars" in wrong.content.decode()
    refused = visitor.post("/w/lab/schedules/new/", {**FORM, "of": of, "hours": "99"})
    assert refused.status_code == 200 and "'hours' is a list" in html.unescape(refused.content.decode())
    place = visitor.post("/w/lab/schedules/new/", {**FORM, "of": of})["Location"].removeprefix("/w/lab/")
    row = Row.objects.get()
    assert (row.parameters, row.overlap, row.catch_up, row.jitter) == ({"epochs": 8}, "skip", None, 5)
    found = seen(visitor, place)
    assert "Über <night>" in found and "every week · Monday · at 02:30 (Europe/Lisbon)" in found
    assert "2030-01-07 02:30:00 WET" in found and "It has not been due yet" in found
    edited = seen(visitor, f"{place}edit/")
    assert 'value="2030-01-01T00:00"' in edited and "Skip the new one" in edited
    visitor.post(f"/w/lab/{place}edit/", {**FORM, "frequency": "cron", "cron": "0 4 * * *", "name": "by cron"})
    row.refresh_from_db()
    assert row.timetable == {"cron": "0 4 * * *", "time_zone": "Europe/Lisbon"} and row.name == "by cron"
    Row.objects.update(next_at=now(), jitter=0)
    firing.check_due()
    firing.fire([row.pk])
    run = Run.objects.get(parent=None)
    assert f"/w/lab/runs/{run.pk}/" in seen(visitor, f"{place}?part=schedule") and "schedule “by cron”" in seen(visitor, "runs/")  # fmt: skip
    Tick.objects.create(schedule=row, due_at=now() - timedelta(days=1), fires_at=now(), status="skipped", reason={"text": "Because <b>."})  # fmt: skip
    assert "skipped: Because <b>." in seen(visitor, place) and "by cron" in seen(visitor, "schedules/?part=rows&q=cron")
    visitor.post(f"/w/lab/{place}status/", {"status": "Disabled"})
    assert "nothing of it starts" in seen(visitor, place) and "disabled" in seen(visitor, "schedules/")
    assert visitor.post(f"/w/lab/{place}delete/")["Location"] == "/w/lab/schedules/"
    assert Run.objects.filter(pk=run.pk).exists() and not Row.objects.exists()


def test_the_form_has_changes_of_files_start_runs(scenario: RunScenario, visitor: Client) -> None:
    parameters = [{"name": "place", "type": "data_path", "default": "workspaceblobstore/raw"}]
    pipeline = publish.publish_graph(scenario.context, scenario.graph("train", parameters=parameters), name="p")
    of = f"pipeline:{pipeline.pk}"
    shown = seen(visitor, f"schedules/new/?of={of}")
    assert '<option value="workspaceblobstore">' in shown and '<option value="place">' in shown
    watched = {
        "frequency": "change",
        "datastore": "workspaceblobstore",
        "path": "in",
        "parameter": "place",
        "each_file": "on",
    }
    body = {**FORM, **watched, "interval": "2", "p_place": ""}
    assert "No time is known" in visitor.post("/w/lab/schedules/preview/", body).content.decode()
    place = visitor.post("/w/lab/schedules/new/", {**body, "of": of})["Location"].removeprefix("/w/lab/")
    row = Row.objects.get()
    assert row.watch == {
        "datastore": "workspaceblobstore",
        "path": "in",
        "each_file": True,
        "settle": 0,
        "parameter": "place",
    }
    assert row.timetable == {"frequency": "Minute", "interval": 2}
    assert "when files of workspaceblobstore/in change · looked at every 2 minutes" in seen(visitor, place)
    Row.objects.update(watch_error="no route <to> it")
    assert "cannot be looked at: no route <to> it" in seen(visitor, place)
    assert 'value="in"' in seen(visitor, f"{place}edit/") and 'value="change" selected' in seen(
        visitor, f"{place}edit/"
    )
    visitor.post(f"/w/lab/{place}edit/", {**FORM, "p_place": ""})
    row.refresh_from_db()
    assert row.watch is None and row.timetable["frequency"] == "Week" and row.watch_error == ""


def test_the_list_costs_the_same_however_long(scenario: RunScenario, visitor: Client, pipeline: Any) -> None:
    def more(numbers: range) -> None:
        for number in numbers:
            made = Row.objects.create(
                workspace=scenario.workspace, name=f"s{number}", pipeline=pipeline, timetable=LATER, next_at=now(),
                created_by=scenario.owner,
            )  # fmt: skip
            run = scenario.pipeline(status="Completed")
            Tick.objects.create(schedule=made, due_at=now(), fires_at=now(), status="fired", run=run)

    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            seen(visitor, "schedules/")
        return len(asked)

    more(range(2))
    cost()  # signs in
    few = cost()
    more(range(2, 8))
    assert cost() == few


def test_a_form_that_is_saved_as_it_is_changes_nothing(scenario: RunScenario, visitor: Client) -> None:
    parameters = [
        {"name": "rate", "type": "float", "default": 0.5},
        {"name": "fast", "type": "bool", "default": True},
        {"name": "note", "type": "string", "default": "x"},
        {"name": "place", "type": "data_path", "default": "workspaceblobstore/raw"},
    ]
    graph = scenario.graph("train", parameters=parameters)
    of = str(publish.publish_graph(scenario.context, graph, name="p").pk)
    values = {"rate": 1e-9, "fast": False, "note": "", "place": {"path": "a/b", "datastore": "workspaceblobstore"}}
    ended = {"end_at": "2041-02-03T04:05:06Z", "description": "Ends"}
    week = {"frequency": "week", "interval": 2, "week_days": "friday", "start_time": "2030-07-01T00:00:30+05:00"}
    watch = {"datastore": "workspaceblobstore", "path": "in", "settle": 90, "each_file": True, "parameter": "place"}
    for more in (
        {"timetable": {**week, "time_zone": "Europe/Lisbon"}, **ended, "catch_up": None},
        {"timetable": {"frequency": "Minute", "interval": 7}, "watch": watch},
        {"timetable": {"cron": "0 5 * * *", "time_zone": "Asia/Tokyo"}, "jitter": 5, "max_runs": 9, "catch_up": 3},
    ):
        body = {"name": " % “é”\u202e🙂", "pipeline": of, "experiment_name": "e", "parameters": values, **more}
        before = scenario.post("schedules/", body).json()
        place = f"/w/{scenario.workspace.name}/schedules/{before['id']}/edit/"
        shown = visitor.get(place)
        page = shown.context["page"]
        sent: dict[str, Any] = {"of": page.of}
        for form in (page.form, page.values):
            sent |= {bound.html_name: bound.value() for bound in form if bound.value() not in (None, False)}
        answer = visitor.post(place, sent)
        assert answer.status_code in (200, 302) and b'role="alert"' not in answer.content, answer.content.decode()
        after = scenario.get(f"schedules/{before['id']}/").json()
        after["parameters"]["place"] = (
            dict(after["parameters"]["place"])
            if isinstance(after["parameters"]["place"], dict)
            else dict(zip(("datastore", "path"), after["parameters"]["place"].split("/", 1), strict=True))
        )
        assert after == before


def test_a_form_leaves_what_nobody_changed_to_the_defaults(
    scenario: RunScenario, visitor: Client, pipeline: Any
) -> None:
    """The next version of an endpoint may have another default, or no such parameter."""
    endpoint = scenario.post("endpoints/", {"name": "e", "pipeline": str(pipeline.pk)}).json()["id"]
    of = {**FORM, "of": f"endpoint:{endpoint}", "p_epochs": "3"}
    place = visitor.post("/w/lab/schedules/new/", of)["Location"]
    assert [row.parameters for row in Row.objects.all()] == [{}]
    visitor.post(f"{place}edit/", {**FORM, "p_epochs": "7"})
    visitor.post(f"{place}edit/", {**FORM, "p_epochs": "7"})
    assert Row.objects.get().parameters == {"epochs": 7}
    visitor.post(f"{place}edit/", {**FORM, "p_epochs": "3"})
    assert Row.objects.get().parameters == {"epochs": 3}, "what a schedule says it goes on saying"


def test_numbers_of_a_form_without_an_end_are_refused(scenario: RunScenario, visitor: Client) -> None:
    sent = {"frequency": "Day", "interval": "1", "hours": "9" * 5000, "time_zone": "UTC"}
    shown = visitor.post(f"/w/{scenario.workspace.name}/schedules/preview/", sent)
    assert shown.status_code == 200 and "whole numbers from 0 to 23" in html.unescape(shown.content.decode())


def test_a_workspace_goes_with_its_schedules(scenario: RunScenario, pipeline: Any, made: dict[str, Any]) -> None:
    endpoint = scenario.post("endpoints/", {"name": "e", "pipeline": str(pipeline.pk)}).json()["id"]
    scenario.post(
        "schedules/", {"name": "x", "endpoint": endpoint, "timetable": {"frequency": "Minute", "interval": 1}}
    )
    firing.check_due()
    firing.fire([Row.objects.get(name="x").pk])
    Run.objects.update(status="Completed")
    scenario.workspace.deleted_at = now()
    scenario.workspace.save()
    assert workspace_removal.finish(scenario.workspace.pk)
    assert (Row.objects.count(), Tick.objects.count(), Run.objects.count()) == (0, 0, 0)
