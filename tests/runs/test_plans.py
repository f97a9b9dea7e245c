"""What a plan says of a run that nobody has submitted, held to what the run then does; and that it writes nothing. The agent's end
is played by the test."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.clock import now
from core.storage import data_dir
from datasets import stores
from duto.spec import canonical
from environments.models import EnvironmentBuild, EnvironmentVersion
from pipelines.services import endpoints
from runs.models import Attempt, Run, StepRun
from runs.services.agent_reports.launch_spec import SpecOf
from runs.services.submission import publish
from tests.runs.test_resume import PARAMETERS, Crew
from workspaces.models import Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
STORE = "workspaceblobstore"
PYTHON = {"python": {"version": "3.11", "packages": ["numpy==2.0.0"]}}


class Planner(Crew):
    """Asks for plans, and holds them to what runs do."""

    def plan(self, graph: dict[str, Any] | None = None, **more: Any) -> Any:
        answer = self.scenario.post("plan/", {"experiment": "exp", "graph": graph or self.graph(), **more})
        assert answer.status_code == 200, answer.content
        return answer.json()

    def run(self, graph: dict[str, Any] | None = None, **more: Any) -> Run:
        return self.play(self.submit(graph, **more).json()["id"])

    def come_true(self, graph: dict[str, Any] | None = None, **more: Any) -> tuple[dict[str, str], Run]:
        """Plan, then run: what was said to be reused is, what was said to run runs, each for the very reason."""
        plan = self.plan(graph, **more)
        run = self.run(graph, **more)
        for each in plan["steps"]:
            step = self.scenario.step(run, each["node"]).step
            assert each["outcome"] == "unknown" or (each["outcome"] == "reused") == bool(step.reused_from_id), each
            if each["outcome"] != "unknown":
                found = step.reuse_explanation
                assert each["text"] == found["text"] and each["differences"] == found["differences"]
                assert each["compared_with"] == found["compared_with"] or each["code"] in ("forced", "not_allowed")
        return {each["node"]: each["outcome"] for each in plan["steps"]}, run


@pytest.fixture
def crew(scenario: Any) -> Planner:
    return Planner(scenario)


def rows() -> dict[str, str]:
    """All that the database holds, by table."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            found[table] = canonical.digest(sorted(repr(row) for row in cursor.fetchall()))
    return found


def put(scenario: Any, path: str, text: str) -> None:
    stores.root_by_name(scenario.workspace, STORE).write(path, io.BytesIO(text.encode()))


def test_a_plan_comes_true(crew: Planner) -> None:
    put(crew.scenario, "raw/a.csv", "1,2\n")
    graph = crew.graph()
    graph["steps"][0]["inputs"] = [{"name": "raw", "from": {"datastore": STORE, "path": "raw"}}]
    runs = {"prepare": "runs", "train": "unknown", "compare": "unknown"}
    assert crew.come_true(graph)[0] == runs
    assert crew.come_true(graph)[0] == dict.fromkeys(runs, "reused")
    # A step in the middle; what stands behind it is not known, since nobody knows what it will write.
    crew.wrote = "beta"
    first = {"prepare": "reused", "train": "runs", "compare": "unknown"}
    assert crew.come_true(graph, parameters={"lr": 0.2})[0] == first
    # Back again: the newest results are those of the other value, and are none of these.
    found, run = crew.come_true(graph)
    assert found == dict.fromkeys(runs, "reused")
    assert (
        crew.scenario.step(run, "compare").step.reused_from_id
        == crew.scenario.step(Run.objects.get(parent=None, number=1), "compare").pk
    )
    assert crew.come_true(graph, regenerate_outputs=True)[0] == dict.fromkeys(runs, "runs")
    unwilling = json.loads(json.dumps(graph))
    unwilling["steps"][1]["allow_reuse"] = False
    assert crew.come_true(unwilling)[0] == {"prepare": "reused", "train": "runs", "compare": "unknown"}
    # Other data, other code, an output that somebody has changed.
    put(crew.scenario, "raw/b.csv", "3,4\n")
    assert crew.come_true(graph)[0]["prepare"] == "runs"
    changed = json.loads(json.dumps(graph))
    changed["steps"][1]["snapshot"] = crew.scenario.snapshot(step_py="print('another')\n").digest
    plan = crew.plan(changed)
    assert plan["steps"][1]["text"] == "Not reused: `step.py` changed"
    assert crew.come_true(changed)[0] == first
    place = StepRun.objects.filter(name="prepare", is_source=True).order_by("-run_id")[0].output_digests["data"]
    put(crew.scenario, f"{place['path']}/a", "somebody else's")
    assert crew.plan(graph)["steps"][0]["code"] == "output_changed"
    assert crew.come_true(graph)[0]["prepare"] == "runs"


