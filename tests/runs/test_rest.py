"""Runs over REST: submit, find, look at, change, delete; who may, and what each refusal says."""

from __future__ import annotations

import hashlib
import json

import pytest
from django.test import Client

from core.storage import artifact_store
from datasets import stores
from datasets.services import versions as dataset_versions
from runs.models import Artifact, Experiment, Output, Run, StepRun
from runs.services.results import logs
from workspaces.models import ApiToken, AuditEntry, Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def submit(scenario, graph=None, **more):
    return scenario.post("runs/", {"experiment": "exp", "graph": graph or scenario.graph(), **more})


# --- submit ---


def test_a_submitted_run_is_told_as_the_wire_says(scenario):
    answer = submit(scenario, tags={"a": "b"}, display_name="penguins")
    assert answer.status_code == 201
    run = answer.json()
    assert (run["kind"], run["number"], run["experiment"], run["workspace"]) == ("pipeline", 1, "exp", "lab")
    assert (run["display_name"], run["tags"], run["root"], run["parent"]) == ("penguins", {"a": "b"}, run["id"], None)
    assert run["submitted_by"] == "ana" and run["url"].endswith(f"/w/lab/runs/{run['id']}/")
    assert [step["id"] for step in run["graph"]["steps"]] == ["prepare", "train"]
    steps = scenario.get(f"runs/{run['id']}/steps/").json()["items"]
    assert [step["step"]["name"] for step in steps] == ["prepare", "train"]
    assert steps[0]["step"]["script"] == "step.py" and steps[0]["step"]["compute"] == "cpu"
    assert sum(run["steps_count"].values()) == 2


NODES = (
    "Step 'a' asks for {} nodes, and says of no processes that are to run there: use MpiConfiguration, PyTorchConfiguration or "
    "TensorflowConfiguration, or a ParallelRunStep."
)


def test_a_graph_is_refused_with_every_problem_named(scenario):
    graph = scenario.graph("a -> b")
    graph["steps"][0]["run_after"] = ["b"]
    assert submit(scenario, graph).json()["error"]["code"] == "cycle"
    unknown = scenario.graph("a", compute="gpu")
    error = submit(scenario, unknown).json()["error"]
    assert error["code"] == "unknown_compute" and "cpu" in error["message"]
    lost = scenario.graph("a", script="other.py")
    assert submit(scenario, lost).json()["error"]["code"] == "missing_script"
    assert submit(scenario, scenario.graph("a", snapshot="0" * 64)).json()["error"]["code"] == "missing_snapshot"
    spread = submit(scenario, scenario.graph("a", node_count=6)).json()["error"]
    assert (spread["code"], spread["message"]) == ("bad_node_count", NODES.format(6))
    assert submit(scenario, {"steps": 3}).status_code == 422
    assert not Run.objects.exists()


def test_parameters_are_checked_by_name_and_type(scenario):
    graph = scenario.graph("a", parameters=[{"name": "lr", "type": "float", "default": 0.1}])
    assert submit(scenario, graph, parameters={"lr": "0.5"}).json()["parameters"] == {"lr": 0.5}
    assert submit(scenario, graph, parameters={"lr": "fast"}).json()["error"]["code"] == "wrong_type"
    undeclared = submit(scenario, graph, parameters={"speed": 1})
    assert (undeclared.status_code, undeclared.json()["error"]["code"]) == (422, "undeclared_parameter")
    spread = {"distribution": {"type": "mpi", "processes": {"parameter": "many"}}}
    many = scenario.graph("a", parameters=[{"name": "many", "type": "int", "default": 2}], **spread)
    assert submit(scenario, many, parameters={"many": 3}).status_code == 201
    error = submit(scenario, many, parameters={"many": 65}).json()["error"]
    assert (error["code"], error["message"]) == (
        "bad_distribution",
        "Step 'a': it asks for 65 processes; a step has 64 at most.",
    )
    nodes = scenario.graph("a", parameters=[{"name": "n", "type": "int", "default": 1}], node_count={"parameter": "n"})
    assert submit(scenario, nodes, parameters={"n": 1}).status_code == 201
    error = submit(scenario, nodes, parameters={"n": 2}).json()["error"]
    assert (error["code"], error["message"]) == ("bad_node_count", NODES.format(2))
    unknown = scenario.graph("a", node_count={"parameter": "n"})
    assert submit(scenario, unknown).json()["error"]["code"] == "undeclared_parameter"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"experiment": "e"},
        {"experiment": "e", "graph": []},
        {"experiment": "e", "graph": {}, "kind": "poem"},
        {"experiment": "e", "graph": {}, "tags": "x"},
        {"experiment": "e", "kind": "interactive", "tags": {"": "x"}},
        [],
        "text",
    ],
)
def test_a_body_that_is_none_is_a_clear_refusal(scenario, body):
    answer = scenario.post("runs/", body)
    assert answer.status_code in (400, 422)
    assert set(answer.json()["error"]) == {"code", "message", "facts"}


