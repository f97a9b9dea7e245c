"""Experiments by REST, the palette, and runs that are opened below others or submitted again."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def test_an_experiment_is_made_on_first_use(scenario):
    assert scenario.post("experiments/", {"name": "a-b c"}).status_code == 201
    assert scenario.post("experiments/", {"name": "a-b c"}).status_code == 201
    assert scenario.get("experiments/a-b c/").json()["name"] == "a-b c"
    assert {each["name"] for each in scenario.get("experiments/").json()["items"]} == {"a-b c", "Palmer experiment"}
    assert scenario.get("experiments/none/").status_code == 404
    assert scenario.post("experiments/", {"name": " "}).status_code == 422


def test_the_palette_finds_everything_with_a_name(scenario):
    scenario.pipeline(display_name="palm run")
    found = scenario.get("palette/", q="palm").json()["items"]
    assert {(each["kind"], each["name"]) for each in found} >= {
        ("run", "palm run #1"),
        ("experiment", "Palmer experiment"),
    }
    assert {each["kind"] for each in scenario.get("palette/", q="cpu").json()["items"]} == {"compute"}


def test_an_experiment_has_tags_and_may_leave_the_lists(scenario):
    address = f"{scenario.base}experiments/Palmer experiment/"

    def change(body):
        return scenario.client.patch(address, json.dumps(body), content_type="application/json")

    assert change({"tags": {"a": 1}}).json()["tags"] == {"a": "1"}
    assert change({"archived": True}).json()["archived_at"] and not change({"archived": False}).json()["archived_at"]
    scenario.post("experiments/", {"name": "taken"})
    assert change({"name": "taken"}).status_code == 409


def test_a_program_opens_runs_below_its_own(scenario):
    parent = scenario.post("runs/", {"experiment": "e", "kind": "interactive", "display_name": None}).json()
    child = scenario.post(
        "runs/", {"experiment": "e", "kind": "interactive", "parent": parent["id"], "display_name": "fold 1"}
    ).json()
    assert (child["kind"], child["parent"], child["root"], child["status"]) == (
        "child",
        parent["id"],
        parent["id"],
        "Running",
    )
    assert [each["id"] for each in scenario.get(f"runs/{parent['id']}/children/").json()["items"]] == [child["id"]]
    assert scenario.post(f"runs/{child['id']}/complete/").json()["status"] == "Completed"
    scenario.post(f"runs/{parent['id']}/complete/")
    late = scenario.post("runs/", {"experiment": "e", "kind": "interactive", "parent": parent["id"]})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "is_over")


def test_many_runs_are_opened_below_one_at_once(scenario, django_assert_max_num_queries):
    parent = scenario.post("runs/", {"experiment": "e", "kind": "interactive"}).json()
    asked = {"children": [{"display_name": f"fold {number}", "tags": {"fold": number}} for number in range(300)]}
    with django_assert_max_num_queries(60):
        made = scenario.post(f"runs/{parent['id']}/children/", asked)
    assert made.status_code == 201
    found = made.json()["items"]
    assert [(each["display_name"], each["tags"]) for each in found[:2]] == [
        ("fold 0", {"fold": "0"}),
        ("fold 1", {"fold": "1"}),
    ]
    assert {(each["kind"], each["parent"], each["status"]) for each in found} == {("child", parent["id"], "Running")}
    assert len({each["id"] for each in found}) == 300
    address, again = f"{scenario.base}runs/{parent['id']}/children/", json.dumps({"children": [{}, {}]})
    keyed = [
        scenario.client.post(address, again, content_type="application/json", headers={"Idempotency-Key": "k"}).json()
        for _ in range(2)
    ]
    assert keyed[0] == keyed[1] and len(scenario.get(f"runs/{parent['id']}/children/").json()["items"]) == 302
    for wrong in ([], [{}] * 501, [{"tags": "none"}]):
        assert scenario.post(f"runs/{parent['id']}/children/", {"children": wrong}).status_code == 400
    scenario.post(f"runs/{parent['id']}/complete/")
    late = scenario.post(f"runs/{parent['id']}/children/", asked)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "is_over")


def test_a_run_is_submitted_again_and_a_step_is_not(scenario):
    run = scenario.pipeline(
        status="Completed",
        graph=scenario.graph("a", parameters=[{"name": "n", "type": "int", "default": 1}]),
        parameters={"n": 1},
    )
    again = scenario.post(f"runs/{run.pk}/resubmit/", {"parameters": {"n": "5"}, "regenerate_outputs": True})
    assert again.status_code == 201
    assert (again.json()["parameters"], again.json()["cloned_from"]) == ({"n": 5}, str(run.pk))
    assert scenario.post(f"runs/{run.pk}/resubmit/", {"parameters": {"n": "x"}}).json()["error"]["code"] == "wrong_type"
    assert scenario.post(f"runs/{scenario.step(run, 'a').pk}/resubmit/").status_code == 400
