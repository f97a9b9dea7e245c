"""What a step may do with its run's token: the table of scopes, action by action, through the doors."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from datasets.services.datastores import put_file
from runs.models import Attempt, Experiment, Output, Run
from tests.runs.conftest import RunScenario
from tests.runs.test_outputs import leave
from tests.workspace_scenario import content
from workspaces.models import AuditEntry, Member, Role
from workspaces.scopes import TABLE, Act, Scope

pytestmark = [pytest.mark.django_db]

FILES = "datastores/workspaceblobstore/files/"


class Scene:
    """What a person made, and a step of a run of the same person that speaks for itself."""

    def __init__(self, scenario: RunScenario) -> None:
        self.scenario = scenario
        self.root = scenario.pipeline()
        self.step = scenario.run_token(scenario.step(self.root, "train"))
        self.other = scenario.pipeline()
        self.ended = scenario.pipeline(status="Failed")
        put_file(scenario.context, "workspaceblobstore", "raw/a.csv", io.BytesIO(b"x,y\n1,2\n"), overwrite=True)
        foreign = f"azureml/{scenario.step(self.other, 'train').pk}/model/a.bin"
        put_file(scenario.context, "workspaceblobstore", foreign, io.BytesIO(b"x"), overwrite=True)
        self.foreign_output = foreign
        written = scenario.step(self.other, "train")
        Output.objects.create(run=written, name="out", datastore="workspaceblobstore", path="chosen/out", digest="")
        self.dataset = self.made(scenario.post("datasets/", dataset("theirs")))
        self.model = self.made(scenario.post("models/", model(scenario, "theirs")))
        self.pipeline = self.made(scenario.post("pipelines/", {"name": "theirs", "graph": scenario.graph()}))
        self.experiment = self.made(scenario.post("experiments/", {"name": "theirs"}))
        self.member = Member.objects.get(user=scenario.owner)

    def made(self, answer: Any) -> dict[str, Any]:
        assert answer.status_code in (200, 201), answer.content
        return dict(answer.json())

    def ask(
        self, method: str, path: str, body: Any = None, raw: bytes | None = None, client: Client | None = None
    ) -> Any:
        send = getattr(client or self.step, method)
        at = path if path.startswith("/") else self.scenario.base + path
        if method == "get":
            return send(at)
        if raw is not None:
            return send(at, raw, content_type="application/octet-stream")
        return send(at, json.dumps(body or {}), content_type="application/json")


def dataset(name: str) -> dict[str, Any]:
    source = {"datastore": "workspaceblobstore", "path": "raw/a.csv"}
    return {"name": name, "kind": "file", "definition": {"sources": [source]}, "create_new_version": True}


def kept_in(scene: Scene, destination: str) -> dict[str, Any]:
    """A graph whose step has its output kept there."""
    graph = scene.scenario.graph()
    graph["steps"][0]["outputs"] = [
        {"name": "out", "kind": "file_dataset", "mode": "upload", "destination": destination}
    ]
    return dict(graph)


def model(scenario: RunScenario, name: str) -> dict[str, Any]:
    files = scenario.snapshot(m_py="print()\n").files
    return {"name": name, "files": [{"path": each["path"], "digest": each["digest"]} for each in files]}


Action = Callable[[Scene], Any]
# Kind of action → requests of that kind, each of which works where the scope allows it.
ACTIONS: dict[Act, dict[str, Action]] = {
    Act.READ: {
        "its workspace": lambda s: s.ask("get", ""),
        "another run": lambda s: s.ask("get", f"runs/{s.other.pk}/"),
        "a file": lambda s: s.ask("get", f"{FILES}raw/a.csv"),
        "who it is": lambda s: s.ask("get", "/api/v1/me/"),
        "clusters": lambda s: s.ask("get", "compute/"),
    },
    Act.OWN: {
        "tag its run": lambda s: s.ask("patch", f"runs/{s.root.pk}/", {"tags": {"a": "b"}}),
        "log": lambda s: s.ask("post", f"runs/{s.root.pk}/metrics/", {"records": []}),
        "upload an artifact": lambda s: s.ask("put", f"runs/{s.root.pk}/artifacts/a.txt", raw=b"x"),
        "open a child": lambda s: s.ask("post", "runs/", {"experiment": "e", "kind": "interactive", "parent": str(s.root.pk)}),
    },
    Act.SUBMIT: {
        "a run": lambda s: s.ask("post", "runs/", {"experiment": "new", "graph": s.scenario.graph()}),
        "an interactive run": lambda s: s.ask("post", "runs/", {"experiment": "new", "kind": "interactive"}),
        "its own run again": lambda s: s.ask("post", f"runs/{s.root.pk}/resubmit/"),
        "a run that writes to a place of its choice": lambda s: s.ask("post", "runs/", {"experiment": "e", "graph": kept_in(s, "chosen/out")}),
        "a run that writes beside files": lambda s: s.ask("post", "runs/", {"experiment": "e", "graph": kept_in(s, "raw/{run-id}")}),
        "a published pipeline": lambda s: s.ask(
            "post",
            f"/api/v1/pipelines/v1.0/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/lab/PipelineRuns/PipelineSubmit/{s.pipeline['id']}",
        ),
    },
    Act.REGISTER: {
        "a dataset": lambda s: s.ask("post", "datasets/", dataset("mine")),
        "a version of a foreign dataset": lambda s: s.ask("post", "datasets/", {**dataset("theirs"), "kind": "file", "definition": {"sources": [{"datastore": "workspaceblobstore", "path": "raw/*.csv"}]}}),
        "a model": lambda s: s.ask("post", "models/", model(s.scenario, "mine")),
        "a version of a foreign model": lambda s: s.ask("post", "models/", model(s.scenario, "theirs")),
        "an environment": lambda s: s.ask("post", "environments/", {"name": "mine", "python": {"version": "3.11", "packages": []}}),
        "an experiment": lambda s: s.ask("post", "experiments/", {"name": "mine"}),
    },
    Act.PUBLISH: {"a graph": lambda s: s.ask("post", "pipelines/", {"name": "mine", "graph": s.scenario.graph()})},
    Act.UPLOAD: {
        "a file": lambda s: s.ask("put", f"{FILES}new/a.txt", raw=b"x"),
        "a file, to be replaced": lambda s: s.ask("put", f"{FILES}new/b.txt?overwrite=1", raw=b"x"),
        "code": lambda s: s.ask("post", "blobs/missing/", {"digests": []}),
        "beside a foreign output": lambda s: s.ask("put", f"{FILES}chosen/output.txt", raw=b"x"),
        "into an output of its own": lambda s: s.ask("put", f"{FILES}azureml/{s.root.pk}/extra/a.txt", raw=b"x"),
    },
    Act.CHANGE: {
        "replace a file": lambda s: s.ask("put", f"{FILES}raw/a.csv?overwrite=1", raw=b"changed"),
        "delete a file": lambda s: s.ask("delete", f"{FILES}raw/a.csv"),
        "delete a folder": lambda s: s.ask("delete", f"{FILES}raw"),
        "replace a foreign output": lambda s: s.ask("put", f"{FILES}{s.foreign_output}?overwrite=1", raw=b"changed"),
        "add to a foreign output": lambda s: s.ask("put", f"{FILES}{s.foreign_output}2", raw=b"x"),
        "add to a foreign output in a chosen place": lambda s: s.ask("put", f"{FILES}chosen//./out/a.txt", raw=b"x"),
        "have its output kept in a foreign one": lambda s: s.ask("post", "runs/", {"experiment": "e", "graph": kept_in(s, f"azureml/{s.other.pk}/model")}),
        "have its output kept over a file": lambda s: s.ask("post", "runs/", {"experiment": "e", "graph": kept_in(s, "raw//./a.csv")}),
        "have its output kept among files": lambda s: s.ask("post", "runs/", {"experiment": "e", "graph": kept_in(s, "raw")}),
        "delete a foreign output": lambda s: s.ask("delete", f"{FILES}{s.foreign_output}"),
        "unregister a dataset": lambda s: s.ask("delete", "datasets/theirs/"),
        "annotate a dataset": lambda s: s.ask("patch", f"dataset-versions/{s.dataset['id']}/", {"tags": {"a": "b"}}),
        "annotate a model": lambda s: s.ask("patch", "models/theirs/versions/1/", {"tags": {"a": "b"}}),
        "delete a model": lambda s: s.ask("delete", "models/theirs/versions/1/"),
        "disable a pipeline": lambda s: s.ask("patch", f"pipelines/{s.pipeline['id']}/", {"status": "Disabled"}),
        "archive an experiment": lambda s: s.ask("patch", "experiments/theirs/", {"archived": True}),
        "tag a foreign run": lambda s: s.ask("patch", f"runs/{s.other.pk}/", {"tags": {"a": "b"}}),
        "resubmit a foreign run": lambda s: s.ask("post", f"runs/{s.other.pk}/resubmit/"),
        "resume a foreign run": lambda s: s.ask("post", f"runs/{s.ended.pk}/resume/"),
        "resume by submitting": lambda s: s.ask("post", "runs/", {"experiment": "e", "graph": s.scenario.graph(), "resume_from": str(s.ended.pk)}),
        "delete a foreign run": lambda s: s.ask("delete", f"runs/{s.ended.pk}/"),
        "upload to a foreign run": lambda s: s.ask("put", f"runs/{s.other.pk}/artifacts/a.txt", raw=b"x"),
        "log for a foreign run": lambda s: s.ask("post", f"runs/{s.other.pk}/metrics/", {"records": []}),
        "open a child of a foreign run": lambda s: s.ask("post", "runs/", {"experiment": "e", "kind": "interactive", "parent": str(s.other.pk)}),
        "cancel a foreign run": lambda s: s.ask("post", f"runs/{s.other.pk}/cancel/"),
    },
    Act.MANAGE: {
        "see members": lambda s: s.ask("get", "members/"),
        "invite": lambda s: s.ask("post", "members/", {"username": "eve"}),
        "see invitations": lambda s: s.ask("get", "invitations/"),
        "change a member": lambda s: s.ask("patch", f"members/{s.member.pk}/", {"role": "reader"}),
        "remove a member": lambda s: s.ask("delete", f"members/{s.member.pk}/"),
        "see tokens": lambda s: s.ask("get", "tokens/"),
        "make a token": lambda s: s.ask("post", "tokens/", {"name": "t", "role": "reader"}),
        "revoke a token": lambda s: s.ask("delete", f"tokens/{s.member.pk}/"),
        "invite a host": lambda s: s.ask("post", "host-enrolments/", {}),
        "detach a host": lambda s: s.ask("delete", "hosts/alpha/"),
        "drain a host": lambda s: s.ask("post", "hosts/alpha/drain/"),
        "make a cluster": lambda s: s.ask("post", "compute/", {"name": "big", "vm_size": "STANDARD_DS1_V2"}),
        "delete a cluster": lambda s: s.ask("delete", "compute/cpu/"),
        "change the workspace": lambda s: s.ask("patch", "", {"description": "mine"}),
        "widen its own scope": lambda s: s.ask("patch", "", {"run_token_scope": "permissive"}),
        "change the default datastore": lambda s: s.ask("patch", "datastores/workspaceblobstore/", {"is_default": True}),
        "see the retention": lambda s: s.ask("get", "retention/"),
        "change the retention": lambda s: s.ask("put", "retention/", {"logs": 1}),
    },
}  # fmt: skip


@pytest.fixture
def scene(scenario: RunScenario) -> Scene:
    return Scene(scenario)


def test_every_kind_of_action_is_tried() -> None:
    assert set(ACTIONS) == set(TABLE) == set(Act)


@pytest.mark.parametrize("scope", [None, *Scope])
def test_a_step_does_what_the_scope_allows_and_no_more(scene: Scene, scope: Scope | None) -> None:
    if scope is not None:
        assert scene.scenario.patch("", {"run_token_scope": scope.value}).json()["run_token_scope"] == scope.value
    faults = [
        f"{act}: {name} gave {fault}"
        for act in ACTIONS
        for name, action in ACTIONS[act].items()
        if (fault := wrong(act, scope or Scope.STANDARD, action(scene)))
    ]
    assert not faults, "\n".join(faults)


def wrong(act: Act, scope: Scope, answer: Any) -> str:
    """What is wrong with the answer to such an action; empty when all is well."""
    said = f"{answer.status_code} {answer.content[:300]!r}"
    least = TABLE[act].least
    if least is not None and scope.rank >= least.rank:
        gone = act is Act.CHANGE and answer.status_code == 404  # the action before has removed it
        return "" if answer.status_code < 300 or gone else said
    error = answer.json()["error"] if answer.status_code == 403 else {"code": ""}
    if act is Act.MANAGE:  # also where an owner is asked for: a run's token carries a contributor at most
        return "" if error["code"] in ("run_scope", "forbidden") else said
    is_clear = error["code"] == "run_scope" and f"'{scope.value}'" in error["message"] and "owner" in error["message"]
    return "" if is_clear else said


def test_what_was_refused_did_not_happen(scene: Scene) -> None:
    for action in (*ACTIONS[Act.CHANGE].values(), *ACTIONS[Act.MANAGE].values()):
        assert action(scene).status_code == 403
    assert content(scene.scenario.get(f"{FILES}raw/a.csv")) == b"x,y\n1,2\n"
    assert scene.scenario.get("datasets/theirs/").status_code == 200
    assert scene.scenario.get("models/theirs/versions/1/").json()["tags"] == {}
    assert Run.objects.get(pk=scene.other.pk).status == "Running"
    assert Run.objects.filter(pk=scene.ended.pk).exists()
    assert Experiment.objects.get(name="theirs").archived_at is None
    assert Member.objects.get().role == Role.OWNER


def test_a_step_changes_what_its_own_tree_made_outside_of_it(scene: Scene) -> None:
    brother = scene.scenario.run_token(scene.scenario.step(scene.root, "prepare"))
    stranger = scene.scenario.run_token(scene.scenario.step(scene.other, "train"))
    made = {
        "a file": (f"{FILES}new/a.txt", scene.ask("put", f"{FILES}new/a.txt", raw=b"1")),
        "a run": ("", scene.ask("post", "runs/", {"experiment": "new", "graph": scene.scenario.graph()})),
        "a dataset": ("", scene.ask("post", "datasets/", dataset("mine"))),
        "a model": ("", scene.ask("post", "models/", model(scene.scenario, "mine"))),
        "an experiment": ("", scene.ask("post", "experiments/", {"name": "mine"})),
        "a pipeline": ("", scene.ask("post", "pipelines/", {"name": "mine", "graph": scene.scenario.graph()})),
    }
    facts = {name: scene.made(answer) for name, (_, answer) in made.items()}
    changes: list[tuple[str, str, Any, bytes | None]] = [
        ("put", f"{FILES}new/a.txt?overwrite=1", None, b"2"),
        ("patch", f"runs/{facts['a run']['id']}/", {"tags": {"a": "b"}}, None),
        ("post", f"runs/{facts['a run']['id']}/cancel/", None, None),
        ("patch", f"dataset-versions/{facts['a dataset']['id']}/", {"tags": {"a": "b"}}, None),
        ("patch", "models/mine/versions/1/", {"tags": {"a": "b"}}, None),
        ("patch", "experiments/mine/", {"tags": {"a": "b"}}, None),
        ("patch", "experiments/new/", {"tags": {"a": "b"}}, None),
        ("patch", f"pipelines/{facts['a pipeline']['id']}/", {"status": "Disabled"}, None),
        ("delete", "models/mine/versions/1/", None, None),
        ("delete", "datasets/mine/", None, None),
        ("delete", f"{FILES}new", None, None),
    ]
    for method, path, body, raw in changes:
        refused = scene.ask(method, path, body, raw, client=stranger)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "run_scope"), path
        answer = scene.ask(method, path, body, raw, client=brother)
        assert answer.status_code < 300, (path, answer.content)


def test_what_a_person_put_in_its_place_is_no_steps_any_more(scene: Scene) -> None:
    assert scene.ask("put", f"{FILES}new/a.txt", raw=b"1").status_code == 201
    assert scene.scenario.put(f"{FILES}new/a.txt", b"2", overwrite=1).status_code == 201
    assert scene.ask("put", f"{FILES}new/a.txt?overwrite=1", raw=b"3").status_code == 403
    assert scene.ask("delete", f"{FILES}new/a.txt").status_code == 403


def test_a_folder_with_one_foreign_file_stays(scene: Scene) -> None:
    assert scene.ask("put", f"{FILES}raw/mine.csv", raw=b"1").status_code == 201
    assert scene.ask("delete", f"{FILES}raw").status_code == 403
    assert scene.ask("delete", f"{FILES}raw/mine.csv").status_code == 204


def carried_out(scene: Scene, destination: str, **files: str) -> Run:
    """A run that the step submits, and whose own step leaves these files; as it stands after the agent's verdict."""
    scenario = scene.scenario
    graph = kept_in(scene, destination)
    graph["steps"][0]["allow_reuse"] = False
    graph["steps"] = graph["steps"][:1]
    answer = scene.ask("post", "runs/", {"experiment": "e", "graph": graph})
    assert answer.status_code == 201, answer.content
    return end(scenario, Run.objects.get(parent=answer.json()["id"]), **files)


