"""A failed run resumed: what is adopted, what runs, why, and what the doors say. The agent's end is played by the test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.clock import now
from core.storage import data_dir
from datasets import references
from runs.models import Output, Run
from runs.services.maintenance import delete_run
from runs.services.orchestration import progress
from runs.services.orchestration.cancel import cancel_run
from runs.services.submission.resume_preview import preview
from tests.runs.test_outputs import leave
from workspaces.models import Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
PARAMETERS = [{"name": "lr", "type": "float", "default": 0.1}]


class Crew:
    """Submits graphs and plays the agent that runs their steps: those in `broken` fail."""

    def __init__(self, scenario: Any) -> None:
        self.scenario = scenario
        self.ran: list[str] = []
        self.wrote = "alpha"

    def graph(self, chart: str = "prepare -> train -> compare", **step: Any) -> dict[str, Any]:
        """A chain in which each step reads what the one before wrote, and `train` the parameter."""
        graph: dict[str, Any] = self.scenario.graph(chart, parameters=PARAMETERS, **step)
        for place, each in enumerate(graph["steps"]):
            each["run_after"] = []
            each["arguments"] = [each["id"]]
            each["outputs"] = [{"name": "data", "kind": "pipeline_data", "is_directory": True}]
            if place:
                each["inputs"] = [
                    {"name": "given", "from": {"step": graph["steps"][place - 1]["id"], "output": "data"}}
                ]
            if each["id"] == "train":
                each["arguments"] = ["--lr", {"parameter": "lr"}]
        return graph

    def submit(self, graph: dict[str, Any] | None = None, **more: Any) -> Any:
        return self.scenario.post("runs/", {"experiment": "exp", "graph": graph or self.graph(), **more})

    def play(self, run_id: str, *broken: str) -> Run:
        """Run what there is to run until the run is over."""
        progress.advance(Run.objects.get(pk=run_id).pk)
        self.ran = []
        work = self._say([])["work"]
        while work:  # the answer to a verdict brings what comes next
            work = self._say([self._verdict(each, broken) for each in work])["work"]
        return Run.objects.get(pk=run_id)

    def _verdict(self, work: dict[str, Any], broken: tuple[str, ...]) -> dict[str, Any]:
        from runs.models import Attempt

        node = work["spec"]["step"]
        self.ran.append(node)
        facts: dict[str, Any] = {"attempt": work["attempt"], "epoch": work["epoch"], "event": "finished"}
        if node in broken:
            return {**facts, "exit_code": 1, "cause": "user_error", "message": "ValueError"}
        if not work["spec"]["outputs"]:
            return {**facts, "exit_code": 0}
        left = leave(Attempt.objects.get(pk=work["attempt"]), outputs__data__a=f"{node} {self.wrote}")
        return {**facts, "exit_code": 0, **left}

    def _say(self, reports: list[dict[str, Any]]) -> Any:
        body = {"host": {}, "holding": [], "reports": reports, "want": 8, "wait": 0}
        answer = self.scenario.agent.post("/agent/v1/exchange", json.dumps(body), content_type="application/json")
        assert answer.status_code == 200, answer.content
        return answer.json()

    def failed(self, *broken: str, **more: Any) -> Run:
        run = self.play(self.submit(**more).json()["id"], *(broken or ("train",)))
        assert run.status == "Failed"
        return run

    def resume(self, run: Run, **parameters: Any) -> Run:
        answer = self.scenario.post(f"runs/{run.pk}/resume/", {"parameters": parameters})
        assert answer.status_code == 201, answer.content
        return self.play(answer.json()["id"])

    def why(self, run: Run, node: str) -> dict[str, Any]:
        found: dict[str, Any] = self.scenario.step(run, node).step.reuse_explanation
        return found


@pytest.fixture
def crew(scenario: Any) -> Crew:
    return Crew(scenario)


def states(run: Run) -> dict[str, str]:
    return dict(Run.objects.filter(parent=run).values_list("step__node_id", "status"))


def test_a_resumed_run_adopts_what_was_finished_and_runs_the_rest(crew: Crew) -> None:
    source = crew.failed()
    assert states(source) == {"prepare": "Completed", "train": "Failed", "compare": "Skipped"}
    run = crew.resume(source)
    assert (run.status, run.resumed_from_id, run.cloned_from_id) == ("Completed", source.pk, None)
    assert crew.ran == ["train", "compare"]
    adopted = crew.scenario.step(run, "prepare")
    assert adopted.step.reused_from_id == crew.scenario.step(source, "prepare").pk
    assert adopted.is_adopted and adopted.properties["azureml.isreused"] == "true"
    found = crew.why(run, "prepare")
    assert (found["code"], found["reused"], found["compared_with"]["number"]) == ("adopted", True, source.number)
    assert found["text"] == "Adopted from #1: it completed there, and nothing that it depends on has changed."
    assert crew.why(run, "train")["text"] == "It failed in #1."
    assert crew.why(run, "compare")["text"] == "It was skipped in #1."
    # The step that ran read what the adopted one had written in the source's run.
    assert crew.scenario.get(f"runs/{adopted.pk}/outputs/data/files/a").content == b"prepare alpha"


@pytest.mark.parametrize("hindrance", ["allow_reuse", "forced"])
def test_what_is_no_source_for_reuse_is_adopted_all_the_same(crew: Crew, hindrance: str) -> None:
    graph = crew.graph(allow_reuse=hindrance != "allow_reuse")
    source = crew.failed(graph=graph, regenerate_outputs=hindrance == "forced")
    assert not crew.scenario.step(source, "prepare").step.is_source
    run = crew.resume(source)
    assert crew.ran == ["train", "compare"] and run.status == "Completed"
    assert run.is_forced is (hindrance == "forced")


def test_a_forced_run_that_is_resumed_reuses_nothing_older(crew: Crew) -> None:
    crew.play(crew.submit().json()["id"])
    source = crew.failed(regenerate_outputs=True)
    crew.resume(source)
    assert crew.ran == ["train", "compare"]


def test_a_changed_parameter_runs_what_reads_it_and_is_named(crew: Crew) -> None:
    source = crew.failed("compare")
    run = crew.resume(source, lr=0.5)
    assert run.parameters == {"lr": 0.5}
    # What `train` writes is the same as before, but `compare` had failed.
    assert crew.ran == ["train", "compare"]
    assert crew.why(run, "train")["text"] == "It runs: parameter `lr` 0.1 → 0.5 since #1."
    assert crew.why(run, "train")["compared_with"]["root"] == str(source.pk)
    again = crew.resume(crew.failed("train", regenerate_outputs=True), lr=0.7)
    assert crew.why(again, "train")["text"] == "It failed in #3. Since then: parameter `lr` 0.1 → 0.7."


def test_a_step_after_one_that_runs_again_is_adopted_when_it_gets_the_same(crew: Crew) -> None:
    chart = "prepare -> train -> compare -> report"
    source = crew.failed("report", graph=crew.graph(chart), regenerate_outputs=True)
    crew.resume(source, lr=0.5)
    assert crew.ran == ["train", "report"]
    crew.wrote = "beta"
    run = crew.resume(source, lr=0.9)
    assert crew.ran == ["train", "compare", "report"]
    assert crew.why(run, "compare")["text"] == "It runs: input `given` changed since #1."


def test_changed_code_is_named_file_by_file(crew: Crew) -> None:
    source = crew.failed()
    graph = crew.graph()
    new = crew.scenario.snapshot(step_py="print('better')\n", helper_py="").digest
    for each in graph["steps"]:
        each["snapshot"] = new
    answer = crew.submit(graph, resume_from=str(source.pk))
    assert answer.json()["resumed_from"] == str(source.pk)
    run = crew.play(answer.json()["id"])
    assert crew.ran == ["prepare", "train", "compare"] and run.resumed_from_id == source.pk
    assert crew.why(run, "prepare")["text"] == "It runs: `helper.py` is new, `step.py` changed since #1."


def test_only_the_steps_whose_code_changed_run_again(crew: Crew) -> None:
    source = crew.failed(regenerate_outputs=True)
    graph = crew.graph()
    graph["steps"][1]["snapshot"] = crew.scenario.snapshot(step_py="print('better')\n").digest
    graph["steps"].append({**graph["steps"][0], "id": "extra", "name": "extra", "arguments": ["extra"]})
    run = crew.play(crew.submit(graph, resume_from=str(source.pk)).json()["id"])
    assert sorted(crew.ran) == ["compare", "extra", "train"]
    assert crew.why(run, "train")["text"] == "It failed in #1. Since then: `step.py` changed."
    assert crew.why(run, "extra")["code"] == "first"


def test_a_step_that_runs_may_still_be_reused_by_the_ordinary_rules(crew: Crew) -> None:
    done = crew.play(crew.submit(parameters={"lr": 0.5}).json()["id"])
    source = crew.failed()
    run = crew.resume(source, lr=0.5)
    assert crew.ran == [] and run.status == "Completed"
    found = crew.why(run, "train")
    assert (found["code"], found["compared_with"]["root"]) == ("reused", str(done.pk))


def test_a_resumed_run_that_fails_is_resumed_in_turn(crew: Crew) -> None:
    first = crew.failed(regenerate_outputs=True)
    second = crew.play(crew.scenario.post(f"runs/{first.pk}/resume/").json()["id"], "compare")
    third = crew.resume(second)
    assert crew.ran == ["compare"] and third.resumed_from_id == second.pk
    prepare, train = crew.scenario.step(third, "prepare"), crew.scenario.step(third, "train")
    # The result is read where it was written, however long the chain.
    assert prepare.step.reused_from.root_id == first.pk and train.step.reused_from.root_id == second.pk
    assert crew.why(third, "prepare")["compared_with"]["number"] == first.number
    assert prepare.is_adopted and train.is_adopted


def test_an_output_that_is_gone_is_made_again(crew: Crew) -> None:
    source = crew.failed(regenerate_outputs=True)
    row = Output.objects.get(run=crew.scenario.step(source, "prepare"))
    shutil.rmtree(data_dir() / references.relative_root(crew.scenario.workspace, row.datastore) / row.path)
    (line, *_) = crew.scenario.get(f"runs/{source.pk}/resume-preview/").json()["steps"]
    text = "It runs again: the output `data` of run #1 is no longer there."
    assert (line["outcome"], line["text"]) == ("runs", text)
    run = crew.resume(source)
    assert crew.ran == ["prepare", "train", "compare"]
    assert crew.why(run, "prepare")["text"] == text


def test_an_output_that_the_workspace_no_longer_keeps_is_made_again(crew: Crew) -> None:
    source = crew.failed(regenerate_outputs=True)
    # The folder itself may outlive its files.
    Output.objects.filter(run=crew.scenario.step(source, "prepare")).update(removed_at=now())
    crew.resume(source)
    assert crew.ran == ["prepare", "train", "compare"]


def test_an_output_whose_datastore_is_gone_is_made_again(crew: Crew) -> None:
    source = crew.failed(regenerate_outputs=True)
    Output.objects.filter(run=crew.scenario.step(source, "prepare")).update(datastore="gone")
    assert crew.scenario.get(f"runs/{source.pk}/resume-preview/").json()["steps"][0]["outcome"] == "runs"
    crew.resume(source)
    assert crew.ran == ["prepare", "train", "compare"]


def test_a_result_whose_own_run_was_deleted_is_not_adopted(crew: Crew) -> None:
    first = crew.failed(regenerate_outputs=True)
    second = crew.play(crew.scenario.post(f"runs/{first.pk}/resume/").json()["id"], "train")
    delete_run.delete(crew.scenario.context, first)
    run = crew.resume(Run.objects.get(pk=second.pk))
    assert crew.ran == ["prepare", "train", "compare"]
    assert crew.why(run, "prepare")["code"] == "source_gone"


def test_a_run_may_be_deleted_while_its_successor_is_open(crew: Crew) -> None:
    source = crew.failed(regenerate_outputs=True)
    made = crew.scenario.post(f"runs/{source.pk}/resume/").json()["id"]
    delete_run.delete(crew.scenario.context, source)
    assert Run.objects.get(pk=made).resumed_from_id is None


def test_a_canceled_run_is_resumed(crew: Crew) -> None:
    run = Run.objects.get(pk=crew.submit().json()["id"])
    progress.advance(run.pk)
    cancel_run(crew.scenario.context, run)
    made = crew.resume(Run.objects.get(pk=run.pk))
    assert made.status == "Completed" and crew.why(made, "prepare")["text"] == "It was canceled in #1."


# --- before ---


def outcomes(document: Any) -> dict[str, str]:
    return {line["node"]: line["outcome"] for line in document["steps"]}


def test_the_preview_says_what_then_happens(crew: Crew) -> None:
    source = crew.failed("report", graph=crew.graph("prepare -> train -> compare -> report"))
    before = Run.objects.count()
    found = crew.scenario.get(f"runs/{source.pk}/resume-preview/").json()
    assert (found["number"], found["adopted"], found["runs"], found["later"]) == (1, 3, 1, 0)
    assert outcomes(found) == {"prepare": "adopted", "train": "adopted", "compare": "adopted", "report": "runs"}
    assert found["steps"][3]["text"] == "It failed in #1."
    changed = crew.scenario.get(f"runs/{source.pk}/resume-preview/", parameters=json.dumps({"lr": "0.5"})).json()
    assert outcomes(changed) == {"prepare": "adopted", "train": "runs", "compare": "later", "report": "runs"}
    assert changed["steps"][1]["text"] == "It runs: parameter `lr` 0.1 → 0.5 since #1."
    assert changed["steps"][1]["differences"][0]["new"] == 0.5
    assert "what `train` writes, which runs again" in changed["steps"][2]["text"]
    assert Run.objects.count() == before


@pytest.mark.parametrize("changed", ({}, {"lr": "0.5"}))
def test_a_page_of_the_preview_tells_of_its_steps_and_counts_all(crew: Crew, changed: dict[str, str]) -> None:
    source = crew.failed("report", graph=crew.graph("prepare -> train -> compare -> report"))
    path, asked = f"runs/{source.pk}/resume-preview/", {"parameters": json.dumps(changed)}
    whole = crew.scenario.get(path, **asked).json()
    assert whole["next"] is None and sum(each["count"] for each in whole["reasons"]) == 4
    seen: list[dict[str, Any]] = []
    after = ""
    while after is not None:
        page = crew.scenario.get(path, **asked, limit=1, after=after).json()
        # What is only counted is judged as what is told of.
        assert {key: page[key] for key in page if key not in ("steps", "next")} == {
            key: whole[key] for key in whole if key not in ("steps", "next")
        }
        seen += page["steps"]
        after = page["next"]
    assert seen == whole["steps"]
    codes = {line["node"]: line["code"] for line in seen}
    found = ("different", "reads_again") if changed else ("adopted", "adopted")
    assert codes == {"prepare": "adopted", "train": found[0], "compare": found[1], "report": "unfinished"}
    assert crew.scenario.get(path, after="nonsense").status_code == 400


def test_the_preview_costs_the_same_for_two_steps_and_for_a_dozen(crew: Crew) -> None:
    def cost(steps: int) -> int:
        run = crew.failed(
            f"s{steps - 1}", graph=crew.graph(" -> ".join(f"s{n}" for n in range(steps))), regenerate_outputs=True
        )
        fresh = Run.objects.select_related("workspace").get(pk=run.pk)
        with CaptureQueriesContext(connection) as seen:
            found = preview(fresh)
        assert (found.adopted, found.running) == (steps - 1, 1)
        return len(seen)

    assert cost(12) == cost(2) <= 6


def test_adopting_many_steps_costs_no_more_than_adopting_few(crew: Crew) -> None:
    def cost(steps: int) -> int:
        graph = crew.scenario.graph(" -> ".join(f"s{n}" for n in range(steps)))
        *first, last = graph["steps"]
        for each in first:
            each["run_after"] = []
        last["run_after"] = [each["id"] for each in first]
        source = crew.failed(last["id"], graph=graph, regenerate_outputs=True)
        with CaptureQueriesContext(connection) as seen:
            made = crew.scenario.post(f"runs/{source.pk}/resume/").json()["id"]
        assert sum(state == "Completed" for state in states(Run.objects.get(pk=made)).values()) == steps - 1
        crew.play(made)
        return len(seen)

    assert cost(12) == cost(3)


# --- refusals ---


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [("Completed", "nothing_failed", "Submit it again"), ("Running", "not_over", "wait for its end")],
)
def test_a_run_that_need_not_be_resumed_is_not(scenario: Any, status: str, code: str, says: str) -> None:
    run = scenario.pipeline(status=status)
    calls: list[Callable[[], Any]] = [
        lambda: scenario.post(f"runs/{run.pk}/resume/"),
        lambda: scenario.get(f"runs/{run.pk}/resume-preview/"),
        lambda: scenario.post("runs/", {"experiment": "e", "graph": scenario.graph(), "resume_from": str(run.pk)}),
    ]
    for call in calls:
        answer = call()
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)
        assert says in answer.json()["error"]["message"]


def test_only_pipelines_are_resumed_and_only_by_pipelines(scenario: Any) -> None:
    run = scenario.pipeline(status="Failed")
    step = scenario.step(run, "train")
    assert scenario.post(f"runs/{step.pk}/resume/").json()["error"]["code"] == "not_resumable"
    for body in ({"kind": "script", "graph": scenario.graph("a")}, {"kind": "interactive"}):
        answer = scenario.post("runs/", {"experiment": "e", "resume_from": str(run.pk), **body})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_resumable")
    unknown = scenario.post("runs/", {"experiment": "e", "graph": scenario.graph(), "resume_from": str(step.pk)})
    assert unknown.status_code == 400
    lost = "019a0000-0000-7000-8000-000000000001"
    assert (
        scenario.post("runs/", {"experiment": "e", "graph": scenario.graph(), "resume_from": lost}).status_code == 404
    )


def test_parameters_that_do_not_fit_are_refused_before_anything_is_made(scenario: Any) -> None:
    run = scenario.pipeline(graph=scenario.graph("a", parameters=PARAMETERS), status="Failed", parameters={"lr": 0.1})
    before = Run.objects.count()
    for values, code in (({"lr": "fast"}, "wrong_type"), ({"speed": 1}, "undeclared_parameter")):
        assert scenario.post(f"runs/{run.pk}/resume/", {"parameters": values}).json()["error"]["code"] == code
        asked = scenario.get(f"runs/{run.pk}/resume-preview/", parameters=json.dumps(values))
        assert (asked.status_code, asked.json()["error"]["code"]) == (422, code)
    for text in ("{nonsense", "[1]", "3"):
        assert scenario.get(f"runs/{run.pk}/resume-preview/", parameters=text).status_code == 400
    assert Run.objects.count() == before


def test_a_reader_may_look_and_not_resume(scenario: Any) -> None:
    run = scenario.pipeline(status="Failed")
    reader = scenario.member("rea", Role.READER)
    assert reader.get(f"{scenario.base}runs/{run.pk}/resume-preview/").status_code == 200
    assert reader.post(f"{scenario.base}runs/{run.pk}/resume/").status_code == 403