@pytest.mark.parametrize("value", [1e16, -0.0, 1.2345678901234567e300])
def test_numbers_that_a_database_writes_otherwise_are_foreseen(crew: Planner, value: float) -> None:
    """PostgreSQL gives them back as whole numbers, and without the sign of nothing."""
    values = {"number": value, "several": [value], "options": {"x": value}}
    defaults = {"number": ("float", 0.5), "several": ("list", [0.5]), "options": ("json", {})}
    graph = crew.graph()
    graph["parameters"] += [{"name": name, "type": kind, "default": each} for name, (kind, each) in defaults.items()]
    graph["steps"][0]["arguments"] = [*({"parameter": name} for name in values), value, "--", str(value)]
    assert crew.come_true(graph, parameters=values)[0]["prepare"] == "runs"
    found, run = crew.come_true(graph, parameters=values)
    assert found["prepare"] == "reused"
    # As the script gets it, on either database.
    step = crew.scenario.step(run, "prepare")
    spec = SpecOf(Attempt(run=step, workspace=crew.scenario.workspace, number=1, epoch=1))
    text = repr(value)
    assert spec.arguments() == [text, f"[{text}]", f'{{"x":{text}}}', text, "--", text]


def test_it_says_what_is_read_how_long_it_takes_and_when_it_is_over(crew: Planner) -> None:
    put(crew.scenario, "raw/a.csv", "x" * 1000)
    graph = crew.graph()
    for step in graph["steps"][:2]:
        step["inputs"] = [*step.get("inputs", []), {"name": "raw", "from": {"datastore": STORE, "path": "raw"}}]
    first = crew.plan(graph)
    assert first["expected"] == {
        "seconds": None,
        "finish": None,
        "path": [*first["expected"]["path"]],
        "without_history": 3,
    }
    for number in range(3):
        run = crew.run(graph, regenerate_outputs=True)
        for step, seconds in (("prepare", 10), ("train", 100 + 50 * number), ("compare", 5)):
            done = crew.scenario.step(run, step)
            began = done.finished_at - timedelta(seconds=seconds)
            Run.objects.filter(pk=done.pk).update(started_at=began, preparing_at=began)
    plan = crew.plan(graph, parameters={"lr": 0.3}, regenerate_outputs=True)
    assert plan["data"] == [
        {"dataset": None, "version": None, "datastore": STORE, "path": "raw", "file_count": 1, "size": 1000, "steps": 2}
    ]
    seconds = plan["steps"][1]["seconds"]
    assert (seconds["median"], seconds["count"]) == (pytest.approx(150, abs=0.1), 3)
    assert (seconds["low"], seconds["high"]) == (pytest.approx(110, abs=0.1), pytest.approx(190, abs=0.1))
    expected = plan["expected"]
    assert expected["path"] == ["prepare", "train", "compare"] and expected["without_history"] == 0
    assert expected["seconds"]["median"] == pytest.approx(165, abs=0.3)
    assert expected["finish"]["low"] < expected["finish"]["median"] < expected["finish"]["high"]
    # What is reused takes nothing, and reads nothing.
    run = crew.run(graph)
    plan = crew.plan(graph)
    assert plan["counts"] == {"reused": 3, "runs": 0, "unknown": 0, "fails": 0, "skipped": 0}
    assert plan["expected"]["seconds"]["high"] == 0 and plan["data"] == plan["clusters"] == plan["environments"] == []


