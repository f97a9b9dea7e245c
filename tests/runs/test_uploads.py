"""Files that a program gives to its run: the same again, others under the same name, and those of an earlier attempt."""

from __future__ import annotations

from typing import Any

import pytest

from runs.models import Artifact
from tests.workspace_scenario import content

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def files_of(scenario: Any, run: Any) -> dict[str, bytes]:
    """What the run has, by name."""
    place = f"runs/{run.pk}/artifacts/"
    return {each["path"]: content(scenario.get(place + each["path"])) for each in scenario.get(place).json()["items"]}


def test_the_same_bytes_are_no_conflict(scenario: Any) -> None:
    run = scenario.step(scenario.pipeline(), "train")
    place = f"runs/{run.pk}/artifacts/outputs/m.pkl"
    first = scenario.put(place, b"one")
    assert first.status_code == 201 and scenario.put(place, b"one").json() == first.json()
    refused = scenario.put(place, b"two")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "exists")
    text = refused.json()["error"]["message"]
    assert "'outputs/m.pkl' already, with other bytes" in text and "?" not in text
    assert files_of(scenario, run) == {"outputs/m.pkl": b"one"}
    assert scenario.put(place, b"two", overwrite=1).json()["digest"] != first.json()["digest"]
    assert files_of(scenario, run) == {"outputs/m.pkl": b"two"}


def test_what_an_earlier_attempt_gave_is_kept_aside(scenario: Any) -> None:
    run = scenario.step(scenario.pipeline(), "train")
    place = f"runs/{run.pk}/artifacts/outputs/m.pkl"
    scenario.attempt(run, 1)
    assert scenario.put(place, b"one").status_code == 201
    scenario.attempt(run, 2)
    assert scenario.put(place, b"two").status_code == 201
    assert files_of(scenario, run) == {"attempt-1/outputs/m.pkl": b"one", "outputs/m.pkl": b"two"}
    assert {row.path: row.attempt.number for row in Artifact.objects.select_related("attempt")} == {
        "attempt-1/outputs/m.pkl": 1,
        "outputs/m.pkl": 2,
    }


def test_the_models_of_a_pipeline_are_those_of_its_steps_too(scenario: Any) -> None:
    pipeline = scenario.pipeline()
    step, other = scenario.step(pipeline, "train"), scenario.step(scenario.pipeline(), "train")
    for run, name in ((step, "one"), (step, "two"), (other, "foreign")):
        assert scenario.put(f"runs/{run.pk}/artifacts/outputs/{name}.pkl", name.encode()).status_code == 201
        body = {"name": name, "run_id": str(run.pk), "path": f"outputs/{name}.pkl"}
        assert scenario.post("models/", body).status_code == 201

    def of(run: Any) -> set[str]:
        return {each["name"] for each in scenario.get("models/", run_id=str(run.pk)).json()["items"]}

    assert of(pipeline) == of(step) == {"one", "two"}
    assert of(other) == {"foreign"}
