"""A sweep through the agents' API: trials are placed, compared, stopped and replaced, whoever dies meanwhile."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from core.clock import now
from core.errors import Unprocessable
from runs.models import Attempt, Output, Run, Sweep, Trial
from runs.services.orchestration import progress, sweep_looks
from runs.services.orchestration.cancel import cancel_run
from runs.services.submission import submit
from tests.runs.exchange import Agent, agent, cluster, context, graph_of
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.services import tokens

__all__ = ["agent", "cluster", "context"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("cluster")]


def settings_of(**more: Any) -> dict[str, Any]:
    return {
        "sampling": "grid",
        "space": [{"name": "lr", "expression": "choice", "values": [0.1, 0.2, 0.3]}],
        "metric": "loss",
        "goal": "minimize",
        "max_total": 10,
        "max_concurrent": 2,
        "max_minutes": 60,
        "policy": {"kind": "none"},
        **more,
    }


def submitted(context: WorkspaceContext, kind: str = "sweep", chart: str = "tune", **more: Any) -> Run:
    step = more.pop("step", {})
    graph = graph_of(context, chart)
    graph["steps"][0].update({"kind": "sweep", "settings": settings_of(**more), **step})
    run = submit.submit_run(context, experiment="exp", graph=graph, kind=kind)
    progress.advance(run.pk)
    return run


def log(agent: Agent, work: dict[str, Any], *values: float, name: str = "loss") -> None:
    attempt = Attempt.objects.get(pk=work["attempt"])
    lines = b"".join(
        json.dumps({"op": "metric", "name": name, "kind": "scalar", "value": value, "at": now().isoformat()}).encode()
        + b"\n"
        for value in values
    )
    answer = Client(headers={"Authorization": f"Bearer {agent.key}"}).put(
        f"/agent/v1/attempts/{attempt.pk}/{attempt.epoch}/spool?offset={attempt.spool_size}",
        lines, content_type="application/octet-stream",
    )  # fmt: skip
    assert answer.status_code == 200, answer.content


def end(agent: Agent, work: dict[str, Any], **facts: Any) -> list[dict[str, Any]]:
    agent.held.pop(work["attempt"], None)
    return list(agent.finish(work, **facts)["work"])


def trials(run: Run) -> list[tuple[int, str]]:
    return list(Trial.objects.filter(sweep=run.pk).order_by("number").values_list("number", "run__status"))


def api(context: WorkspaceContext) -> Client:
    return Client(headers={"Authorization": f"Bearer {tokens.create(context, 'tests', Role.OWNER).text}"})


def test_trials_are_runs_that_are_placed_like_any_and_the_next_follow(context, agent) -> None:
    run = submitted(context)
    first, second = agent.say()["work"]
    assert [each["spec"]["arguments"] for each in (first, second)] == [["tune", "--lr", "0.1"], ["tune", "--lr", "0.2"]]
    assert trials(run) == [(1, "Preparing"), (2, "Preparing")]
    run.refresh_from_db()
    assert run.status == "Running"
    log(agent, first, 0.9, 0.4)
    (third,) = end(agent, first)
    assert third["spec"]["arguments"][-1] == "0.3"
    assert third["spec"]["variables"]["AZUREML_ROOT_RUN_ID"] == str(run.pk)
    log(agent, second, 0.7)
    end(agent, second)
    assert end(agent, third, exit_code=1, cause="user_error", message="ValueError: no") == []
    run.refresh_from_db()
    assert (run.status, trials(run)) == ("Completed", [(1, "Completed"), (2, "Completed"), (3, "Failed")])
    client, base = api(context), "/api/v1/workspaces/lab/runs/"
    document = client.get(f"{base}{run.pk}/trials/").json()
    assert [(each["hyperparameters"], each["best_primary_metric"], each["logged"]) for each in document["items"]] == [
        ({"lr": 0.1}, 0.4, 2), ({"lr": 0.2}, 0.7, 1), ({"lr": 0.3}, None, 0),
    ]  # fmt: skip
    one = document["items"][0]["run"]
    trial = client.get(f"{base}{one}/").json()
    assert (trial["kind"], trial["parent"], trial["parameters"]) == ("trial", str(run.pk), {"lr": 0.1})
    assert trial["url"].endswith(f"/runs/{one}/")
    assert len(client.get(f"{base}{run.pk}/children/").json()["items"]) == 3
    assert len(client.get(f"{base}{run.pk}/steps/").json()["items"]) == 1
    # The pages: of the sweep with its charts and the buttons of a trial, and of a trial.
    browser = Client()
    browser.force_login(context.user)
    shown = browser.get(f"/w/lab/runs/{run.pk}/?order=metric&by=lr").content.decode()
    assert all(
        text in shown for text in ("3 of at most 10 trials", "Parallel coordinates", "ValueError: no", f"/runs/{one}/")
    )
    assert shown.index("trial-" + one) < shown.index("trial-" + document["items"][1]["run"])
    assert shown.count("<circle") == 4 and 'class="best"' in shown
    assert f"/w/lab/runs/{one}/resubmit/" in shown
    page = browser.get(f"/w/lab/runs/{one}/").content.decode()
    assert '"label": "tune #1"' in page and f"/w/lab/runs/{run.pk}/" in page
    # Of its own, with the same arguments.
    clone = client.post(f"{base}{one}/resubmit/", "{}", content_type="application/json").json()
    assert (clone["kind"], clone["cloned_from"]) == ("script", one)
    (work,) = agent.say()["work"]
    assert work["spec"]["arguments"] == ["tune", "--lr", "0.1"]


def test_a_trial_that_falls_behind_is_stopped_with_a_reason_and_another_starts(context, agent) -> None:
    run = submitted(context, policy={"kind": "bandit", "slack_factor": 0.5, "evaluation_interval": 2})
    first, second = agent.say()["work"]
    log(agent, first, 1.0, 0.5)
    log(agent, second, 0.9)  # no interval yet
    assert agent.say()["cancel"] == []
    log(agent, second, 0.8)
    assert [each["attempt"] for each in agent.say()["cancel"]] == [second["attempt"]]
    stopped = Trial.objects.get(number=2).stopped
    assert stopped["text"] == (
        "Stopped by the bandit policy at interval 2: its best loss was 0.8, the best of 2 trials 0.5, and the limit 0.75."
    )
    (third,) = end(agent, second, canceled=True, cause="canceled")
    assert trials(run) == [(1, "Preparing"), (2, "Canceled"), (3, "Preparing")]
    # One that somebody cancels is counted, too.
    cancel_run(context, Trial.objects.get(number=3).run)
    end(agent, third, canceled=True, cause="canceled")
    end(agent, first)
    run.refresh_from_db()
    assert run.status == "Completed"


def test_what_is_canceled_or_late_stops_its_trials(context, agent) -> None:
    run = submitted(context, max_concurrent=3)
    work = agent.say()["work"]
    assert len(work) == 2  # the third waits for a node
    cancel_run(context, run)
    run.refresh_from_db()
    assert (run.status, trials(run)[2]) == ("CancelRequested", (3, "Canceled"))
    for each in work:
        end(agent, each, canceled=True, cause="canceled")
    run.refresh_from_db()
    assert (run.status, run.error["message"]) == ("Canceled", "Canceled by ana.")
    late = submitted(context)
    (first, _second) = agent.say()["work"]
    log(agent, first, 0.5)
    end(agent, first)
    Sweep.objects.filter(run=late).update(deadline=now() - timedelta(seconds=1))
    sweep_looks.advance_open()
    assert {each["attempt"] for each in agent.say()["cancel"]} == set(agent.held)
    for attempt in list(agent.held):
        epoch = agent.held[attempt]
        end(agent, {"attempt": attempt, "epoch": epoch}, canceled=True, cause="canceled")
    late.refresh_from_db()
    assert late.status == "Completed"
    assert "max_duration_minutes" in Trial.objects.filter(sweep=late.pk).last().stopped["text"]


def test_a_sweep_of_which_no_trial_completes_fails_with_the_first_error(context, agent) -> None:
    run = submitted(context, space=[{"name": "--n", "expression": "choice", "values": ["a b"]}])
    (work,) = agent.say()["work"]
    end(agent, work, exit_code=1, cause="user_error", message="ValueError: no")
    run.refresh_from_db()
    assert run.status == "Failed"
    assert run.error["message"] == "None of the 1 trials completed. Trial 1 failed first: ValueError: no"


@pytest.mark.parametrize("name,words", [("loss", "as a finite number"), ("other", "The trials logged: other.")])
def test_a_sweep_without_a_number_to_compare_says_what_was_logged(context, agent, name: str, words: str) -> None:
    run = submitted(context, space=[{"name": "lr", "expression": "choice", "values": [0.1]}])
    (work,) = agent.say()["work"]
    log(agent, work, float("nan"), name=name)
    end(agent, work)
    run.refresh_from_db()
    assert run.status == "Completed" and words in str(run.warnings), run.warnings


def test_in_a_pipeline_the_next_step_waits_for_it_and_reads_what_it_left(context, agent) -> None:
    graph_more = {
        "outputs": [{"name": "metrics", "kind": "pipeline_data"}],
    }
    graph = graph_of(context, "tune -> use")
    graph["steps"][0].update(
        {"kind": "sweep", "settings": settings_of(made={"metrics": {"kind": "metrics"}}), **graph_more}
    )
    graph["steps"][1]["inputs"] = [{"name": "metrics", "from": {"step": "tune", "output": "metrics"}, "mode": "mount"}]
    run = submit.submit_run(context, experiment="exp", graph=graph)
    progress.advance(run.pk)
    queue = agent.say()["work"]
    while queue and queue[0]["spec"]["step"] != "use":
        work = queue.pop(0)
        assert work["spec"].get("outputs", []) == []
        log(agent, work, 0.5)
        queue += end(agent, work)
    assert [each["spec"]["step"] for each in queue] == ["use"]
    (source,) = queue[0]["spec"]["inputs"]
    assert source["is_file"] is True
    output = Output.objects.get(name="metrics")
    assert output.run.step.node_id == "tune"
    (done,) = Run.objects.filter(root=run, step__node_id="tune")
    assert (done.status, done.step.is_source) == ("Completed", True)
    end(agent, queue[0])
    run.refresh_from_db()
    assert run.status == "Completed"
    # Nothing has changed: the sweep is reused, with all of its trials.
    again = submit.submit_run(context, experiment="exp", graph=graph)
    progress.advance(again.pk)
    assert Run.objects.get(root=again, step__node_id="tune").step.reused_from_id == done.pk


def test_what_cannot_be_a_sweep_is_refused(context) -> None:
    with pytest.raises(Unprocessable, match="A sweep run is a graph of one step"):
        submitted(context, chart="a -> b")
    with pytest.raises(Unprocessable, match="submit it as the kind 'sweep'"):
        submitted(context, kind="script")
    with pytest.raises(Unprocessable, match="there is no sweep of this id"):
        submitted(context, resume_from=["0190f000-0000-7000-8000-000000000000"])
    with pytest.raises(Unprocessable, match="every trial would write its output 'x'"):
        submitted(context, step={"outputs": [{"name": "x", "kind": "file_dataset", "destination": "there"}]})


def test_it_is_submitted_over_rest(context, agent) -> None:
    graph = graph_of(context, "tune")
    graph["steps"][0].update({"kind": "sweep", "settings": settings_of()})
    body = json.dumps({"experiment": "exp", "kind": "sweep", "graph": graph})
    answer = api(context).post("/api/v1/workspaces/lab/runs/", body, content_type="application/json")
    assert answer.status_code == 201, answer.content
    document = answer.json()
    assert (document["kind"], document["step"]["name"]) == ("sweep", "tune")
    assert len(agent.say()["work"]) == 2