def test_where_it_would_be_placed_is_what_placement_says(crew: Planner) -> None:
    scenario = crew.scenario
    graph = scenario.graph("a")
    graph["steps"] = [{**graph["steps"][0], "id": name, "name": name, "run_after": []} for name in "abc"]
    graph["steps"].append({**graph["steps"][0], "id": "d", "name": "d", "run_after": ["a"]})
    plan = crew.plan(graph)
    assert [(each["start"], each["host"]) for each in plan["steps"]] == [
        ("now", "alpha"), ("now", "alpha"), ("waits", None), ("later", "alpha"),
    ]  # fmt: skip
    assert plan["steps"][2]["waits_for"][0] == "cluster_full"
    (cluster,) = plan["clusters"]
    assert (cluster["steps"], cluster["starts"], cluster["waits"], cluster["hosts"]) == (4, 2, 1, ["alpha"])
    # Somebody's step holds one of the two nodes: what waits is said as the run itself is told.
    other = scenario.post("runs/", {"experiment": "other", "graph": scenario.graph("x")}).json()["id"]
    assert Attempt.objects.get(run__parent=other).node_id is not None
    plan = crew.plan(graph)
    assert [each["start"] for each in plan["steps"]] == ["now", "waits", "waits", "later"]
    made = scenario.post("runs/", {"experiment": "exp", "graph": graph}).json()["id"]
    waits = scenario.get(f"runs/{scenario.step(Run.objects.get(pk=made), 'b').pk}/").json()["step"]["waiting"]
    facts = {each["code"]: each["text"] for each in plan["clusters"][0]["reasons"]}
    assert [each["code"] for each in waits] == plan["steps"][1]["waits_for"]
    assert "queue" in facts and "cluster_full" in facts
    scenario.host.__class__.objects.update(last_seen_at=now() - timedelta(hours=1))
    plan = crew.plan(graph)
    assert {each["start"] for each in plan["steps"]} == {"waits", "later"}
    assert "No word from alpha" in next(r["text"] for r in plan["clusters"][0]["reasons"] if r["code"] == "silent")


def test_an_environment_is_ready_built_or_to_be_built(crew: Planner) -> None:
    graph = crew.graph("prepare", environment=PYTHON)
    for seconds in (60, 120, 180):
        EnvironmentBuild.objects.create(
            recipe_digest=str(seconds), recipe={"packages": []}, status="ready",
            started_at=now() - timedelta(seconds=seconds), finished_at=now(),
        )  # fmt: skip
    before = EnvironmentVersion.objects.count(), EnvironmentBuild.objects.count()
    plan = crew.plan(graph)
    assert (EnvironmentVersion.objects.count(), EnvironmentBuild.objects.count()) == before
    (environment,) = plan["environments"]
    assert environment["state"] == "to_build" and environment["seconds"]["median"] == pytest.approx(120, abs=0.1)
    (step,) = plan["steps"]
    assert (step["outcome"], step["code"], step["start"]) == ("unknown", "to_build", "environment")
    assert step["begins"] == pytest.approx(120, abs=0.1)
    crew.submit(graph)
    build = EnvironmentBuild.objects.get(versions__isnull=False)
    EnvironmentBuild.objects.filter(pk=build.pk).update(status="building", started_at=now() - timedelta(seconds=100))
    (environment,) = crew.plan(graph)["environments"]
    assert environment["state"] == "building" and environment["seconds"]["median"] < 25
    EnvironmentBuild.objects.filter(pk=build.pk).update(status="failed")
    assert crew.plan(graph)["environments"][0]["state"] == "to_build"
    EnvironmentBuild.objects.filter(pk=build.pk).update(status="ready", lock_digest="a" * 64)
    plan = crew.plan(graph)
    assert plan["environments"][0]["state"] == "ready"
    assert (plan["steps"][0]["outcome"], plan["steps"][0]["code"]) == ("runs", "first")


