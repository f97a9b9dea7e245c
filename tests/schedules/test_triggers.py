"""What starts schedules besides times and files: each cause once, in the transaction in which it happens, without loops."""

from __future__ import annotations

import html
import io
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.clock import now
from datasets.models import DatasetVersion
from datasets.services import versions
from datasets.services.datastores import put_file
from duto import PublishedPipeline, Schedule, ScheduleTrigger, Workspace
from duto.exceptions import ConflictException, UserErrorException
from pipelines.services import endpoints
from registry.services import models
from runs.models import Run
from runs.services.orchestration.run_transaction import run_transaction
from runs.services.submission import publish
from schedules import stored_messages, triggers
from schedules.models import Schedule as Row
from schedules.models import Tick
from schedules.services import firing, trigger_events
from schedules.services.schedules import change
from tests.runs.conftest import RunScenario
from tests.schedules.test_schedules import FORM, LATER, seen, visitor, ws

__all__ = ["visitor", "ws"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
STORE = "workspaceblobstore"
PARAMETERS = [
    {"name": "cause", "type": "string", "default": ""}, {"name": "number", "type": "int", "default": 0},
    {"name": "data", "type": "dataset", "default": "0" * 32}, {"name": "when", "type": "string", "default": ""},
    {"name": "how", "type": "string", "default": ""},
]  # fmt: skip


def published(scenario: RunScenario, name: str, **graph: Any) -> Any:
    return publish.publish_graph(scenario.context, scenario.graph("train", parameters=PARAMETERS, **graph), name=name)


def after(scenario: RunScenario, pipeline: Any, trigger: dict[str, Any], **more: Any) -> Any:
    body = {"name": f"after {pipeline.name}", "pipeline": str(pipeline.pk), "trigger": trigger} | more
    return scenario.post("schedules/", body)


def ended(run: Run, status: str) -> Run:
    with run_transaction(run.pk) as root:
        root.move(status, finished_at=now())
    return run


def ticks() -> list[tuple[str, str]]:
    return [(each.schedule.name, each.status) for each in Tick.objects.select_related("schedule").order_by("id")]


def dataset(scenario: RunScenario, name: str = "rows", path: str = "a") -> DatasetVersion:
    put_file(scenario.context, STORE, f"{path}.csv", io.BytesIO(b"x\n1\n"), overwrite=True)
    definition = {"sources": [{"datastore": STORE, "path": f"{path}.csv"}]}
    return versions.save(scenario.context, name, "file", definition, create_new_version=True)


def model(scenario: RunScenario, **facts: Any) -> Any:
    return models.register(scenario.context, "net", [("m.bin", lambda: io.BytesIO(b"m"))], models.Facts(**facts))


def test_the_end_of_a_run_starts_another_once(scenario: RunScenario, visitor: Client) -> None:
    first, second = published(scenario, "first"), published(scenario, "second")
    endpoint = endpoints.create(scenario.context, "scoring", first)
    values = {"cause": "id", "how": "status", "when": "due_at"}
    for on, more in (("success", {"values": values}), ("failure", {}), ("completion", {})):
        made = after(scenario, second, {"pipeline": str(first.pk).upper(), "on": on}, **more)
        assert made.status_code == 201 and made.json()["next_at"] is None, made.content
        Row.objects.filter(pk=made.json()["id"]).update(name=on)
    after(scenario, second, {"endpoint": str(endpoint.pk)}, name="of endpoint")
    good, bad, off, other = (
        publish.trigger(scenario.context, first), publish.trigger_endpoint(scenario.context, endpoint),
        publish.trigger(scenario.context, first), publish.trigger(scenario.context, second),
    )  # fmt: skip
    assert ticks() == []
    ended(good, "Completed")
    assert ticks() == [("success", "due"), ("completion", "due")]
    trigger_events.run_moved(good, "Completed")
    assert len(ticks()) == 2, "told twice, started once"
    ended(bad, "Failed"), ended(off, "Canceled"), ended(other, "Completed")
    assert ticks()[2:] == [("failure", "due"), ("completion", "due"), ("completion", "due")]
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ended(publish.trigger_endpoint(scenario.context, endpoint), "Completed")
        raise ZeroDivisionError
    assert len(ticks()) == 5, "what did not happen starts nothing"
    ended(publish.trigger_endpoint(scenario.context, endpoint), "Completed")
    assert sorted(ticks()[5:]) == [("completion", "due"), ("of endpoint", "due"), ("success", "due")]
    firing.fire_all()
    tick = Tick.objects.filter(schedule__name="success").earliest("id")
    assert tick.status == "fired" and tick.run is not None and tick.cause == f"run:{good.pk}" and tick.depth == 1
    got = tick.run.parameters
    assert (got["cause"], got["how"]) == (str(good.pk), "Completed") and got["when"].endswith("Z")
    shown = seen(visitor, f"schedules/{tick.schedule_id}/")
    assert f"after run #{good.number}" in shown and "after a run of first that has completed" in shown
    assert scenario.get(f"schedules/{tick.schedule_id}/ticks/").json()["items"][-1]["cause"] == f"run:{good.pk}"
    assert "after a run of first, however it has ended" in seen(visitor, "schedules/")


def test_a_new_version_starts_a_run_with_it(scenario: RunScenario, visitor: Client) -> None:
    dataset(scenario), model(scenario)
    pipeline = published(scenario, "train")
    made = after(scenario, pipeline, {"dataset": "rows"}, name="of data", values={"data": "id", "number": "version"})
    of_model = after(scenario, pipeline, {"model": "net"}, name="of model", values={"number": "version", "how": "name"})
    assert (made.status_code, of_model.status_code) == (201, 201), (made.content, of_model.content)
    assert ticks() == []
    version = dataset(scenario, path="b")
    assert dataset(scenario, path="b").pk == version.pk and ticks() == [("of data", "due")]
    version.status = "fetching"  # it is looked through again
    version.save()
    version.move("ready")
    model(scenario)
    assert ticks() == [("of data", "due"), ("of model", "due")]
    firing.fire_all()
    one, two = Run.objects.filter(parent=None).order_by("id")
    assert (one.parameters["data"], one.parameters["number"]) == (str(version.pk), 2)
    assert (two.parameters["number"], two.parameters["how"]) == (2, "net")
    assert "after version 2 of rows" in seen(visitor, f"schedules/{made.json()['id']}/")
    assert "after version 2 of net" in seen(visitor, f"schedules/{of_model.json()['id']}/")


def test_a_version_that_is_fetching_starts_nothing_before_it_can_be_used(scenario: RunScenario) -> None:
    dataset(scenario)
    made = after(scenario, published(scenario, "train"), {"dataset": "rows"}).json()
    definition = {"sources": [{"url": "https://example.com/a.csv"}]}
    version = versions.save(scenario.context, "rows", "file", definition, create_new_version=True)
    assert version.status == "fetching" and ticks() == []
    version.move("ready", file_count=1)
    assert [status for _, status in ticks()] == ["due"]
    row = Row.objects.get(pk=made["id"])
    change(scenario.context, row, {"status": "Disabled"})
    newer = versions.save(scenario.context, "rows", "file", {"sources": [{"url": "https://example.com/b.csv"}]}, create_new_version=True)  # fmt: skip
    change(scenario.context, row, {"status": "Active"})
    newer.move("ready", file_count=1)
    assert len(ticks()) == 1, "it was registered while the schedule was disabled"


def test_a_loop_is_refused_by_name_and_one_that_nobody_sees_is_bounded(scenario: RunScenario) -> None:
    written = {"name": "out", "register": {"name": "made"}}
    a, b, c = published(scenario, "a"), published(scenario, "b"), published(scenario, "c")
    endpoint = endpoints.create(scenario.context, "of b", b)
    assert after(scenario, a, {"pipeline": str(a.pk)}).json()["error"]["code"] == "cycle"
    body = {"name": "x", "endpoint": str(endpoint.pk), "trigger": {"pipeline": str(a.pk)}}
    assert scenario.post("schedules/", body).status_code == 201
    first = after(scenario, c, {"pipeline": str(b.pk), "on": "failure"}).json()
    refused = after(scenario, a, {"pipeline": str(c.pk)})
    assert refused.status_code == 409 and "'c' → 'a' → 'b' → 'c'" in refused.json()["error"]["message"]
    scenario.patch(f"schedules/{first['id']}/", {"status": "Disabled"})
    assert after(scenario, a, {"pipeline": str(c.pk)}).status_code == 201
    assert scenario.patch(f"schedules/{first['id']}/", {"status": "Active"}).json()["error"]["code"] == "cycle"
    dataset(scenario, "made")
    graph = scenario.graph("train", parameters=PARAMETERS)
    graph["steps"][0]["outputs"] = [{**written, "mode": "mount"}]
    writes = publish.publish_graph(scenario.context, graph, name="writes")
    error = after(scenario, writes, {"dataset": "made"}).json()["error"]
    assert error["code"] == "cycle" and "'made' → 'made'" in error["message"]
    # A script that registers a model is seen by nobody.
    model(scenario)
    made = after(scenario, c, {"model": "net"}).json()["id"]
    run: Run | None = None
    for depth in range(1, triggers.MOST_DEPTH + 2):
        model(scenario, run_id=run.pk if run else None)
        firing.fire_all()
        tick = Tick.objects.filter(schedule=made).latest("id")
        assert tick.depth == depth
        run = tick.run
    assert tick.status == "skipped" and "a loop has no end" in stored_messages.localized(tick.reason)
    assert Tick.objects.filter(schedule=made, status="fired").count() == triggers.MOST_DEPTH


def test_runs_that_steps_submit_hand_the_depth_on(scenario: RunScenario) -> None:
    first, second = published(scenario, "first"), published(scenario, "second")
    after(scenario, second, {"pipeline": str(first.pk)})
    ended(publish.trigger(scenario.context, first), "Completed")
    firing.fire_all()
    run = Run.objects.get(by_tick__isnull=False)
    below = publish.trigger(scenario.context, first)
    Run.objects.filter(pk=below.pk).update(submitted_in=run.pk)
    ended(below, "Completed")
    assert Tick.objects.latest("id").depth == 2
    Run.objects.filter(pk=below.pk).update(submitted_in=below.pk)
    assert trigger_events.depth_below(below.pk) == triggers.MOST_DEPTH + 1, "no circle of rows is followed for ever"


def test_what_cannot_be_a_trigger_says_why(scenario: RunScenario) -> None:
    pipeline, other = published(scenario, "p"), published(scenario, "q")
    good = {"pipeline": str(other.pk)}
    for trigger, more, status, said in (
        ({}, {}, 400, "either"), ({"pipeline": "x"}, {}, 404, "published pipeline"), ({"dataset": "none"}, {}, 404, "no dataset"),
        ({"model": "none"}, {}, 404, "no model"), ({"dataset": "a", "model": "b"}, {}, 400, "names one of"),
        ({"pipeline": 3}, {}, 400, "names one of"), ({**good, "on": "monday"}, {}, 400, "'on' of a trigger is one of"),
        ({"dataset": "a", "on": "success"}, {}, 400, "goes with a pipeline"), ({"speed": 1}, {}, 400, "no speed"),
        ({"dataset": "\0" * 256}, {}, 400, ""), (good, {"timetable": LATER}, 400, "not both"),
        (good, {"values": {"cause": "version"}}, 400, "gets one of due_at, id, name, status"),
        (good, {"values": {"number": "name"}}, 422, "number"), (good, {"values": {"none": "id"}}, 422, "none"),
        (good, {"end_at": "2020-01-01T00:00:00Z"}, 400, "never be due"),
    ):  # fmt: skip
        answer = after(scenario, pipeline, trigger, **more)
        error = answer.json()["error"]["message"]
        assert answer.status_code == status and (said in error or said == "either"), (trigger, more, answer.content)
    assert Row.objects.count() == 0
    assert scenario.post("schedules/", {"name": "x", "pipeline": str(pipeline.pk)}).status_code == 400


def test_a_program_chains_pipelines(scenario: RunScenario, ws: Workspace) -> None:
    first, second = (PublishedPipeline.get(ws, str(published(scenario, name).pk)) for name in ("first", "second"))
    dataset(scenario)
    made = Schedule.create(
        ws, "chain", second.id, "e", trigger=ScheduleTrigger.after_pipeline(first, "failure"), values={"cause": "id"}
    )
    assert made.trigger is not None and "failure" in repr(made.trigger) and made.values == {"cause": "id"}
    assert (made.recurrence, Schedule.get(ws, made.id).status) == (None, "Active")
    made.update(trigger=ScheduleTrigger.on_dataset("rows"), values={"number": "version"})
    assert Row.objects.get().trigger_key == "dataset:rows"
    with pytest.raises(ConflictException, match="'second' → 'second'"):
        made.update(trigger=ScheduleTrigger.after_pipeline(second.id), values={})
    with pytest.raises(UserErrorException, match="version"):
        made.update(values={"cause": "status"})
    with pytest.raises(UserErrorException, match="or a trigger, not both"):
        Schedule.create(ws, "x", second.id, "e", datastore=ws.get_default_datastore(), trigger=made.trigger)
    assert repr(ScheduleTrigger.on_model("net")) == "ScheduleTrigger(model='net')"
    assert "endpoint" in repr(ScheduleTrigger.after_endpoint("1"))


def test_the_form_makes_and_keeps_a_trigger(scenario: RunScenario, visitor: Client) -> None:
    first, second = published(scenario, "first"), published(scenario, "second")
    dataset(scenario, "<rows>")
    of = f"pipeline:{second.pk}"
    shown = seen(visitor, f"schedules/new/?of={of}")
    assert f'value="pipeline:{first.pk}"' in shown and 'value="dataset:<rows>"' in shown
    body = {
        **FORM,
        "of": of,
        "frequency": "after",
        "after": f"pipeline:{first.pk}",
        "on": "completion",
        "gets_id": "cause",
    }
    body = {**body, "p_cause": "", "p_number": "1", "p_data": "", "p_when": "", "p_how": ""}
    assert "No time is known" in visitor.post("/w/lab/schedules/preview/", body).content.decode()
    place = visitor.post("/w/lab/schedules/new/", body)["Location"].removeprefix("/w/lab/")
    row = Row.objects.get()
    assert row.trigger == {"pipeline": str(first.pk), "on": "completion"} and row.values == {"cause": "id"}
    shown = seen(visitor, f"{place}edit/")
    assert f'value="pipeline:{first.pk}" selected' in shown and 'value="completion" selected' in shown
    none = visitor.post(f"/w/lab/{place}edit/", {**body, "after": ""})
    assert "names one of" in html.unescape(none.content.decode())
    visitor.post(
        f"/w/lab/{place}edit/", {**FORM, "p_cause": "", "p_number": "1", "p_data": "", "p_when": "", "p_how": ""}
    )
    row.refresh_from_db()
    assert row.trigger is None and row.trigger_key == "" and row.timetable["frequency"] == "Week" and row.next_at


def test_an_end_costs_the_same_however_many_schedules_wait_for_others(scenario: RunScenario) -> None:
    first, second = published(scenario, "first"), published(scenario, "second")

    def cost() -> int:
        run = publish.trigger(scenario.context, first)
        with CaptureQueriesContext(connection) as asked:
            ended(run, "Completed")
        return len(asked)

    cost()
    none = cost()
    Row.objects.bulk_create(
        Row(workspace=scenario.workspace, name=f"s{n}", pipeline=second, trigger={"dataset": f"d{n}"}, trigger_key=f"dataset:d{n}")
        for n in range(300)
    )  # fmt: skip
    assert cost() == none
