"""What is to be known of an environment stands on the steps that run in it, and once on their run."""

from __future__ import annotations

from typing import Any

import pytest

from environments.services import curated
from runs.models import Attempt, Run
from tests.runs.exchange import Agent, agent, cluster, context, submit_chain
from workspaces.access import WorkspaceContext

__all__ = ["agent", "cluster", "context"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("cluster")]
OTHER = "Python 3.8 is not on this host; Python 3.11.7 is used."
UNUSED = "'--pre' is not used: the studio has a package index of its own."
OLD = {"python": {"version": "3.8", "packages": ["six"], "unused": [UNUSED]}}


def built(agent: Agent, **facts: Any) -> list[dict[str, Any]]:
    """The work that follows from the one build that waits."""
    (build,) = (each for each in agent.say()["work"] if each["type"] == "build")
    report = {"build": build["build"], "event": "ready", "lock": "six==1.16.0\n", "python": "3.11.7", **facts}
    return [each for each in (*agent.say(report)["work"], *agent.say()["work"]) if each["type"] == "attempt"]


def warnings(run: Run) -> dict[str, Any]:
    return dict(Run.objects.filter(parent=run).values_list("step__node_id", "warnings"))


def test_another_python_is_a_warning_of_each_step_and_once_of_the_run(context: WorkspaceContext, agent: Agent) -> None:
    run = submit_chain(context, "a -> b", step={"environment": OLD})
    (work,) = built(agent, warnings=[OTHER])
    assert warnings(run) == {"a": [OTHER, UNUSED], "b": []}, "as soon as it is known"
    (work,) = agent.finish(work, warnings=["The script ended without writing its output 'x'."])["work"]
    agent.finish(work)
    problems = warnings(run)
    assert problems["a"] == [OTHER, UNUSED, "The script ended without writing its output 'x'."]
    assert problems["b"] == [OTHER, UNUSED]
    run.refresh_from_db()
    assert (run.status, run.warnings) == ("Completed", [OTHER, UNUSED])
    assert run.root_id == run.pk


def test_a_reused_step_and_a_further_attempt_tell_it_too(context: WorkspaceContext, agent: Agent) -> None:
    submit_chain(context, "a", step={"environment": OLD, "retries": 1})
    (work,) = built(agent, warnings=[OTHER])
    (work,) = agent.finish(work, exit_code=1, cause="user_error", message="no")["work"]
    assert list(Attempt.objects.order_by("number").values_list("warnings", flat=True)) == [[OTHER, UNUSED]] * 2
    agent.finish(work)
    again = submit_chain(context, "a", step={"environment": OLD, "retries": 1})
    again.refresh_from_db()
    assert (again.status, again.warnings) == ("Completed", [OTHER, UNUSED])
    assert warnings(again) == {"a": [OTHER, UNUSED]}


def test_the_failure_of_a_build_tells_it_too(context: WorkspaceContext, agent: Agent) -> None:
    run = submit_chain(context, "a -> b", step={"environment": OLD})
    assert built(agent, event="failed", message=f"No. {OTHER}", warnings=[OTHER]) == []
    run.refresh_from_db()
    assert (run.status, run.warnings) == ("Failed", [OTHER, UNUSED])
    assert warnings(run) == {"a": [OTHER, UNUSED], "b": []}
    assert run.error is not None and OTHER in run.error["message"]


def test_what_stands_in_for_one_of_azures_is_told_at_the_submit_and_by_the_step(
    context: WorkspaceContext, agent: Agent
) -> None:
    azures = {"name": "AzureML-sklearn-0.24-ubuntu18.04-py37-cpu", "version": "5"}
    run = submit_chain(context, "a -> b", step={"environment": azures})
    (found,) = run.warnings
    assert "takes its place: 'AzureML-sklearn-1.2' (Python 3.11, numpy 1.23.5" in found["text"]
    assert found["code"] == "curated_instead"
    assert built(agent, lock=curated.locks()["AzureML-sklearn-1.2"]["3.11"])
    assert warnings(run)["a"] == [found]
    run.refresh_from_db()
    assert run.warnings == [found]