def test_what_a_program_would_bring_need_not_be_there(crew: Planner) -> None:
    """Code that is not uploaded and data that are not saved: told of in the request, and afterwards still not there."""
    put(crew.scenario, "raw/a.csv", "x" * 10)
    text = b"print('new')\n"
    files = [{"path": "step.py", "digest": hashlib.sha256(text).hexdigest(), "size": len(text), "executable": False}]
    manifest = {"schema": 1, "files": files}
    key = str(uuid.uuid4())
    graph = crew.graph("prepare")
    parameters = [*PARAMETERS, {"name": "d", "type": "dataset", "default": key}]
    graph = {**graph, "parameters": parameters}
    graph["steps"][0].update(
        snapshot=canonical.digest(manifest),
        inputs=[{"name": "raw", "from": {"dataset": key}}, {"name": "more", "from": {"parameter": "d"}}],
    )
    definition = {"sources": [{"datastore": STORE, "path": "raw"}]}
    brought = {"snapshots": [manifest], "datasets": {key: {"kind": "file", "definition": definition}}}
    before = rows()
    plan = crew.plan(graph, **brought)
    assert plan["counts"]["runs"] == 1 and rows() == before
    assert {(each["size"], each["file_count"]) for each in plan["data"]} == {(10, 1)}
    # Once it was brought and run, the same request finds it again.
    snapshot = crew.scenario.snapshot(step_py=text.decode())
    assert snapshot.digest == graph["steps"][0]["snapshot"]
    saved = crew.scenario.post("datasets/", {"kind": "file", "definition": definition}).json()["id"]
    real = json.loads(json.dumps(graph).replace(key, saved))
    crew.run(real)
    assert crew.plan(graph, **brought)["counts"]["reused"] == 1
    for wrong, code in (
        ({"datasets": {"no id": {}}}, "bad_dataset"),
        ({"datasets": {key: {"kind": "file", "definition": {"sources": [{"datastore": STORE, "path": "none"}]}}}}, "no_match"),
        ({"datasets": {key: {"definition": {"sources": [{"url": "https://example.org/a.csv"}]}}}}, "not_fetched"),
        ({"snapshots": [{"files": [{"path": "../x"}]}]}, "bad_manifest"),
    ):  # fmt: skip
        answer = crew.scenario.post("plan/", {"experiment": "e", "graph": graph, **brought, **wrong})
        assert answer.json()["error"]["code"] == code and answer.status_code in (400, 422), answer.content


def test_nothing_changes_and_the_number_of_statements_does_not_grow(crew: Planner) -> None:
    """A plan of twenty steps that read each other costs what one of five does; no address writes a row."""
    put(crew.scenario, "raw/a.csv", "1\n")
    counts = {}
    for length in (5, 20):
        graph = crew.graph(" -> ".join(f"s{number}" for number in range(length)))
        for step in graph["steps"]:
            step["inputs"] = [*step.get("inputs", []), {"name": "raw", "from": {"datastore": STORE, "path": "raw"}}]
        crew.run(graph)
        last = Run.objects.filter(parent=None).order_by("-id")[0]
        asked = {"experiment": "exp", "graph": graph}
        pipeline = publish.publish_run(crew.scenario.context, last, name=f"p{length}")
        endpoint = endpoints.create(crew.scenario.context, f"e{length}", pipeline)
        addresses = {
            "plan/": asked,
            f"runs/{last.pk}/plan/": {},
            f"pipelines/{pipeline.pk}/plan/": {"ParameterAssignments": {"lr": 0.1}},
            f"endpoints/{endpoint.pk}/plan/?pipelineVersion=0": {},
        }
        for change in ("none", "code"):
            if change == "code":
                other = crew.scenario.snapshot(step_py=f"print({length})\n").digest
                asked["graph"] = {**graph, "steps": [{**each, "snapshot": other} for each in graph["steps"]]}
            before = rows()
            for address, body in addresses.items():
                crew.scenario.post(address, body)  # once for what is read once a process
                with CaptureQueriesContext(
                    connection,
                ) as seen:
                    answer = crew.scenario.post(address, body)
                assert answer.status_code == 200, answer.content
                statements = [each["sql"] for each in seen]
                assert {each.split()[0].strip('"') for each in statements} <= {
                    "SELECT",
                    "SAVEPOINT",
                    "RELEASE",
                    "BEGIN",
                    "WITH",
                }
                counts.setdefault((change, address.split("/")[0], address[:4] == "plan"), []).append(len(statements))
                if change == "none":
                    assert answer.json()["counts"]["reused"] == length
            assert rows() == before
    assert all(len(set(each)) == 1 for each in counts.values()), counts


