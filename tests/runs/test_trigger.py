"""Published pipelines, triggered from outside in the shape that existing callers expect."""

from __future__ import annotations

import json

import pytest
from django.utils import translation

from datasets import services as datasets
from runs import stored_messages
from runs.models import Run
from runs.services.submission import publish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


@pytest.fixture
def published(lab):
    graph = lab.graph("train", parameters=[{"name": "epochs", "type": "int", "default": 3}, {"name": "place", "type": "data_path", "default": "workspaceblobstore/raw"}])  # fmt: skip
    return publish.publish_run(lab.context, lab.pipeline(graph=graph, status="Completed"), name="Nightly", version="1")


def trigger(lab, pipeline, body, client=None):
    address = (
        "/api/v1/pipelines/v1.0/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/"
        f"workspaces/lab/PipelineRuns/PipelineSubmit/{pipeline.pk}"
    )
    return (client or lab.client).post(address, json.dumps(body), content_type="application/json")


def test_a_trigger_answers_with_the_run(lab, published):
    datasets.root_by_name(lab.workspace, "workspaceblobstore")
    body = {
        "ExperimentName": "by rest",
        "ParameterAssignments": {"epochs": "20"},
        "DataPathAssignments": {"place": {"DataStoreName": "workspaceblobstore", "RelativePath": "other"}},
        "Tags": {"a": 1},
        "RunSource": "SDK",
        "Unknown": True,
    }
    answer = trigger(lab, published, body)
    assert answer.status_code == 200
    told = answer.json()
    assert set(told) == {"Id", "RunUrl", "Status"}
    run = Run.objects.get(pk=told["Id"])
    assert run.parameters == {"epochs": 20, "place": {"datastore": "workspaceblobstore", "path": "other"}}
    assert (run.experiment.name, run.tags, run.published_pipeline_id) == ("by rest", {"a": "1"}, published.pk)
    published.refresh_from_db()
    assert published.last_run_id == run.pk
    assert trigger(lab, published, {}).json()["Id"] != told["Id"]


def test_parameters_that_do_not_fit_are_named(lab, published):
    wrong = trigger(lab, published, {"ExperimentName": "e", "ParameterAssignments": {"epochs": "many"}})
    assert wrong.json()["error"]["code"] == "wrong_type" and "epochs" in wrong.json()["error"]["message"]
    assert trigger(lab, published, {"ParameterAssignments": [1]}).status_code == 400
    assert Run.objects.filter(published_pipeline_id=published.pk).count() == 0


def test_parameters_that_there_are_not_start_the_run_with_a_warning(lab, published):
    datasets.root_by_name(lab.workspace, "workspaceblobstore")
    body = {
        "ParameterAssignments": {"speed": 1, "epochs": 4},
        "DataPathAssignments": {"x" * 200: {"DataStoreName": "d"}},
    }
    answer = trigger(lab, published, body)
    assert answer.status_code == 200
    run = Run.objects.get(pk=answer.json()["Id"])
    assert run.parameters["epochs"] == 4 and set(run.parameters) == {"epochs", "place"}
    (kept,) = run.warnings
    warning = kept["text"]
    assert f"parameters that the pipeline does not have, and they were left aside: 'speed', '{'x' * 100}'." in warning
    assert warning.endswith("The pipeline has: epochs, place.")
    assert warning in lab.get(f"runs/{run.pk}/").json()["warnings"]
    with translation.override("pt-pt"):
        assert stored_messages.warning(kept).endswith(f"'speed', '{'x' * 100}'. O pipeline tem: epochs, place.")


def test_a_disabled_pipeline_and_an_unknown_one_run_nothing(lab, published):
    published.status = "Disabled"
    published.save()
    assert trigger(lab, published, {}).status_code == 409
    published.pk = "00000000-0000-7000-8000-000000000000"
    assert trigger(lab, published, {}).status_code == 404


def test_a_reader_may_not_trigger(lab, published):
    from workspaces.models import Role

    assert trigger(lab, published, {}, lab.member("rui", Role.READER)).status_code == 403


def test_a_run_or_a_graph_is_published_over_rest(lab):
    run = lab.pipeline(status="Completed")
    made = lab.post("pipelines/", {"name": "From a run", "run_id": str(run.pk), "version": "2"})
    assert made.status_code == 201
    assert made.json()["total_run_steps"] == 2 and made.json()["endpoint"].endswith(made.json()["id"])
    answer = lab.client.post(made.json()["endpoint"].split("8000")[-1], "{}", content_type="application/json")
    assert answer.status_code == 200
    sent = lab.post("pipelines/", {"name": "From a graph", "graph": lab.graph()})
    assert sent.status_code == 201 and "graph" not in sent.json()
    assert sent.json()["url"].endswith(f"/w/lab/pipelines/{sent.json()['id']}/")
    at = f"pipelines/{sent.json()['id']}/"
    (whole, changed) = lab.get(at).json(), lab.patch(at, {"status": "Disabled"}).json()
    assert len(whole["graph"]["steps"]) == whole["total_run_steps"] and "graph" not in changed
    for body in (
        {"name": "x"},
        {"name": "x", "graph": {"steps": 3}},
        {"name": "x", "run_id": "0" * 32},
        {"graph": lab.graph()},
    ):
        assert lab.post("pipelines/", body).status_code in (400, 404, 422), body
    step = lab.step(run, "train")
    assert lab.post("pipelines/", {"name": "A step", "run_id": str(step.pk)}).status_code == 400
