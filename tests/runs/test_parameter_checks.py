"""Values of parameters that say what they take: every entrance refuses the same ones, as programs do before they ask."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duto.exceptions import UserErrorException
from duto.pipeline.submission import bound
from duto.spec.graph import read_graph
from runs.models import Attempt, Run
from runs.services.agent_reports.launch_spec import SpecOf
from runs.services.submission import publish
from tests.runs.conftest import RunScenario

pytestmark = [pytest.mark.django_db]
PARAMETERS: list[dict[str, Any]] = [
    {"name": "rounds", "type": "int", "default": 3, "minimum": 1, "maximum": 10},
    {"name": "rate", "type": "float", "default": 0.5, "minimum": 0.0, "maximum": 1.0},
    {"name": "size", "type": "string", "default": "small", "choices": ["small", "large"]},
    {"name": "note", "type": "string", "default": ""},
    {"name": "fast", "type": "bool", "default": False},
    {"name": "layers", "type": "list", "default": [64], "minimum": 1},
    {"name": "options", "type": "json", "default": {"datastore": "a", "path": "b"}, "help": "Anything."},
    {"name": "since", "type": "datetime", "default": "2024-01-01T00:00:00+00:00"},
]
ARGUMENTS = [{"parameter": each["name"]} for each in PARAMETERS]


@pytest.fixture
def graph(scenario: RunScenario) -> dict[str, Any]:
    return scenario.graph("train", parameters=PARAMETERS, arguments=ARGUMENTS)


@pytest.fixture
def entrances(scenario: RunScenario, graph: dict[str, Any]) -> dict[str, Any]:
    """By name, what takes values and gives the answer."""
    pipeline = publish.publish_graph(scenario.context, graph, name="Nightly", version="1")
    endpoint = scenario.post("endpoints/", {"name": "scoring", "pipeline": str(pipeline.pk)}).json()
    draft = scenario.post("drafts/", {"graph": graph}).json()["id"]
    run = scenario.pipeline(graph=graph, status="Completed")
    timetable = {"frequency": "Day", "interval": 1, "start_time": "2030-01-01T00:00:00"}
    by_id = endpoint["endpoint"].removeprefix("http://127.0.0.1:8000")
    by_name = by_id.rpartition("/Id/")[0] + "/Name?name=scoring"
    base = by_id.rpartition("PipelineEndpointSubmit")[0] + f"PipelineSubmit/{pipeline.pk}"

    def call(address: str) -> Any:
        return lambda values: scenario.client.post(
            address, json.dumps({"ParameterAssignments": values}), content_type="application/json"
        )

    return {
        "submit": lambda values: scenario.post("runs/", {"experiment": "e", "graph": graph, "parameters": values}),
        "plan": lambda values: scenario.post("plan/", {"experiment": "e", "graph": graph, "parameters": values}),
        "plan of a pipeline": lambda values: scenario.post(f"pipelines/{pipeline.pk}/plan/", {"ParameterAssignments": values}),
        "trigger": call(base),
        "endpoint by id": call(by_id),
        "endpoint by version": call(by_id + "/0"),
        "endpoint by name": call(by_name),
        "resubmit": lambda values: scenario.post(f"runs/{run.pk}/resubmit/", {"parameters": values}),
        "draft": lambda values: scenario.patch(f"drafts/{draft}/", {"parameters": values}),
        "draft's defaults": lambda values: scenario.patch(f"drafts/{draft}/", {"defaults": values}),
        "draft's submit": lambda values: scenario.post(f"drafts/{draft}/submit/", {"parameters": values}),
        "schedule": lambda values: scenario.post(
            "schedules/", {"name": "s", "pipeline": str(pipeline.pk), "timetable": timetable, "parameters": values}
        ),
    }  # fmt: skip


REFUSED = [
    ("rounds", 11, "out_of_range", "Parameter 'rounds' is from 1 to 10, but the value is 11."),
    ("rounds", "0", "out_of_range", "Parameter 'rounds' is from 1 to 10, but the value is 0."),
    ("rounds", True, "wrong_type", "Parameter 'rounds' is a whole number, but the value is True."),
    ("rate", "nan", "wrong_type", "Parameter 'rate' is a number, but the value is 'nan'."),
    ("size", "Small", "not_a_choice", "Parameter 'size' is one of 'small', 'large', but the value is 'Small'."),
    ("layers", [0], "out_of_range", "Each element of parameter 'layers' is at least 1, but the list has 0."),
    ("options", [1], "wrong_type", "Parameter 'options' is a JSON object, each key of it once, but the value is [1]."),
    ("since", "tomorrow", "wrong_type", "such as 2024-05-31T14:30:00+02:00, but the value is 'tomorrow'."),
]


def test_every_entrance_refuses_what_a_parameter_does_not_take(entrances: dict[str, Any]) -> None:
    made = Run.objects.count()
    for name, enter in entrances.items():
        for parameter, value, code, text in REFUSED:
            answer = enter({parameter: value})
            assert answer.status_code == 422, (name, parameter, value, answer.content)
            error = answer.json()["error"]
            assert (error["code"], text in error["message"]) == (code, True), (name, error)
    assert Run.objects.count() == made


def test_every_entrance_takes_what_a_parameter_takes(entrances: dict[str, Any]) -> None:
    """As typed values, and as the text that Azure's callers send."""
    typed = {"rounds": 7, "rate": 1, "fast": True, "layers": [1, 2], "options": {"b": 1}, "since": "2024-05-31T14:30"}
    for name, enter in entrances.items():
        for values in (
            typed,
            {key: value if isinstance(value, str) else json.dumps(value) for key, value in typed.items()},
        ):
            answer = enter(values)
            assert answer.status_code in (200, 201), (name, values, answer.content)