def test_who_may_submit_may_plan_and_what_is_wrong_is_said_as_of_a_submit(crew: Planner) -> None:
    scenario = crew.scenario
    good = crew.graph()

    def changed(**step: Any) -> dict[str, Any]:
        made = json.loads(json.dumps(good))
        made["steps"][0].update(step)
        return made

    wrong: list[dict[str, Any]] = [
        {"graph": changed(compute="nowhere", snapshot="0" * 64)},
        {"graph": changed(inputs=[{"name": "i", "from": {"datastore": "none", "path": "x"}}])},
        {"graph": changed(inputs=[{"name": "i", "mode": "download", "from": {"datastore": STORE, "path": "x"}}])},
        {"graph": changed(inputs=[{"name": "i", "from": {"dataset": str(uuid.uuid4())}}])},
        {"graph": changed(environment={"name": "nobody's"})},
        {"graph": changed(environment={"python": {"packages": "numpy"}})},
        {"graph": changed(run_after=["compare"])},
        {"graph": {"steps": 7}},
        {"graph": good, "parameters": {"lr": "much"}},
        {"graph": good, "parameters": {"speed": 1}},
        {"graph": good, "experiment": "a/b"},
        {"graph": good, "kind": "sweep"},
        {"graph": good, "resume_from": str(uuid.uuid4())},
        {"graph": good, "priority": 1000},
        {},
    ]
    for each in wrong:
        body = {"experiment": "exp", **each}
        submitted, planned = scenario.post("runs/", body), scenario.post("plan/", body)
        assert submitted.status_code == planned.status_code >= 400, (body, submitted.content, planned.content)
        if each:
            assert submitted.json() == planned.json()
    body = json.dumps({"experiment": "exp", "graph": good})
    reader = scenario.member("rita", Role.READER)
    answers = [
        reader.post(scenario.base + address, body, content_type="application/json") for address in ("runs/", "plan/")
    ]
    assert answers[0].status_code == 403 and answers[0].json() == answers[1].json()
    assert Client().post(scenario.base + "plan/", body, content_type="application/json").status_code == 401
    member = scenario.member("carl", Role.CONTRIBUTOR)
    assert member.post(scenario.base + "plan/", body, content_type="application/json").status_code == 200
    run = crew.run()
    pipeline = publish.publish_run(scenario.context, run, name="p")
    endpoint = endpoints.create(scenario.context, "e", pipeline)
    type(pipeline).objects.update(status="Disabled")
    for address in (f"pipelines/{pipeline.pk}/plan/", f"endpoints/{endpoint.pk}/plan/"):
        assert (scenario.post(address).status_code, scenario.post(address).json()["error"]["code"]) == (409, "disabled")
    assert scenario.post(f"endpoints/{endpoint.pk}/plan/?pipelineVersion=9").status_code == 404
    assert scenario.post(f"runs/{run.pk}/plan/", {"resume": True}).json()["error"]["code"] == "nothing_failed"
    scenario.workspace.__class__.objects.update(archived_at=now())
    assert scenario.post("plan/", {"experiment": "exp", "graph": good}).json()["error"]["code"] == "archived"