def end(scenario: RunScenario, run: Run, **files: str) -> Run:
    """The run once an agent has claimed its attempt and told that the script left these files as the output `out`."""
    exchange(scenario, want=8)
    attempt = Attempt.objects.get(run=run)
    report = leave(attempt, **{f"outputs__out__{name}": text for name, text in files.items()})
    facts = {"attempt": str(attempt.pk), "epoch": attempt.epoch, "event": "finished", "exit_code": 0, **report}
    assert not exchange(scenario, facts)["refused"]
    run.refresh_from_db()
    return run


def exchange(scenario: RunScenario, *reports: dict[str, Any], want: int = 0) -> dict[str, Any]:
    body = {"host": {}, "holding": [], "reports": reports, "want": want, "wait": 0}
    answer = scenario.agent.post("/agent/v1/exchange", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


@pytest.mark.django_db(transaction=True)
def test_a_run_of_a_step_replaces_what_its_own_trees_wrote(scene: Scene) -> None:
    scenario = scene.scenario
    first = carried_out(scene, "mine/table", a="1", b="2")
    assert (first.status, content(scenario.get(f"{FILES}mine/table/a"))) == ("Completed", b"1")
    again = carried_out(scene, "mine/table", a="3")
    assert (again.status, content(scenario.get(f"{FILES}mine/table/a"))) == ("Completed", b"3")
    assert scene.ask("put", f"{FILES}up/a", raw=b"1").status_code == 201
    assert carried_out(scene, "up", a="2").status == "Completed"
    # What was promoted is no upload any more, and no other tree's step has it replaced either.
    assert scene.ask("put", f"{FILES}up/a?overwrite=1", raw=b"3").status_code == 403
    assert scene.ask("delete", f"{FILES}up/a").status_code == 403
    stranger = scenario.run_token(scenario.step(scene.other, "train"))
    body = {"experiment": "e", "graph": kept_in(scene, "mine")}
    error = scene.ask("post", "runs/", body, client=stranger).json()["error"]
    assert error["code"] == "run_scope" and "'out'" in error["message"] and "'mine/table/a'" in error["message"]
    assert (error["facts"]["output"], error["facts"]["path"]) == ("out", "mine")


@pytest.mark.django_db(transaction=True)
def test_a_persons_file_among_a_trees_own_is_seen(scene: Scene) -> None:
    assert carried_out(scene, "mine", a="1", b="2").status == "Completed"
    assert scene.scenario.put(f"{FILES}mine/a", b"a person's", overwrite=1).status_code == 201
    body = {"experiment": "e", "graph": kept_in(scene, "mine")}
    assert scene.ask("post", "runs/", body).status_code == 403
    scene.scenario.patch("", {"run_token_scope": "permissive"})
    assert scene.ask("post", "runs/", body).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_file_that_comes_after_the_submit_is_not_replaced(scene: Scene) -> None:
    scenario = scene.scenario
    answer = scene.ask("post", "runs/", {"experiment": "e", "graph": kept_in(scene, "later")})
    root = Run.objects.get(pk=answer.json()["id"])
    assert scenario.put(f"{FILES}later/b", b"a person's").status_code == 201
    run = end(scenario, scenario.step(root, "prepare"), a="1", b="2")
    assert run.status == "Failed" and "'later/b'" in run.error["message"] and "'out'" in run.error["message"]
    assert content(scenario.get(f"{FILES}later/b")) == b"a person's"
    assert scenario.get(f"{FILES}later/a").status_code == 404, "of a refused output nothing is kept"


@pytest.mark.django_db(transaction=True)
def test_what_a_person_submits_may_replace_what_was_there(scene: Scene) -> None:
    scenario = scene.scenario
    assert scene.ask("put", f"{FILES}theirs/a", raw=b"a step's").status_code == 201
    answer = scenario.post("runs/", {"experiment": "e", "graph": kept_in(scene, "theirs")})
    run = end(scenario, scenario.step(Run.objects.get(pk=answer.json()["id"]), "prepare"), a="2")
    assert (run.status, content(scenario.get(f"{FILES}theirs/a"))) == ("Completed", b"2")
    # The step's upload is gone, and with it the step's say.
    assert scene.ask("delete", f"{FILES}theirs/a").status_code == 403
    assert scene.ask("post", "runs/", {"experiment": "e", "graph": kept_in(scene, "theirs/a")}).status_code == 403


def test_an_owner_chooses_the_scope_and_the_audit_tells(scene: Scene) -> None:
    scenario = scene.scenario
    contributor = scenario.member("bo", Role.CONTRIBUTOR)
    body = json.dumps({"run_token_scope": "permissive"})
    assert contributor.patch(scenario.base, body, content_type="application/json").status_code == 403
    assert scenario.patch("", {"run_token_scope": "everything"}).status_code == 400
    assert scenario.get("").json()["run_token_scope"] == "standard"
    page = Client()
    page.force_login(scenario.owner)
    assert page.post("/w/lab/settings/run-token-scope/", {"scope": "restricted"}).status_code == 302
    assert scenario.get("").json()["run_token_scope"] == "restricted"
    entry = AuditEntry.objects.get(action="workspace.run_token_scope")
    assert (entry.actor, entry.target, entry.facts) == ("ana", "restricted", {"was": "standard"})
    assert scene.ask("post", "experiments/", {"name": "x"}).status_code == 403


def test_the_document_has_the_same_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (yes|–) \| (yes|–) \| (yes|–) \|$", text, re.M)
    facts = {act: (words, *marks) for act, words, *marks in rows}
    assert facts == {
        act.value: (rule.text, *("yes" if rule.least and scope.rank >= rule.least.rank else "–" for scope in Scope))
        for act, rule in TABLE.items()
    }
