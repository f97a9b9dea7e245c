"""An agent's conversation, from submit to the end: leases, fences, repeats, cancels. The other end speaks docs/wire.md."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from compute.models import ComputeTarget, Node
from core.clock import iso, now
from environments.services import builds as environment_builds
from runs.models import Attempt, Run
from runs.services.agent_reports import reports
from runs.services.orchestration import progress
from runs.services.orchestration.cancel import cancel_run
from runs.services.submission import submit
from tests.runs.exchange import Agent, agent, cluster, context, graph_of, states, submit_chain
from workspaces.access import WorkspaceContext
from workspaces.models import Role

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["agent", "cluster", "context"]  # fixtures


def test_a_chain_runs_from_claim_to_claim_and_the_finish_brings_the_next_work(context, cluster, agent):
    run = submit_chain(context, "a -> b")
    (work,) = agent.say()["work"]
    assert work["spec"]["script"] == "step.py"
    assert work["spec"]["arguments"] == ["a"]
    agent.say({"attempt": work["attempt"], "epoch": 1, "event": "started", "at": "2026-01-01T00:00:00Z"})
    assert states(run) == {"a": "Running", "b": "NotStarted"}
    (following,) = agent.finish(work)["work"]
    assert following["spec"]["arguments"] == ["b"]
    agent.finish(following)
    run.refresh_from_db()
    assert run.status == "Completed"
    assert states(run) == {"a": "Completed", "b": "Completed"}


def test_a_short_step_tells_its_start_with_its_verdict(context, cluster, agent):
    run = submit_chain(context, "a")
    (work,) = agent.say()["work"]
    start = {"attempt": work["attempt"], "epoch": 1, "event": "started", "at": iso(now())}
    end = {"attempt": work["attempt"], "epoch": 1, "event": "finished", "exit_code": 0}
    agent.say(start, end)
    step = Run.objects.get(parent=run)
    assert step.status == "Completed"
    assert step.created_at < step.started_at <= step.finished_at


def test_a_report_that_comes_twice_changes_nothing(context, cluster, agent):
    run = submit_chain(context, "a")
    (work,) = agent.say()["work"]
    agent.finish(work)
    run.refresh_from_db()
    version = run.version
    assert agent.finish(work)["refused"] == []
    run.refresh_from_db()
    assert run.version == version


def test_a_stale_epoch_is_refused(context, cluster, agent):
    submit_chain(context, "a")
    (work,) = agent.say()["work"]
    answer = agent.say({"attempt": work["attempt"], "epoch": 7, "event": "finished", "exit_code": 0})
    assert [each["code"] for each in answer["refused"]] == ["stale_epoch"]


def test_work_whose_answer_was_lost_is_sent_again_with_the_same_epoch(context, cluster, agent):
    submit_chain(context, "a")
    (work,) = agent.say()["work"]
    agent.held.clear()
    assert agent.say()["work"] == []
    Attempt.objects.update(leased_at=now() - timedelta(seconds=10))
    (again,) = agent.say()["work"]
    assert (again["attempt"], again["epoch"]) == (work["attempt"], work["epoch"])


def test_another_host_may_not_report(context, cluster, agent):
    submit_chain(context, "a")
    (work,) = agent.say()["work"]
    answer = Agent("beta").say({"attempt": work["attempt"], "epoch": 1, "event": "finished", "exit_code": 0})
    assert [each["code"] for each in answer["refused"]] == ["not_found"]


def test_a_failed_step_skips_what_waits_on_it_and_says_so(context, cluster, agent):
    run = submit_chain(context, "a -> b -> c")
    (work,) = agent.say()["work"]
    agent.finish(work, exit_code=3, cause="user_error", message="The script ended with exit code 3.")
    run.refresh_from_db()
    assert run.status == "Failed"
    assert run.error["step"] == "a"
    assert run.error["exit_code"] == 3
    assert states(run) == {"a": "Failed", "b": "Skipped", "c": "Skipped"}


def test_cancel_ends_what_waits_at_once_and_asks_the_agent_for_the_rest(context, cluster, agent):
    run = submit_chain(context, "a -> b")
    (work,) = agent.say()["work"]
    cancel_run(context, run)
    assert states(run) == {"a": "CancelRequested", "b": "Canceled"}
    answer = agent.say()
    assert [each["attempt"] for each in answer["cancel"]] == [work["attempt"]]
    agent.finish(work, exit_code=None, signal=15, cause="canceled")
    run.refresh_from_db()
    assert run.status == "Canceled"
    assert run.cancel_requested_by == "ana"


def test_two_nodes_serve_two_steps_and_the_third_waits_with_a_reason(context, cluster, agent):
    from runs.services.scheduling.waiting import reasons

    graph = graph_of(context, "a")
    graph["steps"] = [{**graph["steps"][0], "id": name, "name": name, "allow_reuse": False} for name in "abc"]
    run = submit.submit_run(context, experiment="exp", graph=graph)
    progress.advance(run.pk)
    assert len(agent.say()["work"]) == 2
    waiting = Attempt.objects.get(status="queued", node__isnull=True)
    full, queue = reasons(waiting)
    assert full.text == "All 2 nodes of cpu are busy: ana on cpu (2 nodes: 2 cores, 2 GiB)."
    assert (full.code, queue.code) == ("cluster_full", "queue")
    assert queue.text == "It is number 1 of 1 in the queue of cpu."


def test_a_cluster_keeps_its_least_number_of_nodes_and_lets_the_others_go(context, cluster, agent):
    from runs.services.scheduling import autoscaler

    ComputeTarget.objects.update(min_nodes=2, max_nodes=3, idle_seconds=60)
    assert autoscaler.reconcile_all() == 2
    assert autoscaler.reconcile_all() == 0
    Node.objects.update(idle_since=now() - timedelta(hours=1))
    assert autoscaler.reconcile_all() == 0
    ComputeTarget.objects.update(min_nodes=1)
    assert autoscaler.reconcile_all() == 1
    assert Node.objects.count() == 1


def test_wakeups_may_be_doubled(context, cluster, agent):
    run = submit_chain(context, "a -> b")
    for _ in range(3):
        progress.advance(run.pk)
    assert Attempt.objects.count() == 1
    assert len(agent.say()["work"]) == 1


def test_a_script_run_is_one_run_and_ends_with_its_script(context, cluster, agent):
    run = submit.submit_run(context, experiment="exp", graph=graph_of(context, "train"), kind="script")
    progress.advance(run.pk)
    (work,) = agent.say()["work"]
    agent.say({"attempt": work["attempt"], "epoch": 1, "event": "started"})
    run.refresh_from_db()
    assert run.status == "Running"
    agent.finish(work)
    run.refresh_from_db()
    assert run.status == "Completed"


def test_every_problem_of_a_graph_is_told_at_once(context, agent):
    graph = graph_of(context, "a -> b")
    graph["steps"][0]["compute"] = "nowhere"
    with pytest.raises(Exception, match="nowhere") as refused:
        submit.submit_run(context, experiment="exp", graph=graph)
    codes = [problem["code"] for problem in refused.value.facts["problems"]]
    assert codes == ["unknown_compute", "unknown_compute"]


def test_a_reader_may_not_submit(context, cluster):
    with pytest.raises(Exception, match="contributor"):
        submit.submit_run(
            WorkspaceContext(context.workspace, Role.READER, user=context.user),
            experiment="exp",
            graph=graph_of(context, "a"),
        )


def test_a_step_waits_for_its_environment_and_fails_with_its_message(context, cluster, agent):
    needs = {"environment": {"name": "mine", "python": {"version": "3.11", "packages": ["no-such-package"]}}}
    run = submit_chain(context, "a -> b", step=needs)
    assert states(run)["a"] == "Preparing"
    (work,) = agent.say()["work"]
    assert work["type"] == "build"
    agent.say(
        {"build": work["build"], "event": "failed", "message": "no-such-package was not found in the package index."}
    )
    run.refresh_from_db()
    assert (run.status, run.error["cause"]) == ("Failed", "environment")
    assert "no-such-package" in run.error["message"]


def test_a_ready_environment_starts_its_steps(context, cluster, agent):
    needs = {"environment": {"name": "mine", "python": {"version": "3.11", "packages": ["numpy"]}}}
    run = submit_chain(context, "a", step=needs)
    (build,) = agent.say()["work"]
    answer = agent.say(
        {"build": build["build"], "event": "ready", "lock": "numpy==1\n", "lock_digest": "d" * 64, "python": "3.11.7"}
    )
    (work,) = answer["work"]
    assert work["spec"]["environment"]["lock"] == "numpy==1\n"
    assert states(run) == {"a": "Preparing"}
    assert environment_builds.take_builds(agent.host) == []


@pytest.mark.parametrize("odd", ["a\0b", "a\ud800b"])
def test_what_a_script_raised_is_taken_even_where_no_database_could_keep_it(context, cluster, agent, odd):
    run = submit_chain(context, "a")
    (work,) = agent.say()["work"]
    trace = {"file": "step.py", "line": 1, "text": f"ValueError: {odd}"}
    agent.finish(work, exit_code=1, cause="user_error", message=odd, traceback=trace, warnings=[odd])
    run.refresh_from_db()
    assert run.status == "Failed"
    assert run.error["message"].startswith("a") and run.error["message"].endswith("b")


def test_a_report_that_cannot_be_taken_does_not_hold_up_the_others(context, cluster, agent):
    run, other = submit_chain(context, "a"), submit_chain(context, "b")
    first, second = agent.say()["work"]
    bad = {"attempt": first["attempt"], "epoch": 1, "event": "finished", "exit_code": "no number"}
    good = {"attempt": second["attempt"], "epoch": 1, "event": "finished", "exit_code": 0}
    assert [each["code"] for each in agent.say(bad, good)["refused"]] == ["studio_fault"]
    other.refresh_from_db()
    assert other.status == "Completed"
    agent.finish(first, exit_code=None, cause="studio_fault", message="The studio could not take it.")
    run.refresh_from_db()
    assert run.error["cause"] == "studio_fault"


@pytest.mark.parametrize(
    "fault",
    [
        OSError(36, "File name too long"),
        RecursionError("too deep"),
        MemoryError(),
        AttributeError("no"),
        IntegrityError(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_whatever_one_report_raises_costs_no_other(context, cluster, agent, monkeypatch, fault):
    submit_chain(context, "a")
    other = submit_chain(context, "b")
    first, second = agent.say()["work"]
    finish = reports.finishing.finish

    def failing(attempt, report):
        if str(attempt.pk) == first["attempt"]:
            raise fault
        finish(attempt, report)

    monkeypatch.setattr(reports.finishing, "finish", failing)
    found = [{"attempt": each["attempt"], "epoch": 1, "event": "finished", "exit_code": 0} for each in (first, second)]
    (refused,) = agent.say(*found)["refused"]
    assert (refused["attempt"], refused["code"]) == (first["attempt"], "studio_fault")
    assert refused["message"].startswith(type(fault).__name__)
    other.refresh_from_db()
    assert other.status == "Completed"


def test_data_that_went_between_submit_and_start_fail_the_step(context, cluster, agent, monkeypatch):
    monkeypatch.setattr(submit, "AT_ONCE", 0)
    import io

    from datasets.services.datastores import delete_file, put_file
    from datasets.services.versions import save

    put_file(context, "workspaceblobstore", "raw/a.csv", io.BytesIO(b"a"), overwrite=True)
    version = save(context, None, "file", {"sources": [{"datastore": "workspaceblobstore", "path": "raw/*.csv"}]})
    inputs = [{"name": "raw", "from": {"dataset": str(version.pk)}, "mode": "mount"}]
    run = submit.submit_run(context, experiment="exp", graph=graph_of(context, "a -> b", inputs=inputs))
    delete_file(context, "workspaceblobstore", "raw/a.csv")
    progress.advance(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error["cause"]) == ("Failed", "data_missing")
    assert states(run) == {"a": "Failed", "b": "Skipped"}


def test_a_step_is_told_its_network_and_what_its_container_may(
    context: Any, cluster: ComputeTarget, agent: Agent
) -> None:
    ComputeTarget.objects.update(network="studio", container_options={"pids_limit": 100})
    docker = {"image": "mine:1", "shm_size": "2g", "arguments": ["--env=A=1"]}
    needs = {"environment": {"name": "mine", "python": {"user_managed": True}, "docker": docker}}
    submit_chain(context, "a", step=needs)
    (work,) = agent.say()["work"]
    spec = work["spec"]
    assert (spec["launcher"], spec["network"]) == ("process", "studio")
    assert spec["container"] == {
        "base_image": "mine:1",
        "base_dockerfile": None,
        "arguments": ["--shm-size", "2g", "--env=A=1"],
        "options": {"pids_limit": 100},
    }
