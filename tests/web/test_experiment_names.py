"""One rule for the names of experiments, at every door that takes one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from duto import Experiment as SdkExperiment
from runs.models import Experiment
from runs.services.submission import publish
from runs.services.submission.experiments import name_from
from tests.web.conftest import Site

pytestmark = [pytest.mark.django_db(transaction=True)]

GOOD = ["Palmer penguins", "a", "x" * 255, "é – ß", "a.b", "...", "it's"]
BAD = ["a/b", "a\\b", "..", ".", " ", " a", "a ", "a\tb", "a\nb", "x" * 256, "x" * 300]


def trigger(site: Site, name: str) -> Any:
    pipeline = publish.publish_run(site.context, site.filled(), name="nightly", version="1.0")
    address = (
        "/api/v1/pipelines/v1.0/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/"
        f"workspaces/lab/PipelineRuns/PipelineSubmit/{pipeline.pk}"
    )
    return site.client.post(address, json.dumps({"ExperimentName": name}), content_type="application/json")


NAME_PATHS: dict[str, Callable[[Site, str], Any]] = {
    "experiments": lambda site, name: site.post("experiments/", {"name": name}),
    "an interactive run": lambda site, name: site.post("runs/", {"experiment": name, "kind": "interactive"}),
    "a pipeline": lambda site, name: site.post("runs/", {"experiment": name, "graph": site.graph()}),
    "renaming": lambda site, name: site.patch("experiments/Palmer experiment/", {"name": name}),
    "the trigger": trigger,
}


@pytest.mark.parametrize("name_path", NAME_PATHS)
def test_every_door_of_rest_keeps_a_good_name_and_refuses_a_bad_one(site: Site, name_path: str) -> None:
    for name in BAD:
        answer = NAME_PATHS[name_path](site, name)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_name"), (name, answer.content)
        assert "without slashes" in answer.json()["error"]["message"]
    for name in GOOD if name_path != "renaming" else GOOD[:1]:
        assert NAME_PATHS[name_path](site, name).status_code in (200, 201), name
        assert Experiment.objects.filter(workspace=site.workspace, name=name).exists(), name
    assert not Experiment.objects.filter(name__in=BAD).exists()


def test_the_form_of_a_published_pipeline_does_so_too(site: Site) -> None:
    made = site.send(f"runs/{site.filled().pk}/publish/", name="nightly")["Location"].removeprefix("/w/lab/")
    for name in BAD:
        answer = site.send(made, p_trees="9", p_rate="0.2", p_scale="false", experiment=name)
        page = answer.content.decode()
        assert answer.status_code == 200 and ("without slashes" in page or "required" in page), name
    site.send(made, p_trees="9", p_rate="0.2", p_scale="false", experiment=GOOD[3])
    assert Experiment.objects.filter(name=GOOD[3]).exists() and not Experiment.objects.filter(name__in=BAD).exists()


def test_the_sdk_says_the_same_before_anything_is_sent() -> None:
    for name in BAD:
        with pytest.raises(ValueError, match="without slashes"):
            SdkExperiment(None, name)
    assert [SdkExperiment(None, name).name for name in GOOD] == GOOD


def test_a_pipeline_of_any_name_is_run_without_naming_an_experiment(site: Site) -> None:
    pipeline = publish.publish_run(site.context, site.filled(), name=" team/nightly\\2 ", version="1.0")
    run = publish.trigger(site.context, pipeline)
    assert run.experiment.name == name_from(pipeline.name) == "team-nightly-2"
    assert [name_from(text) for text in ("..", "", "x" * 300, "a / b")] == ["Default", "Default", "x" * 255, "a - b"]


def test_what_is_there_by_an_older_rule_goes_on(site: Site) -> None:
    Experiment.objects.create(workspace=site.workspace, name="team/old")
    assert site.post("runs/", {"experiment": "team/old", "kind": "interactive"}).status_code == 201
    assert site.get("experiments/team/old/").json()["run_count"] == 1
