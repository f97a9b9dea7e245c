"""Experiments by REST, the palette, and runs that are opened below others or submitted again."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def test_an_experiment_is_made_on_first_use(lab):
    assert lab.post("experiments/", {"name": "a-b c"}).status_code == 201
    assert lab.post("experiments/", {"name": "a-b c"}).status_code == 201
    assert lab.get("experiments/a-b c/").json()["name"] == "a-b c"
    assert {each["name"] for each in lab.get("experiments/").json()["items"]} == {"a-b c", "Palmer experiment"}
    assert lab.get("experiments/none/").status_code == 404
    assert lab.post("experiments/", {"name": " "}).status_code == 422


def test_the_palette_finds_everything_with_a_name(lab):
    lab.pipeline(display_name="palm run")
    found = lab.get("palette/", q="palm").json()["items"]
    assert {(each["kind"], each["name"]) for each in found} >= {
        ("run", "palm run #1"),
        ("experiment", "Palmer experiment"),
    }
    assert {each["kind"] for each in lab.get("palette/", q="cpu").json()["items"]} == {"compute"}


def test_an_experiment_has_tags_and_may_leave_the_lists(lab):
    address = f"{lab.base}experiments/Palmer experiment/"

    def change(body):
        return lab.client.patch(address, json.dumps(body), content_type="application/json")

    assert change({"tags": {"a": 1}}).json()["tags"] == {"a": "1"}
    assert change({"archived": True}).json()["archived_at"] and not change({"archived": False}).json()["archived_at"]
    lab.post("experiments/", {"name": "taken"})
    assert change({"name": "taken"}).status_code == 409


def test_a_program_opens_runs_below_its_own(lab):
    parent = lab.post("runs/", {"experiment": "e", "kind": "interactive", "display_name": None}).json()
    child = lab.post(
        "runs/", {"experiment": "e", "kind": "interactive", "parent": parent["id"], "display_name": "fold 1"}
    ).json()
    assert (child["kind"], child["parent"], child["root"], child["status"]) == (
        "child",
        parent["id"],
        parent["id"],
        "Running",
    )
    assert [each["id"] for each in lab.get(f"runs/{parent['id']}/children/").json()["items"]] == [child["id"]]
    assert lab.post(f"runs/{child['id']}/complete/").json()["status"] == "Completed"
    lab.post(f"runs/{parent['id']}/complete/")
    late = lab.post("runs/", {"experiment": "e", "kind": "interactive", "parent": parent["id"]})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "is_over")


def test_a_run_is_submitted_again_and_a_step_is_not(lab):
    run = lab.pipeline(
        status="Completed",
        graph=lab.graph("a", parameters=[{"name": "n", "type": "int", "default": 1}]),
        parameters={"n": 1},
    )
    again = lab.post(f"runs/{run.pk}/resubmit/", {"parameters": {"n": "5"}, "regenerate_outputs": True})
    assert again.status_code == 201
    assert (again.json()["parameters"], again.json()["cloned_from"]) == ({"n": 5}, str(run.pk))
    assert lab.post(f"runs/{run.pk}/resubmit/", {"parameters": {"n": "x"}}).json()["error"]["code"] == "wrong_type"
    assert lab.post(f"runs/{lab.step(run, 'a').pk}/resubmit/").status_code == 400
