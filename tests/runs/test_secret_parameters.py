"""Secret parameters: given once, encrypted where they are kept, given to the step, and told nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.test import override_settings
from django.utils import timezone

from core import sealed
from core.errors import Unprocessable
from duto.exceptions import UserErrorException
from duto.pipeline.submission import bound
from duto.spec.graph import read_graph
from duto.spec.secrets import MASK, is_sealed
from pipelines.models import PipelineDraft
from pipelines.services import endpoints
from runs.models import Attempt, Run
from runs.services.agent_reports.launch_spec import SpecOf
from runs.services.submission import publish
from schedules.models import Schedule
from schedules.services import firing
from tests.runs.test_plans import Planner
from workspaces.services import keyvault

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
VALUE, OTHER = "hunter2-é-geheim", "another one"
PARAMETERS: list[dict[str, Any]] = [
    {"name": "password", "type": "string", "default": "", "secret": True, "help": "Of the data base."},
    {"name": "lr", "type": "float", "default": 0.1},
]
TIMETABLE = {"frequency": "Day", "interval": 1, "start_time": "2030-01-01T00:00:00"}


class Keeper(Planner):
    """Submits a graph one step of which gets a secret, as an argument and as a variable."""

    def graph(self, chart: str = "prepare -> train -> compare", **step: Any) -> dict[str, Any]:
        graph = super().graph(chart, **step)
        graph["parameters"] = PARAMETERS
        train = graph["steps"][1]
        train["arguments"] = ["--password", {"parameter": "password"}]
        train["params"] = {"PASSWORD": {"parameter": "password"}}
        return graph

    def done(self, value: str = VALUE, **more: Any) -> Run:
        answer = self.submit(parameters={"password": value}, **more)
        assert answer.status_code == 201, answer.content
        return self.play(answer.json()["id"])

    def spec(self, run: Run) -> SpecOf:
        step = self.scenario.step(run, "train")
        return SpecOf(Attempt(run=step, workspace=self.scenario.workspace, number=1, epoch=1))


@pytest.fixture
def keeper(scenario: Any) -> Keeper:
    return Keeper(scenario)


def rows() -> str:
    """All that the database holds."""
    found = [serializers.serialize("json", model._default_manager.all()) for model in apps.get_models()]
    return "\n".join(found).encode().decode("unicode_escape", "replace") + "\n".join(found)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_step_gets_it_and_nothing_else_does(keeper: Keeper) -> None:
    run = keeper.done()
    assert run.status == "Completed" and is_sealed(run.parameters["password"])
    spec = keeper.spec(run)
    assert spec.arguments() == ["--password", VALUE] and spec.text({"parameter": "password"}) == VALUE
    assert spec.masks == [VALUE] and spec.spec().masks == [VALUE]
    assert VALUE not in rows() and "geheim" not in rows()
    keeper.scenario.client.force_login(keeper.scenario.owner)
    step = keeper.scenario.step(run, "train")
    shown = [
        f"runs/{run.pk}/", f"runs/{run.pk}/steps/", f"runs/{step.pk}/", f"runs/{run.pk}/graph/", f"runs/{step.pk}/inputs/",
        f"runs/{run.pk}/children/", "runs/",
    ]  # fmt: skip
    for path in shown:
        answer = keeper.scenario.get(path)
        assert VALUE not in answer.content.decode() and "$sealed" not in answer.content.decode(), path
    document = keeper.scenario.get(f"runs/{run.pk}/").json()
    assert document["parameters"]["password"] == MASK
    assert json.loads(document["properties"]["azureml.parameters"])["password"] == MASK
    for path in ("", *(f"?step=train&tab={tab}" for tab in ("details", "inputs", "why", "code"))):
        page = keeper.scenario.client.get(f"/w/lab/runs/{run.pk}/{path}").content.decode()
        assert VALUE not in page and "$sealed" not in page, path
    assert MASK in keeper.scenario.client.get(f"/w/lab/runs/{run.pk}/").content.decode()


def test_the_same_secret_is_reused_and_another_is_noticed(keeper: Keeper) -> None:
    first = keeper.done()
    assert keeper.ran == ["prepare", "train", "compare"]
    again = keeper.done()
    assert keeper.ran == []
    assert first.parameters["password"]["$sealed"] != again.parameters["password"]["$sealed"]
    plan = keeper.plan(parameters={"password": OTHER})
    planned = next(each for each in plan["steps"] if each["node"] == "train")
    assert "parameter `password` changed" in planned["text"]
    assert OTHER not in json.dumps(plan) and "$sealed" not in json.dumps(plan) and "$digest" not in json.dumps(plan)
    third = keeper.done(OTHER)
    assert "train" in keeper.ran and "prepare" not in keeper.ran
    assert keeper.why(third, "train")["differences"][0]["old"] == MASK


def test_it_has_to_be_given_and_a_refusal_does_not_show_it(keeper: Keeper) -> None:
    assert code(keeper.submit()) == (422, "secret_missing")
    for value in ("abc", "", 12345, ["hunter2"], "x" * 25_601, MASK):
        answer = keeper.submit(parameters={"password": value})
        assert answer.status_code == 422, value
        assert "hunter2" not in answer.content.decode() and "12345" not in answer.content.decode()
    assert not Run.objects.exists()
    graph = read_graph(keeper.graph())
    for given in ({}, {"password": "abc"}, {"password": MASK}):
        with pytest.raises(UserErrorException, match="'password' is a secret"):
            bound(graph, given, None)
    assert bound(graph, {"password": VALUE}, None) == {"password": VALUE}


@pytest.mark.parametrize(
    "wrong,text",
    [
        ({"default": "hunter2"}, "let its default be ''"),
        ({"type": "int", "default": 3}, "secrets are texts"),
        ({"default": "", "choices": ["hunter2"]}, "which would tell it"),
        ({"default": "", "secret": "yes"}, "`secret` must be true or false"),
    ],
)
def test_what_would_tell_it_is_no_declaration(keeper: Keeper, wrong: dict[str, Any], text: str) -> None:
    graph = {**keeper.graph(), "parameters": [{**PARAMETERS[0], **wrong}, PARAMETERS[1]]}
    answer = keeper.scenario.post("pipelines/", {"name": "p", "graph": graph})
    assert answer.status_code == 422 and text in answer.json()["error"]["message"]
    assert "hunter2" not in answer.content.decode()


def test_it_goes_to_scripts_alone(keeper: Keeper) -> None:
    graph = keeper.graph()
    graph["steps"][1]["inputs"].append({"name": "x", "from": {"parameter": "password"}})
    graph["steps"][1]["node_count"] = {"parameter": "password"}
    answer = keeper.submit(graph=graph, parameters={"password": VALUE})
    assert answer.json()["error"]["message"].count("which is a secret: those are for arguments and params") == 2


def test_a_run_again_and_a_resumed_one_keep_it(keeper: Keeper) -> None:
    run = keeper.failed("compare", parameters={"password": VALUE})
    for path, body in (("resubmit", {}), ("resume", {}), ("resubmit", {"parameters": {"password": MASK, "lr": 0.2}})):
        answer = keeper.scenario.post(f"runs/{run.pk}/{path}/", body)
        assert answer.status_code == 201, answer.content
        assert keeper.spec(Run.objects.get(pk=answer.json()["id"])).masks == [VALUE]
    found = keeper.scenario.get(f"runs/{run.pk}/resume-preview/").json()
    assert {each["node"]: each["outcome"] for each in found["steps"]}["train"] == "adopted"
    answer = keeper.scenario.post(f"runs/{run.pk}/resubmit/", {"parameters": {"password": OTHER}})
    assert keeper.spec(Run.objects.get(pk=answer.json()["id"])).masks == [OTHER]


def test_a_draft_keeps_none_and_asks_anew(keeper: Keeper) -> None:
    run = keeper.done()
    draft = keeper.scenario.post("drafts/", {"run_id": str(run.pk)}).json()
    assert "password" not in draft["parameters"]
    at = f"drafts/{draft['id']}/"
    assert code(keeper.scenario.patch(at, {"parameters": {"password": VALUE}})) == (422, "secret_in_draft")
    assert code(keeper.scenario.patch(at, {"defaults": {"password": VALUE}}))[0] == 422
    assert code(keeper.scenario.post(f"{at}submit/", {})) == (422, "secret_missing")
    assert code(keeper.scenario.post(f"{at}submit/", {"parameters": {"password": MASK}})) == (422, "wrong_type")
    made = keeper.scenario.post(f"{at}submit/", {"parameters": {"password": OTHER}})
    assert made.status_code == 201 and keeper.spec(Run.objects.get(pk=made.json()["id"])).masks == [OTHER]

    client = keeper.scenario.client
    client.force_login(keeper.scenario.owner)
    page = client.get(f"/w/lab/{at}").content.decode()
    assert 'type="password"' in page and "has no default: give its value" not in page
    form = {
        "version": "1",
        "name": "x",
        "priority": "0",
        "p_lr": "0.1",
        "d_lr": "0.1",
        "p_password": VALUE,
        "do": "submit",
    }
    count = Run.objects.filter(parent=None).count()
    client.post(f"/w/lab/{at}", form)
    assert Run.objects.filter(parent=None).count() == count + 1
    assert "password" not in PipelineDraft.objects.get().parameters and VALUE not in rows()
    refused = client.post(f"/w/lab/{at}", {**form, "version": "2", "p_password": ""}).content.decode()
    assert "has no default: give its value" in refused


def test_a_schedule_keeps_it_without_showing_it(keeper: Keeper) -> None:
    pipeline = publish.publish_graph(keeper.scenario.context, keeper.graph(), name="Nightly")
    body = {"name": "s", "pipeline": str(pipeline.pk), "timetable": TIMETABLE}
    assert code(keeper.scenario.post("schedules/", body)) == (422, "secret_missing")
    made = keeper.scenario.post("schedules/", {**body, "parameters": {"password": VALUE}})
    assert made.status_code == 201 and made.json()["parameters"] == {"password": MASK}
    at = f"schedules/{made.json()['id']}/"
    for change in ({"parameters": {"lr": 0.5}}, {"parameters": {"password": MASK}}, {"description": "x"}):
        assert keeper.scenario.patch(at, change).json()["parameters"]["password"] == MASK
        values, masks = sealed.opened(keeper.scenario.workspace.pk, Schedule.objects.get().parameters)
        assert (values["password"], masks) == (VALUE, [VALUE])
    client = keeper.scenario.client
    client.force_login(keeper.scenario.owner)
    for path in (at, f"{at}edit/"):
        page = client.get(f"/w/lab/{path}").content.decode()
        assert VALUE not in page and "$sealed" not in page and MASK in page, path
    assert VALUE not in rows() and "geheim" not in rows()
    assert keeper.scenario.patch(at, {"parameters": {"password": OTHER}}).status_code == 200
    assert sealed.opened(keeper.scenario.workspace.pk, Schedule.objects.get().parameters)[1] == [OTHER]


@pytest.mark.parametrize("kind,default", [("string", ""), ("json", {})])
def test_a_version_that_declares_it_as_plain_does_not_get_it(keeper: Keeper, kind: str, default: Any) -> None:
    context = keeper.scenario.context
    first = publish.publish_graph(context, keeper.graph(), name="Nightly")
    endpoint = endpoints.create(context, "scoring", first)
    body = {"name": "s", "endpoint": str(endpoint.pk), "timetable": TIMETABLE, "parameters": {"password": VALUE}}
    assert keeper.scenario.post("schedules/", body).status_code == 201
    graph = {**keeper.graph(), "parameters": [{"name": "password", "type": kind, "default": default}, PARAMETERS[1]]}
    pipeline = publish.publish_graph(context, graph, name="Nightly", version="2")
    schedule = Schedule.objects.get()
    with pytest.raises(Unprocessable, match="is one and is told nowhere") as refused:
        publish.trigger(context, pipeline, parameters=schedule.parameters)
    assert "$sealed" not in str(refused.value.facts) and not Run.objects.exists()


def test_what_a_newer_version_makes_a_secret_is_one_in_its_schedules_at_once(keeper: Keeper) -> None:
    context = keeper.scenario.context
    plain = {**keeper.graph(), "parameters": [{"name": "password", "type": "string", "default": ""}, PARAMETERS[1]]}
    endpoint = endpoints.create(context, "scoring", publish.publish_graph(context, plain, name="Nightly"))
    values = {"password": VALUE, "lr": 0.5}
    body = {"name": "s", "endpoint": str(endpoint.pk), "timetable": TIMETABLE, "parameters": values}
    made = keeper.scenario.post("schedules/", body)
    assert made.json()["parameters"] == values
    keeper.scenario.patch(f"schedules/{made.json()['id']}/", {"status": "Disabled"})
    newer = publish.publish_graph(context, keeper.graph(), name="Nightly", version="2")
    endpoints.add(context, endpoint, newer, is_default=True)
    shown = keeper.scenario.get(f"schedules/{made.json()['id']}/").json()["parameters"]
    assert shown == {"password": MASK, "lr": 0.5}
    schedule = Schedule.objects.get()
    assert sealed.opened(schedule.workspace_id, schedule.parameters)[0] == values
    # One of before an update of the studio, when it is fired.
    Schedule.objects.update(parameters=values)
    moment = timezone.now()
    firing.start(context, Schedule.objects.get().ticks.create(due_at=moment, fires_at=moment))
    assert is_sealed(Schedule.objects.get().parameters["password"])
    assert Schedule.objects.get().parameters["lr"] == 0.5


def test_nobody_gives_what_only_the_studio_makes(keeper: Keeper) -> None:
    odd = {"$sealed": "00", "$digest": "x"}
    graph = keeper.graph()
    graph["parameters"] = [*PARAMETERS, {"name": "options", "type": "json", "default": {}}]
    graph["steps"][0]["arguments"] = [{"parameter": "options"}]
    for values in ({"password": odd}, {"password": VALUE, "options": odd}):
        answer = keeper.scenario.post("runs/", {"experiment": "e", "graph": graph, "parameters": values})
        assert answer.status_code == 400 and "how the studio keeps a secret" in answer.json()["error"]["message"]
    text = keeper.submit(graph, parameters={"password": VALUE, "options": json.dumps(odd)})
    assert code(text) == (422, "wrong_type") and "'$sealed' and '$digest'" in text.json()["error"]["message"]
    assert not Run.objects.exists()


def test_a_key_that_is_gone_is_told_and_secrets_of_schedules_move_to_the_new_one(keeper: Keeper, settings: Any) -> None:
    run = keeper.done()
    pipeline = publish.publish_graph(keeper.scenario.context, keeper.graph(), name="Nightly")
    body = {"name": "s", "pipeline": str(pipeline.pk), "timetable": TIMETABLE, "parameters": {"password": VALUE}}
    keeper.scenario.post("schedules/", body)
    old = settings.SECRET_KEY
    with override_settings(SECRET_KEY="n" * 60, SECRET_KEY_FALLBACKS=[old]):
        keyvault.rotate()
        assert keeper.spec(run).masks == [VALUE]
    with override_settings(SECRET_KEY="n" * 60, SECRET_KEY_FALLBACKS=[]):
        found = Schedule.objects.get()
        assert sealed.opened(found.workspace_id, found.parameters)[1] == [VALUE]
        with pytest.raises(Unprocessable, match="encrypted under another key"):
            keeper.spec(run)


def test_a_tick_starts_a_run_with_it(keeper: Keeper) -> None:
    pipeline = publish.publish_graph(keeper.scenario.context, keeper.graph(), name="Nightly")
    body = {"name": "s", "pipeline": str(pipeline.pk), "timetable": TIMETABLE, "parameters": {"password": VALUE}}
    keeper.scenario.post("schedules/", body)
    schedule = Schedule.objects.get()
    tick = schedule.ticks.create(due_at=schedule.next_at, fires_at=schedule.next_at)
    assert keeper.spec(firing.start(keeper.scenario.context, tick)).masks == [VALUE]


def test_callers_are_told_where_it_goes(keeper: Keeper) -> None:
    pipeline = publish.publish_graph(keeper.scenario.context, keeper.graph(), name="Nightly")
    found = keeper.scenario.get(f"pipelines/{pipeline.pk}/openapi/").json()
    (operation,) = (each["post"] for each in found["paths"].values())
    schema = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]["ParameterAssignments"]
    assert schema["required"] == ["password"]
    assert schema["properties"]["password"] == {
        "type": "string", "format": "password", "writeOnly": True, "description": "Of the data base.",
    }  # fmt: skip
    client = keeper.scenario.client
    client.force_login(keeper.scenario.owner)
    page = client.get(f"/w/lab/pipelines/{pipeline.pk}/").content.decode()
    assert 'type="password"' in page and "&lt;password&gt;" in page
    answer = client.post(f"/w/lab/pipelines/{pipeline.pk}/", {"p_lr": "0.1", "experiment": "e", "p_password": "abc"})
    assert "at least 4 characters" in answer.content.decode() and 'value="abc"' not in answer.content.decode()
    client.post(f"/w/lab/pipelines/{pipeline.pk}/", {"p_lr": "0.1", "experiment": "e", "p_password": VALUE})
    assert keeper.spec(Run.objects.get(parent=None)).masks == [VALUE]