def test_a_body_that_is_no_json_is_refused(scenario):
    answer = scenario.client.post(f"{scenario.base}runs/", b"{nonsense", content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid")


def test_an_interactive_run_stays_open_until_its_program_ends_it(scenario):
    first = scenario.post("runs/", {"experiment": "e", "kind": "interactive"}).json()
    second = scenario.post("runs/", {"experiment": "e", "kind": "interactive"}).json()
    assert (first["status"], first["number"], second["number"]) == ("Running", 1, 2)
    assert scenario.post(f"runs/{first['id']}/complete/").json()["status"] == "Completed"
    failed = scenario.post(f"runs/{second['id']}/fail/", {"message": "no data"}).json()
    assert (failed["status"], failed["error"]["message"]) == ("Failed", "no data")


# --- find ---


def test_runs_are_found_by_what_a_program_asks_for(scenario):
    done = scenario.pipeline(status="Completed", tags={"kind": "nightly", "a__gt": "1"}, display_name="Palmer")
    live = scenario.pipeline(properties={"k": "v"})
    other = Experiment.objects.create(workspace=scenario.workspace, name="Other")
    Run.objects.filter(pk=live.pk).update(experiment=other)

    def ids(**query):
        return [each["id"] for each in scenario.get("runs/", **query).json()["items"]]

    assert set(ids()) == {str(live.pk), str(done.pk)}
    assert ids(status="Completed") == ids(status="Completed,Failed") == [str(done.pk)]
    assert ids(experiment="Other") == [str(live.pk)] and ids(experiment="None") == []
    assert ids(tags="kind") == ids(tags="kind=nightly") == ids(tags="a__gt=1") == [str(done.pk)]
    assert ids(tags="kind=daily") == [] and ids(properties="k=v") == [str(live.pk)]
    assert str(done.pk) in ids(q="palm") and ids(q="nothing") == []
    assert ids(q=str(done.pk)) == [str(done.pk)]
    assert ids(kind="script") == [] and len(ids(parent=str(done.pk))) == 2
    assert ids(created_after="2999-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    "query",
    [
        {"status": "Happy"},
        {"kind": "poem"},
        {"parent": "x"},
        {"created_after": "soon"},
        {"limit": "0"},
        {"limit": "x"},
        {"after": "x"},
    ],
)
def test_a_filter_that_is_none_is_said_so(scenario, query):
    assert scenario.get("runs/", **query).status_code == 400


def test_lists_are_paged_by_keyset(scenario):
    made = [str(scenario.pipeline("a").pk) for _ in range(5)]
    seen, after = [], ""
    while after is not None:
        page = scenario.get("runs/", limit=2, **({"after": after} if after else {})).json()
        seen += [each["id"] for each in page["items"]]
        after = page["next"]
    assert seen == sorted(made, reverse=True)


def test_a_list_costs_the_same_for_one_run_and_for_forty(scenario, django_assert_max_num_queries):
    for many in (1, 40):
        for _ in range(many):
            scenario.pipeline("a -> b")
        with django_assert_max_num_queries(6):
            items = scenario.get("runs/").json()["items"]
        assert items[0]["steps_count"] == {"Running": 2}


def test_a_run_costs_the_same_with_one_step_and_with_forty(scenario, django_assert_max_num_queries):
    for many in (1, 40):
        root = scenario.pipeline(" -> ".join(f"s{number}" for number in range(many)))
        for step in Run.objects.filter(parent=root):
            scenario.attempt(step)
        with django_assert_max_num_queries(10):
            assert len(scenario.get(f"runs/{root.pk}/steps/").json()["items"]) == many
        with django_assert_max_num_queries(9):
            assert len(scenario.get(f"runs/{root.pk}/graph/").json()["nodes"]) == many


def test_steps_and_children_come_in_pages(scenario):
    root = scenario.pipeline(" -> ".join(f"s{number}" for number in range(7)))
    found = {}
    for place in ("steps", "children"):
        names, after, pages = [], "", 0
        while after is not None:
            page = scenario.get(f"runs/{root.pk}/{place}/", limit=3, **({"after": after} if after else {})).json()
            names += [item["step"]["id"] for item in page["items"]]
            after, pages = page["next"], pages + 1
            assert len(page["items"]) <= 3
        assert pages == 3
        found[place] = names
    assert found["steps"] == [f"s{number}" for number in range(7)] and sorted(found["children"]) == found["steps"]
    assert scenario.get(f"runs/{root.pk}/steps/").json()["next"] is None
    other = scenario.pipeline("a -> b -> c")
    cursor = scenario.get(f"runs/{root.pk}/steps/", limit=1).json()["next"]
    assert scenario.get(f"runs/{other.pk}/steps/", after=cursor).status_code == 400
    assert scenario.get(f"runs/{scenario.step(root, 's3').pk}/steps/").json()["items"][0]["step"]["id"] == "s3"


def test_a_run_is_told_without_its_graph(scenario):
    root = scenario.pipeline("a -> b")
    whole, bare = scenario.get(f"runs/{root.pk}/").json(), scenario.get(f"runs/{root.pk}/", graph="0").json()
    assert "graph" not in bare and whole.pop("graph") == root.graph and whole == bare


def test_a_long_graph_is_not_sent_back_to_who_changes_its_run(scenario, monkeypatch):
    monkeypatch.setattr("runs.queries.documents.GRAPH_WITHIN", 1)
    body = {"experiment": "Long", "graph": scenario.graph("a -> b")}
    made = scenario.post("runs/", body).json()
    path = f"runs/{made['id']}/"
    assert made["graph"] is None and scenario.client.get(made["graph_url"]).json()["graph"]["steps"]
    short = scenario.post("runs/", {**body, "graph": scenario.graph("a")}).json()
    assert short["graph"]["steps"] and "graph_url" not in short
    for answer in (
        scenario.patch(path, {"tags": {"a": "b"}}),
        scenario.post(f"{path}cancel/"),
        scenario.post(f"{path}resume/"),
    ):
        assert answer.status_code < 300 and answer.json()["graph"] is None and answer.json()["graph_url"]
    # Who asks for the run gets it whole.
    document = scenario.get(path).json()
    assert len(document["graph"]["steps"]) == 2 and "graph_url" not in document


# --- look at ---


def test_the_graph_page_has_data_steps_edges_and_the_critical_path(scenario):
    from datetime import timedelta

    from core.clock import now

    root = stores.root_by_name(scenario.workspace, "workspaceblobstore")
    root.write("raw/a.csv", __import__("io").BytesIO(b"a,b\n1,2\n"))
    version = dataset_versions.save(
        scenario.context, "palmer raw", "file", {"sources": [{"datastore": "workspaceblobstore", "path": "raw/"}]}
    )
    graph = scenario.graph("prepare -> slow -> compare")
    prepare, slow, compare = graph["steps"]
    prepare["outputs"] = [{"name": "table"}]
    prepare["inputs"] = [{"name": "raw", "from": {"dataset": str(version.pk)}, "mode": "download"}]
    slow["inputs"] = [{"name": "t", "from": {"step": "prepare", "output": "table"}}, {"name": "ref", "from": {"datastore": "workspaceblobstore", "path": "raw/"}}]  # fmt: skip
    graph["steps"].insert(2, {**slow, "id": "quick", "name": "quick"})
    compare["run_after"] = ["slow", "quick"]
    run = scenario.pipeline(graph=graph, status="Completed")
    moment = now()
    for node, (start, end) in {"prepare": (0, 10), "slow": (10, 100), "quick": (10, 20), "compare": (100, 101)}.items():
        Run.objects.filter(parent=run, step__node_id=node).update(
            queued_at=moment + timedelta(seconds=start), started_at=moment + timedelta(seconds=start),
            finished_at=moment + timedelta(seconds=end),
        )  # fmt: skip
    page = scenario.get(f"runs/{run.pk}/graph/").json()
    nodes = {node["id"]: node for node in page["nodes"]}
    assert (nodes["data:raw"]["label"], nodes["data:ref"]["detail"]) == ("palmer raw", "workspaceblobstore/raw")
    assert (nodes["slow"]["detail"], nodes["slow"]["status"], nodes["slow"]["reused"]) == (
        "1 min 30 s",
        "Completed",
        False,
    )
    edges = {(edge["from"], edge["to"]): edge["label"] for edge in page["edges"]}
    assert edges["prepare", "slow"] == "table" and edges["slow", "compare"] == "" and ("data:raw", "prepare") in edges
    assert page["critical_path"] == ["prepare", "slow", "compare"]


def test_a_reused_step_shows_what_its_source_kept(scenario):
    source = scenario.step(scenario.pipeline(status="Completed"), "train")
    attempt = scenario.attempt(source)
    logs.append(attempt, 0, b"from the source\n")
    scenario.post(f"runs/{source.pk}/metrics/", {"records": [{"op": "metric", "name": "acc", "value": 0.9}]})
    reused = scenario.step(scenario.pipeline(status="Completed"), "train")
    StepRun.objects.filter(pk=reused.pk).update(reused_from=source, reuse_explanation={"reused": True, "text": "same"})
    run = scenario.get(f"runs/{reused.pk}/").json()
    assert (run["is_reused"], run["reused_from"], run["status"]) == (True, str(source.pk), "Completed")
    assert scenario.get(f"runs/{reused.pk}/log/").content == b"from the source\n"
    (series,) = scenario.get(f"runs/{reused.pk}/metrics/").json()["metrics"]
    assert (series["run"], series["points"][0][1]) == (str(reused.pk), 0.9)
    (inside,) = scenario.get(f"runs/{reused.root_id}/metrics/", recursive=1).json()["metrics"]
    assert inside["run"] == str(reused.pk)
    assert scenario.get(f"runs/{reused.pk}/reuse/").json()["text"] == "same"
    assert scenario.get(f"runs/{reused.root_id}/reuse/").status_code == 400


def test_what_is_not_there_is_not_found(scenario):
    nothing = "00000000-0000-7000-8000-000000000000"
    run = scenario.pipeline()
    for path in (
        f"runs/{nothing}/",
        f"runs/{nothing}/log/",
        f"runs/{run.pk}/log/",
        f"runs/{run.pk}/artifacts/x",
        "runs/abc/",
        f"runs/{run.pk}/outputs/x/files/",
    ):
        assert scenario.get(path).status_code == 404, path


# --- change ---


def test_words_and_tags_change_and_properties_are_added(scenario):
    run = scenario.pipeline(tags={"a": "1", "b": "2"}, properties={"k": "v"})
    changed = scenario.patch(
        f"runs/{run.pk}/",
        {"display_name": "new", "description": "d", "tags": {"a": None, "c": 3}, "properties": {"n": "w"}},
    )
    document = changed.json()
    assert (document["display_name"], document["description"]) == ("new", "d")
    assert (document["tags"], document["properties"]) == ({"b": "2", "c": "3"}, {"k": "v", "n": "w"})
    assert document["version"] == 1
    refused = scenario.patch(f"runs/{run.pk}/", {"properties": {"k": "other"}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "property_is_set")
    assert scenario.patch(f"runs/{run.pk}/", {"display_name": "x" * 300}).status_code == 400


def test_an_ended_run_is_archived_and_found_again(scenario):
    live, done = scenario.pipeline(), scenario.pipeline(status="Completed")
    assert scenario.patch(f"runs/{live.pk}/", {"archived": True}).status_code == 409
    assert scenario.patch(f"runs/{done.pk}/", {"archived": True}).json()["archived_at"]
    assert [each["id"] for each in scenario.get("runs/").json()["items"]] == [str(live.pk)]
    assert [each["id"] for each in scenario.get("runs/", archived=1).json()["items"]] == [str(done.pk)]
    assert scenario.patch(f"runs/{done.pk}/", {"archived": False}).json()["archived_at"] is None


def test_deleting_says_first_what_it_frees_and_breaks_and_then_does_it(scenario):
    run = scenario.pipeline(status="Completed")
    step = scenario.step(run, "train")
    attempt = scenario.attempt(step, status="completed")
    logs.append(attempt, 0, b"twelve bytes")
    logs.seal(attempt)
    store = stores.root_by_name(scenario.workspace, "workspaceblobstore")
    mine, shared = f"azureml/{step.pk}/model", "tables"
    for path in (f"{mine}/m", f"{shared}/mine", f"{shared}/theirs"):
        store.write(path, __import__("io").BytesIO(b"1234"))
    for name, path, file in (("model", mine, "m"), ("table", shared, "mine")):
        Output.objects.create(run=step, name=name, datastore="workspaceblobstore", path=path, digest="d", files=[{"path": file, "size": 4, "digest": hashlib.sha256(b"1234").hexdigest()}], file_count=1, size=4)  # fmt: skip
    scenario.put(f"runs/{step.pk}/artifacts/outputs/m.json", b"{}")
    reuser = scenario.step(scenario.pipeline(status="Completed"), "train")
    StepRun.objects.filter(pk=reuser.pk).update(reused_from=step)

    document = scenario.get(f"runs/{run.pk}/delete-preview/").json()
    assert (
        document["frees"]["output_bytes"] == 8
        and document["frees"]["log_bytes"] == 12
        and document["frees"]["runs"] == 3
    )
    assert [each["run"] for each in document["breaks"]["reused_by"]] == [str(reuser.pk)]
    assert scenario.client.delete(f"{scenario.base}runs/{step.pk}/").status_code == 400
    assert scenario.client.delete(f"{scenario.base}runs/{run.pk}/").status_code == 204
    assert not Run.objects.filter(root=run.pk).exists() and not Artifact.objects.exists()
    assert not store.exists(mine) and not store.exists("tables/mine") and store.exists("tables/theirs")
    assert not artifact_store(scenario.workspace.pk).exists(f"artifacts/{step.pk}")
    assert not artifact_store(scenario.workspace.pk).exists(f"logs/{attempt.pk}")
    assert AuditEntry.objects.filter(action="run.delete", target=str(run.pk)).count() == 1
    assert StepRun.objects.get(pk=reuser.pk).reused_from_id is None


def test_a_run_that_goes_on_is_not_deleted(scenario):
    run = scenario.pipeline()
    answer = scenario.client.delete(f"{scenario.base}runs/{run.pk}/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "still_running")
    assert Run.objects.filter(pk=run.pk).exists()


# --- who may ---


def test_a_reader_looks_and_changes_nothing(scenario):
    run, reader = scenario.pipeline(status="Completed"), scenario.member("rui", Role.READER)
    assert reader.get(f"{scenario.base}runs/{run.pk}/").status_code == 200
    body = json.dumps({"display_name": "x"})
    assert reader.patch(f"{scenario.base}runs/{run.pk}/", body, content_type="application/json").status_code == 403
    assert reader.post(f"{scenario.base}runs/{run.pk}/cancel/").status_code == 403
    assert reader.delete(f"{scenario.base}runs/{run.pk}/").status_code == 403
    assert Client().get(f"{scenario.base}runs/{run.pk}/").status_code == 401


def test_a_step_changes_its_own_tree_only(scenario):
    mine, other = scenario.pipeline(), scenario.pipeline()
    step = scenario.run_token(scenario.step(mine, "train"))

    def send(method, run, path="", body=None):
        return getattr(step, method)(
            f"{scenario.base}runs/{run.pk}/{path}", json.dumps(body or {}), content_type="application/json"
        )

    assert send("patch", mine, body={"tags": {"a": "b"}}).status_code == 200
    assert step.get(f"{scenario.base}runs/{other.pk}/").status_code == 200
    records = {"records": [{"op": "metric", "name": "a", "value": 1}]}
    assert send("post", mine, "metrics/", records).status_code == 200
    for method, path, body in (
        ("patch", "", {"tags": {"a": "b"}}),
        ("post", "cancel/", {}),
        ("post", "metrics/", records),
        ("post", "complete/", {}),
        ("delete", "", {}),
    ):
        assert send(method, other, path, body).status_code == 403, path
    put = step.put(f"{scenario.base}runs/{other.pk}/artifacts/x", b"x", content_type="application/octet-stream")
    assert put.status_code == 403


def test_a_token_that_is_revoked_opens_nothing(scenario):
    from core.clock import now

    ApiToken.objects.update(revoked_at=now())
    assert scenario.get("runs/").status_code == 401