def test_values_are_kept_typed_and_reach_the_step_as_text(scenario: RunScenario, graph: dict[str, Any]) -> None:
    values = {
        "rounds": "7",
        "layers": "[1, 2]",
        "options": '{"b": [1, "é"], "a": {}}',
        "since": "2024-05-31T14:30+02:00",
    }
    answer = scenario.post("runs/", {"experiment": "e", "graph": graph, "parameters": values})
    assert answer.status_code == 201, answer.content
    run = Run.objects.get(pk=answer.json()["id"])
    assert run.parameters == {
        "rounds": 7, "rate": 0.5, "size": "small", "note": "", "fast": False, "layers": [1, 2],
        "options": {"a": {}, "b": [1, "é"]}, "since": "2024-05-31T12:30:00+00:00",
    }  # fmt: skip
    step = scenario.step(run, "train")
    attempt = Attempt(run=step, workspace=scenario.workspace, number=1, epoch=1)
    assert SpecOf(attempt).arguments() == [
        "7", "0.5", "small", "", "False", "[1,2]", '{"a":{},"b":[1,"é"]}', "2024-05-31T12:30:00+00:00",
    ]  # fmt: skip


def test_an_object_that_looks_like_a_path_is_one_no_more(scenario: RunScenario, graph: dict[str, Any]) -> None:
    run = Run.objects.get(pk=scenario.post("runs/", {"experiment": "e", "graph": graph}).json()["id"])
    attempt = Attempt(run=scenario.step(run, "train"), workspace=scenario.workspace, number=1, epoch=1)
    assert SpecOf(attempt).arguments()[6] == '{"datastore":"a","path":"b"}'


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 12), st.integers(), st.floats(-1, 2), st.sampled_from(["small", "5", "", "[1]", "{}", "nan"]),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=5), st.lists(st.integers(-1, 3), max_size=3),
    st.dictionaries(st.sampled_from("ab"), st.integers(), max_size=2), st.datetimes().map(str), st.dates().map(str),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([each["name"] for each in PARAMETERS]), value=VALUES)
def test_rest_refuses_exactly_what_programs_refuse(
    scenario: RunScenario, graph: dict[str, Any], name: str, value: Any
) -> None:
    if not hasattr(scenario, "draft_place"):
        scenario.draft_place = f"drafts/{scenario.post('drafts/', {'graph': graph}).json()['id']}/"  # type: ignore[attr-defined]
    answer = scenario.patch(scenario.draft_place, {"parameters": {name: value}})  # type: ignore[attr-defined]
    try:
        sent: Any = bound(read_graph(graph), {name: value}, None)
    except UserErrorException as error:
        assert (answer.status_code, answer.json()["error"]["message"]) == (422, str(error)), (name, value)
        return
    assert answer.status_code == 200, (name, value, answer.content)
    kept = answer.json()["parameters"]
    assert kept == sent, (name, value)


@pytest.mark.parametrize(
    "wrong,text",
    [
        ({"default": 99, "maximum": 10}, "'n' is at most 10, but the value is 99"),
        ({"default": 1, "choices": []}, "has 0 choices"),
        ({"default": 1, "choices": "12"}, "`choices` must be a list"),
        ({"default": 1, "help": 5}, "`help` must be text"),
        ({"default": 1, "minimum": 5, "maximum": 1}, "above its maximum"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(scenario: RunScenario, wrong: dict[str, Any], text: str) -> None:
    graph = scenario.graph("train", parameters=[{"name": "n", "type": "int", **wrong}])
    for answer in (
        scenario.post("runs/", {"experiment": "e", "graph": graph}),
        scenario.post("pipelines/", {"name": "p", "graph": graph}),
        scenario.post("drafts/", {"graph": graph}),
    ):
        assert answer.status_code == 422 and text in answer.json()["error"]["message"], answer.content


def test_a_fact_of_a_trigger_needs_only_the_type(scenario: RunScenario) -> None:
    declared = [
        {"name": "at", "type": "datetime", "default": "2030-01-01T00:00:00Z", "minimum": "2030-01-01T00:00:00Z"}
    ]
    pipeline = publish.publish_graph(scenario.context, scenario.graph("train", parameters=declared), name="Nightly")
    timetable = {"frequency": "Day", "interval": 1, "start_time": "2030-01-01T00:00:00"}
    body = {"name": "s", "pipeline": str(pipeline.pk), "timetable": timetable, "values": {"at": "due_at"}}
    assert scenario.post("schedules/", body).status_code == 201
