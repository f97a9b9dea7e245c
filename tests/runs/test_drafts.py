"""Drafts: made of anything that has a graph, changed with a look at others, checked, submitted, published; by REST and SDK."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.clock import now
from core.errors import NotFound
from core.ids import uuid7
from duto import Pipeline, PipelineDraft, PipelineParameter, PipelineRun, PublishedPipeline, PythonScriptStep, Workspace
from duto.exceptions import ConflictException, NotFoundException, UserErrorException
from environments.models import EnvironmentBuild, EnvironmentVersion
from pipelines import queries
from pipelines.models import PipelineDraft as Row
from pipelines.services import drafts as services
from runs.models import DraftRun, Run, Snapshot
from runs.services.maintenance import snapshot_gc
from runs.services.submission import drafts as submission
from runs.services.submission import publish
from tests.runs.conftest import RunScenario
from tests.web.step_kinds import StepKinds
from workspaces.models import AuditEntry, Role
from workspaces.services import tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
PARAMETERS = [{"name": "epochs", "type": "int", "default": 3}, {"name": "note", "type": "string", "default": "x"}]


def made(scenario: RunScenario, **body: Any) -> dict[str, Any]:
    source = (
        body if any(key.endswith("_id") for key in body) else {"graph": scenario.graph(parameters=PARAMETERS), **body}
    )
    answer = scenario.post("drafts/", source)
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_draft_is_changed_and_submitted_and_its_run_is_that_of_the_graph(scenario: RunScenario) -> None:
    draft = made(scenario, name="mine", experiment="Trials", tags={"team": "a"}, parameters={"epochs": "7"})
    place = f"drafts/{draft['id']}/"
    assert (draft["version"], draft["parameters"], draft["total_run_steps"]) == (1, {"epochs": 7}, 2)
    edit = {
        "steps": {"train": {"arguments": ["--n", {"parameter": "epochs"}], "allow_reuse": False}},
        "defaults": {"note": "y"},
    }
    changed = scenario.patch(place, {"version": 1, **edit}).json()
    assert changed["version"] == 2 and changed["changed_by"] == "ana"
    assert scenario.patch(place, {"version": 2, **edit}).json()["version"] == 2, "the same again is no change"
    assert scenario.post(f"{place}check/").json() == {"problems": []}
    answer = scenario.post(f"{place}submit/", {"parameters": {"note": "z"}, "regenerate_outputs": True})
    assert answer.status_code == 201, answer.content
    run = Run.objects.get(pk=answer.json()["id"])
    assert (run.experiment.name, run.display_name, run.tags, run.is_forced) == ("Trials", "mine", {"team": "a"}, True)
    assert run.parameters == {"epochs": 7, "note": "z"} and run.trigger == {"kind": "draft", "name": "mine"}
    found = scenario.get(place).json()
    assert run.graph == found["graph"] and found["last_run_id"] == str(run.pk) and found["parameters"] == {"epochs": 7}
    assert DraftRun.objects.get().version == 2 and run.by_draft.draft_id == Row.objects.get().pk
    assert scenario.client.delete(scenario.base + place).status_code == 204
    assert Run.objects.filter(pk=run.pk).exists() and not DraftRun.objects.exists()
    actions = AuditEntry.objects.filter(action__startswith="draft.").order_by("id").values_list("action", "facts")
    assert [action for action, _ in actions] == ["draft.created", "draft.changed", "draft.deleted"]
    assert actions[1][1]["changed"] == ["graph"]


def test_another_ones_change_is_not_overwritten_without_a_word(scenario: RunScenario) -> None:
    place = f"drafts/{made(scenario)['id']}/"
    rui = scenario.member("rui", Role.CONTRIBUTOR)
    theirs = rui.patch(scenario.base + place, '{"version": 1, "name": "theirs"}', "application/json")
    assert theirs.json()["changed_by"] == "rui"
    refused = scenario.patch(place, {"version": 1, "name": "mine"})
    assert (
        code(refused) == (409, "changed") and "rui has changed the draft 'theirs'" in refused.json()["error"]["message"]
    )
    assert refused.json()["error"]["facts"]["version"] == 2
    assert scenario.get(place).json()["name"] == "theirs"
    assert scenario.patch(place, {"version": 2, "name": "mine"}).json()["version"] == 3


def test_of_several_who_save_at_once_one_does(scenario: RunScenario) -> None:
    place, answers = f"drafts/{made(scenario)['id']}/", []
    begin = threading.Barrier(4)

    def save(name: str) -> None:
        begin.wait(60)
        try:
            answers.append(scenario.patch(place, {"version": 1, "name": name}).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=(name,)) for name in "abcd"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers) == [200, 409, 409, 409] and Row.objects.get().version == 2


def test_a_draft_that_is_deleted_meanwhile_runs_no_more(scenario: RunScenario) -> None:
    made(scenario)
    draft = Row.objects.get()
    Row.objects.all().delete()
    with pytest.raises(NotFound, match="was deleted meanwhile"):
        submission.submit(scenario.context, draft)
    with pytest.raises(NotFound, match="was deleted meanwhile"):
        services.change(scenario.context, draft, {"name": "x"})
    assert not Run.objects.exists()


@pytest.fixture
def kinds(db: None) -> StepKinds:
    return StepKinds()


def test_a_copy_of_a_run_is_its_graph_whatever_its_steps_are(kinds: StepKinds) -> None:
    trial = kinds.sweep()[1]
    for build in (kinds.ranked, kinds.parallel, kinds.spark, kinds.searched):
        build()
    for run in Run.objects.filter(parent=None):
        draft = made(kinds, run_id=str(run.pk))
        kept = Row.objects.get(pk=draft["id"])
        for was, step in zip(run.graph["steps"], kept.graph["steps"], strict=True):
            assert {name: step[name] for name in was if name not in ("inputs", "outputs", "distribution")} == {
                name: value for name, value in was.items() if name not in ("inputs", "outputs", "distribution")
            }
            assert len(step["inputs"]) == len(was["inputs"])
        kinds.patch(f"drafts/{draft['id']}/", {"steps": {kept.graph["steps"][0]["id"]: {"allow_reuse": False}}})
        again = Row.objects.get(pk=draft["id"]).graph
        again["steps"][0]["allow_reuse"] = kept.graph["steps"][0]["allow_reuse"]
        assert again == kept.graph, run.graph["steps"][0]["kind"]
    alone = made(kinds, run_id=str(trial.pk))
    assert (alone["kind"], alone["name"]) == ("script", trial.display_name)
    run = kinds.post(f"drafts/{alone['id']}/submit/").json()
    assert (run["kind"], run["cloned_from"]) == ("script", str(trial.pk))
    assert code(kinds.post(f"drafts/{alone['id']}/publish/")) == (400, "no_pipeline")


def test_a_run_of_a_copy_is_the_same_run_again(scenario: RunScenario) -> None:
    first = scenario.post(
        "runs/",
        {
            "experiment": "One", "graph": scenario.graph(parameters=PARAMETERS), "parameters": {"epochs": 9}, "priority": 4,
            "tags": {"a": "b"}, "continue_on_step_failure": True, "display_name": "nightly",
        },
    ).json()  # fmt: skip
    draft = made(scenario, run_id=first["id"])
    assert draft["parameters"] == {"epochs": 9}, "only what is another value than the default"
    again = Run.objects.get(pk=scenario.post(f"drafts/{draft['id']}/submit/").json()["id"])
    run = Run.objects.get(pk=first["id"])
    same = ("parameters", "priority", "tags", "continue_on_step_failure", "display_name", "experiment_id", "kind")
    assert {name: getattr(again, name) for name in same} == {name: getattr(run, name) for name in same}
    assert [each["snapshot"] for each in again.graph["steps"]] == [each["snapshot"] for each in run.graph["steps"]]
    assert again.cloned_from_id == run.pk
    below = scenario.post("runs/", {"experiment": "One", "kind": "interactive"}).json()["id"]
    assert code(scenario.post("drafts/", {"run_id": below})) == (400, "no_graph")
    assert code(scenario.post("drafts/", {"run_id": str(uuid7())})) == (404, "not_found")


def test_everything_that_is_wrong_is_told_at_its_step_and_nothing_stays_of_the_look(scenario: RunScenario) -> None:
    draft = made(scenario, graph=scenario.graph("a -> b -> c", parameters=PARAMETERS))
    place = f"drafts/{draft['id']}/"
    broken = {
        "a": {"environment": {"name": "none such", "version": "1"}},
        "b": {"environment": {"python": {"version": "3.11", "packages": ["six"]}}},
        "c": {"environment": {"name": "neither", "version": "1"}},
    }
    scenario.patch(place, {"steps": broken})
    found = scenario.post(f"{place}check/").json()["problems"]
    assert [each["step"] for each in found] == ["a", "c"] and "none such" in found[0]["message"]
    assert not EnvironmentVersion.objects.filter(environment=None).exists() and not EnvironmentBuild.objects.exists()
    wrong = {"a": {"compute": "far"}, "b": {"compute": "farther"}, "c": {"arguments": [{"parameter": "none"}]}}
    scenario.patch(place, {"steps": wrong})
    found = scenario.post(f"{place}check/").json()["problems"]
    assert [(each["code"], each["step"]) for each in found] == [("undeclared_parameter", "c")], (
        "first of the graph itself"
    )
    scenario.patch(place, {"steps": {"c": {"arguments": []}}})
    found = scenario.post(f"{place}check/", {"parameters": {"epochs": 4}}).json()["problems"]
    assert [(each["code"], each["step"]) for each in found] == [("unknown_compute", "a"), ("unknown_compute", "b")]
    refused = scenario.post(f"{place}submit/")
    assert code(refused) == (422, "unknown_compute") and len(refused.json()["error"]["facts"]["problems"]) == 2
    scenario.patch(place, {"steps": {"a": {"run_after": ["b"]}}})
    assert "cycle" in [each["code"] for each in scenario.post(f"{place}check/").json()["problems"]]
    assert code(scenario.post(f"{place}publish/"))[0] == 422
    assert not Run.objects.exists() and not DraftRun.objects.exists()
    assert [each["code"] for each in scenario.post(f"{place}check/", {"parameters": {"speed": 1}}).json()["problems"]]


def test_what_cannot_be_a_draft_says_why(scenario: RunScenario) -> None:
    graph = scenario.graph(parameters=PARAMETERS)
    for body, expected in (
        ({}, (400, "nothing_to_draft")),
        ({"graph": graph, "draft_id": str(uuid7())}, (400, "nothing_to_draft")),
        ({"graph": {"steps": 3}}, (422, "invalid")),
        ({"graph": {**graph, "schema": 99}}, (422, "schema")),
        ({"graph": graph, "name": "x" * 256}, (400, "invalid")),
        ({"graph": graph, "parameters": {"speed": 1}}, (422, "undeclared_parameter")),
        ({"graph": graph, "parameters": {"epochs": "many"}}, (422, "wrong_type")),
        ({"graph": graph, "experiment": "a/b"}, (422, "bad_name")),
        ({"graph": graph, "tags": {"a": 1}}, (400, "invalid")),
        ({"graph": graph, "priority": 101}, (400, "invalid")),
        ({"pipeline_id": str(uuid7())}, (404, "not_found")),
        ({"draft_id": str(uuid7())}, (404, "not_found")),
    ):
        assert code(scenario.post("drafts/", body)) == expected, body
    assert not Row.objects.exists()
    draft = made(scenario, parameters={"epochs": 5})
    place = f"drafts/{draft['id']}/"
    assert code(scenario.patch(place, {"name": "  "})) == (400, "invalid")
    assert code(scenario.patch(place, {"steps": {"train": {"script": "x.py"}}})) == (422, "invalid")
    assert code(scenario.patch(place, {"graph": scenario.graph()})) == (422, "undeclared_parameter"), (
        "its value is not dropped"
    )
    assert scenario.patch(place, {"graph": scenario.graph(), "parameters": {}}).status_code == 200
    reader = scenario.member("rui", Role.READER)
    assert reader.get(scenario.base + place).status_code == 200
    for path in ("drafts/", place + "check/", place + "submit/", place + "publish/"):
        assert reader.post(scenario.base + path, "{}", "application/json").status_code == 403, path
    assert reader.delete(scenario.base + place).status_code == 403
    assert code(scenario.get(f"drafts/{uuid7()}/")) == (404, "not_found")


def test_a_step_changes_the_drafts_of_its_own_tree_alone(scenario: RunScenario) -> None:
    draft, step = made(scenario), scenario.run_token(scenario.step(scenario.pipeline("train"), "train"))
    place = f"{scenario.base}drafts/"
    body = f'{{"draft_id": "{draft["id"]}", "name": "copy"}}'
    own = step.post(place, body, "application/json").json()["id"]
    assert step.patch(f"{place}{own}/", '{"name": "x"}', "application/json").status_code == 200
    for answer in (
        step.patch(f"{place}{draft['id']}/", '{"name": "x"}', "application/json"),
        step.delete(f"{place}{draft['id']}/"),
    ):
        assert code(answer) == (403, "run_scope")


def test_the_code_of_a_draft_is_kept_as_long_as_the_draft(scenario: RunScenario) -> None:
    draft = made(scenario)
    later = now() + timedelta(days=3)
    Snapshot.objects.update(created_at=now() - timedelta(days=9))
    assert snapshot_gc.sweep(scenario.workspace, later) == 0 and Snapshot.objects.exists()
    scenario.client.delete(f"{scenario.base}drafts/{draft['id']}/")
    assert snapshot_gc.sweep(scenario.workspace, later) == 1 and not Snapshot.objects.exists()


def test_what_is_published_has_the_values_of_the_draft_as_its_defaults(scenario: RunScenario) -> None:
    graph = scenario.graph("train", parameters=PARAMETERS)
    first = publish.publish_graph(
        scenario.context, graph, name="Nightly", description="d", continue_on_step_failure=True
    )
    draft = made(scenario, pipeline_id=str(first.pk), parameters={"epochs": 8})
    assert (draft["name"], draft["description"], draft["of_pipeline_id"]) == ("Nightly", "d", str(first.pk))
    assert draft["continue_on_step_failure"] is True
    published = scenario.post(f"drafts/{draft['id']}/publish/", {"version": "2"}).json()
    assert (published["name"], published["version"], published["description"]) == ("Nightly", "2", "d")
    assert [each["default"] for each in published["parameters"]] == [8, "x"]
    assert published["continue_on_step_failure"] is True and Row.objects.count() == 1
    copy = made(scenario, draft_id=draft["id"], name="other")
    assert (copy["of_draft_id"], copy["parameters"]) == (draft["id"], {"epochs": 8})


def test_drafts_are_found_by_their_tags_and_cost_the_same_however_many(scenario: RunScenario) -> None:
    for number in range(3):
        made(scenario, tags={"n": str(number), "team": "a"})
    listed = scenario.get("drafts/", tags="n=1").json()["items"]
    assert [each["tags"]["n"] for each in listed] == ["1"] and len(
        scenario.get("drafts/", tags="team").json()["items"]
    ) == 3
    assert scenario.get("drafts/", tags="team=b").json()["items"] == []


def test_a_list_of_drafts_reads_none_of_their_graphs(scenario: RunScenario) -> None:
    """A graph may be of megabytes, and a list shows how many steps it has."""
    first = made(scenario, name="small")
    with CaptureQueriesContext(connection) as one:
        assert scenario.get("drafts/").json()["items"] == [first]
    other = made(scenario, graph={**scenario.graph("a -> b -> c"), "continue_on_step_failure": True})
    with CaptureQueriesContext(connection) as two:
        assert scenario.get("drafts/").json()["items"] == [other, first]
    assert (other["total_run_steps"], other["continue_on_step_failure"]) == (3, True)
    assert len(one) == len(two)
    rows = list(queries.listed_drafts(scenario.workspace))
    assert [each.get_deferred_fields() for each in rows] == [{"graph"}, {"graph"}]
    assert scenario.context.workspace == rows[0].workspace and sum(len(str(vars(each))) for each in rows) < 4000


@pytest.fixture
def ws(scenario: RunScenario, live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    for name in ("AZUREML_RUN_ID", "AZUREML_RUN_TOKEN", "DUTO_STUDIO_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("DUTO_URL", live_server.url)
    monkeypatch.setenv("DUTO_TOKEN", tokens.create(scenario.context, "sdk", Role.OWNER).text)
    return Workspace(None, None, "lab")


def test_a_program_makes_changes_runs_and_publishes_a_draft(
    scenario: RunScenario, ws: Workspace, tmp_path: Path
) -> None:
    source = tmp_path / "code"
    source.mkdir()
    (source / "train.py").write_text("print('hello')\n")
    epochs = PipelineParameter("epochs", 3)
    train = PythonScriptStep(
        "train.py", name="train", source_directory=str(source), compute_target="cpu", arguments=["-n", epochs]
    )
    pipeline = Pipeline(ws, [train])
    draft = PipelineDraft.create(
        ws, pipeline, name="mine", description="d", experiment_name="By program", pipeline_parameters={"epochs": 5},
        continue_on_step_failure=True, tags={"team": "a"}, properties={"p": 1},
    )  # fmt: skip
    assert (draft.name, draft.description, draft.experiment_name) == ("mine", "d", "By program")
    assert (draft.tags, draft.properties, draft.parameters) == ({"team": "a"}, {"p": "1"}, {"epochs": 5})
    assert draft.validate() == [] and draft.graph.continue_on_step_failure
    assert [each.name for each in draft.plan(pipeline_parameters={"epochs": 6}).steps] == [
        "train"
    ] and not Run.objects.exists()
    same, stale = PipelineDraft.get(ws, draft.id), PipelineDraft.get(ws, id=draft.id)
    run = same.submit_run()
    assert isinstance(run, PipelineRun) and Run.objects.get(pk=run.id).properties["p"] == "1"
    assert Run.objects.get(pk=run.id).parameters == {"epochs": 5} and same.last_submitted_pipeline_run_id == run.id
    other = same.submit_run(experiment_name="Elsewhere", pipeline_parameters={"epochs": 6}, regenerate_outputs=True)
    assert Run.objects.get(pk=other.id).experiment.name == "Elsewhere" and Run.objects.get(pk=other.id).parameters == {
        "epochs": 6
    }
    same.update(name="ours", tags={"team": "b"}, pipeline_parameters={"epochs": 7}, description="e")
    assert (same.name, same.description, same.tags) == ("ours", "e", {"team": "b"})
    with pytest.raises(ConflictException, match="has changed the draft 'ours' meanwhile"):
        stale.update(name="lost")
    (source / "train.py").write_text("print('newer')\n")
    same.update(pipeline=Pipeline(ws, [train]))
    assert same.parameters == {"epochs": 7}
    published = same.publish()
    assert isinstance(published, PublishedPipeline) and published.name == "ours"
    assert published.get_graph().parameters[0].default == 7
    copies = [PipelineDraft.create(workspace=ws, pipeline=each) for each in (run, published, same)]
    assert [each.parent_pipeline_run_id for each in copies] == [run.id, None, None]
    assert [each.parent_pipeline_id for each in copies] == [None, published.id, None]
    assert [each.parent_pipeline_draft_id for each in copies] == [None, None, same.id]
    assert copies[0].parent_step_run_ids == [] and copies[1].name == "ours"
    assert {each.id for each in PipelineDraft.list(ws)} == {each.id for each in (same, *copies)}
    assert {each.id for each in PipelineDraft.list(ws, tags={"team": "b"})} == {same.id, copies[2].id}
    saved = Path(same.save(str(tmp_path / "graph.json")))
    assert '"steps"' in saved.read_text() and same.get_portal_url().endswith(f"/w/lab/drafts/{same.id}/")
    with pytest.raises(UserErrorException, match="'speed'"):
        same.submit_run(pipeline_parameters={"speed": 1})
    with pytest.raises(UserErrorException, match="not PythonScriptStep"):
        PipelineDraft.create(ws, train)  # type: ignore[arg-type]
    same.delete()
    with pytest.raises(NotFoundException, match="There is no pipeline draft"):
        PipelineDraft.get(ws, same.id)
