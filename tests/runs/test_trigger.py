"""Published pipelines, triggered from outside in the shape that existing callers expect."""

from __future__ import annotations

import json

import pytest
from django.utils import translation

from datasets import stores
from runs import stored_messages
from runs.models import Run
from runs.services.submission import publish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


@pytest.fixture
def published(scenario):
    graph = scenario.graph("train", parameters=[{"name": "epochs", "type": "int", "default": 3}, {"name": "place", "type": "data_path", "default": "workspaceblobstore/raw"}])  # fmt: skip
    return publish.publish_run(
        scenario.context, scenario.pipeline(graph=graph, status="Completed"), name="Nightly", version="1"
    )


def trigger(scenario, pipeline, body, client=None):
    address = (
        "/api/v1/pipelines/v1.0/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/"
        f"workspaces/lab/PipelineRuns/PipelineSubmit/{pipeline.pk}"
    )
    return (client or scenario.client).post(address, json.dumps(body), content_type="application/json")


def test_a_trigger_answers_with_the_run(scenario, published):
    stores.root_by_name(scenario.workspace, "workspaceblobstore")
    body = {
        "ExperimentName": "by rest",
        "ParameterAssignments": {"epochs": "20"},
        "DataPathAssignments": {"place": {"DataStoreName": "workspaceblobstore", "RelativePath": "other"}},
        "Tags": {"a": 1},
        "RunSource": "SDK",
        "Unknown": True,
    }
    answer = trigger(scenario, published, body)
    assert answer.status_code == 200
    document = answer.json()
    assert set(document) == {"Id", "RunUrl", "Status"}
    run = Run.objects.get(pk=document["Id"])
    assert run.parameters == {"epochs": 20, "place": {"datastore": "workspaceblobstore", "path": "other"}}
    assert (run.experiment.name, run.tags, run.published_pipeline_id) == ("by rest", {"a": "1"}, published.pk)
    published.refresh_from_db()
    assert published.last_run_id == run.pk
    assert trigger(scenario, published, {}).json()["Id"] != document["Id"]


def test_parameters_that_do_not_fit_are_named(scenario, published):
    wrong = trigger(scenario, published, {"ExperimentName": "e", "ParameterAssignments": {"epochs": "many"}})
    assert wrong.json()["error"]["code"] == "wrong_type" and "epochs" in wrong.json()["error"]["message"]
    assert trigger(scenario, published, {"ParameterAssignments": [1]}).status_code == 400
    assert Run.objects.filter(published_pipeline_id=published.pk).count() == 0


def test_parameters_that_there_are_not_start_the_run_with_a_warning(scenario, published):
    stores.root_by_name(scenario.workspace, "workspaceblobstore")
    body = {
        "ParameterAssignments": {"speed": 1, "epochs": 4},
        "DataPathAssignments": {"x" * 200: {"DataStoreName": "d"}},
    }
    answer = trigger(scenario, published, body)
    assert answer.status_code == 200
    run = Run.objects.get(pk=answer.json()["Id"])
    assert run.parameters["epochs"] == 4 and set(run.parameters) == {"epochs", "place"}
    (kept,) = run.warnings
    warning = kept["text"]
    assert f"parameters that the pipeline does not have, and they were left aside: 'speed', '{'x' * 100}'." in warning
    assert warning.endswith("The pipeline has: epochs, place.")
    assert warning in scenario.get(f"runs/{run.pk}/").json()["warnings"]
    with translation.override("pt-pt"):
        assert stored_messages.warning(kept).endswith(f"'speed', '{'x' * 100}'. O pipeline tem: epochs, place.")


def test_a_disabled_pipeline_and_an_unknown_one_run_nothing(scenario, published):
    published.status = "Disabled"
    published.save()
    assert trigger(scenario, published, {}).status_code == 409
    published.pk = "00000000-0000-7000-8000-000000000000"
    assert trigger(scenario, published, {}).status_code == 404


def test_a_reader_may_not_trigger(scenario, published):
    from workspaces.models import Role

    assert trigger(scenario, published, {}, scenario.member("rui", Role.READER)).status_code == 403


def test_a_run_or_a_graph_is_published_over_rest(scenario):
    run = scenario.pipeline(status="Completed")
    made = scenario.post("pipelines/", {"name": "From a run", "run_id": str(run.pk), "version": "2"})
    assert made.status_code == 201
    assert made.json()["total_run_steps"] == 2 and made.json()["endpoint"].endswith(made.json()["id"])
    answer = scenario.client.post(made.json()["endpoint"].split("8000")[-1], "{}", content_type="application/json")
    assert answer.status_code == 200
    sent = scenario.post("pipelines/", {"name": "From a graph", "graph": scenario.graph()})
    assert sent.status_code == 201 and "graph" not in sent.json()
    assert sent.json()["url"].endswith(f"/w/lab/pipelines/{sent.json()['id']}/")
    at = f"pipelines/{sent.json()['id']}/"
    (whole, changed) = scenario.get(at).json(), scenario.patch(at, {"status": "Disabled"}).json()
    assert len(whole["graph"]["steps"]) == whole["total_run_steps"] and "graph" not in changed
    for body in (
        {"name": "x"},
        {"name": "x", "graph": {"steps": 3}},
        {"name": "x", "run_id": "0" * 32},
        {"graph": scenario.graph()},
    ):
        assert scenario.post("pipelines/", body).status_code in (400, 404, 422), body
    step = scenario.step(run, "train")
    assert scenario.post("pipelines/", {"name": "A step", "run_id": str(step.pk)}).status_code == 400