def test_a_resumed_run_is_planned_as_it_will_be(crew: Planner) -> None:
    source = crew.failed(graph=crew.graph(allow_reuse=False))
    plan = crew.scenario.post(f"runs/{source.pk}/plan/", {"resume": True}).json()
    assert {each["node"]: (each["outcome"], each["code"]) for each in plan["steps"]} == {
        "prepare": ("reused", "adopted"), "train": ("runs", "unfinished"), "compare": ("runs", "unfinished"),
    }  # fmt: skip
    run = crew.resume(source)
    assert plan["steps"][0]["text"] == crew.why(run, "prepare")["text"]


def test_data_that_have_gone_lose_their_step_and_those_behind_it(crew: Planner) -> None:
    put(crew.scenario, "raw/a.csv", "1\n")
    definition = {"sources": [{"datastore": STORE, "path": "raw"}]}
    version = crew.scenario.post("datasets/", {"kind": "file", "definition": definition}).json()["id"]
    graph = crew.graph()
    graph["steps"][0]["inputs"] = [{"name": "raw", "from": {"dataset": version}}]
    (data_dir() / stores.relative_root(crew.scenario.workspace, STORE) / "raw/a.csv").unlink()
    plan = crew.plan(graph)
    assert [(each["outcome"], each["code"]) for each in plan["steps"]] == [
        ("fails", "no_match"), ("skipped", "skipped"), ("skipped", "skipped"),
    ]  # fmt: skip
    run = crew.run(graph)
    assert plan["steps"][1]["text"] == crew.scenario.step(run, "train").error["message"]


def test_every_kind_of_step_has_a_plan(crew: Planner) -> None:
    """A sweep shares its name with its trials, and is compared with sweeps."""
    sweep = {
        "sampling": "grid", "space": [{"name": "lr", "expression": "choice", "values": [0.1, 0.2]}], "metric": "loss",
        "goal": "minimize", "max_total": 2, "max_concurrent": 2, "max_minutes": 60, "policy": {"kind": "none"},
    }  # fmt: skip
    graph = crew.graph("tune -> after")
    graph["steps"][0].update(kind="sweep", settings=sweep, outputs=[])
    graph["steps"][1]["inputs"] = []
    graph["steps"][1]["run_after"] = ["tune"]
    run = crew.run(graph)
    assert Run.objects.filter(root=run, kind="trial").count() == 2
    found = crew.plan(graph, regenerate_outputs=True)
    assert found["steps"][0]["seconds"]["count"] == 1
    put(crew.scenario, "raw/a.csv", "1\n")
    data = [{"name": "raw", "mode": "mount", "from": {"datastore": STORE, "path": "raw"}}]
    settings = {"inputs": ["raw"], "mini_batch_size": 5, "output_action": "summary_only"}
    parallel = crew.graph("score", kind="parallel_run", settings=settings, inputs=data, outputs=[])
    parallel["steps"][0]["outputs"] = []
    parallel["steps"][0]["inputs"] = data
    assert crew.plan(parallel)["counts"]["runs"] == 1
    spread = crew.graph("train", distribution={"type": "pytorch", "processes": 3})
    assert crew.plan(spread)["counts"]["runs"] == 1
    script = crew.plan(crew.graph("train"), kind="script")
    assert script["counts"]["runs"] == 1


def test_a_source_that_is_long_ago_is_still_the_one_that_is_compared_with(crew: Planner) -> None:
    graph = crew.graph("prepare")
    first = crew.run(graph)
    for _ in range(4):  # more than are looked at by their name alone, and sources of nothing
        crew.run(graph, regenerate_outputs=True)
    changed = json.loads(json.dumps(graph))
    changed["steps"][0]["arguments"] = ["--other"]
    assert crew.plan(changed)["steps"][0]["compared_with"]["root"] == str(first.pk)
    assert crew.come_true(changed)[0] == {"prepare": "runs"}
