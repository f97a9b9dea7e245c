"""How runs end by their program, and what is open below them: `complete()`, `fail()`, `cancel()`, child runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from core import slices
from runs.models import Attempt, Run
from runs.services.maintenance import ticker
from runs.services.orchestration import cancel, open_children, run_transaction
from tests.runs.conftest import RunScenario
from tests.runs.exchange import Agent, agent, cluster, context, states, submit_chain
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.services import tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
__all__ = ["agent", "cluster", "context"]  # fixtures


def child_of(scenario: RunScenario, parent: Any) -> str:
    answer = scenario.post("runs/", {"experiment": "e", "kind": "interactive", "parent": str(parent)})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def look(scenario: RunScenario, key: str) -> dict[str, Any]:
    return dict(scenario.get(f"runs/{key}/").json())


def started(context: WorkspaceContext, agent: Agent, chart: str = "a", **step: Any) -> tuple[Run, dict[str, Any], Run]:
    """A pipeline whose first step runs at the agent: root, work, step."""
    root = submit_chain(context, chart, step=step)
    work = next(each for each in agent.say()["work"] if each["type"] == "attempt")
    agent.say({"attempt": work["attempt"], "epoch": work["epoch"], "event": "started"})
    return root, work, Attempt.objects.select_related("run").get(pk=work["attempt"]).run


@pytest.fixture
def agent_scenario(context: WorkspaceContext) -> RunScenario:
    """REST of the workspace of the agent's work."""
    scenario = RunScenario.__new__(RunScenario)
    scenario.context, scenario.workspace, scenario.base = context, context.workspace, "/api/v1/workspaces/lab/"
    scenario.client = scenario.client_for(tokens.create(context, "tests", Role.OWNER).text)
    return scenario


# --- interactive runs ---


@pytest.mark.parametrize(
    ("action", "body", "end", "words"),
    [
        ("complete", {}, "Completed", ""),
        ("fail", {"message": "no data"}, "Failed", "The run above it failed"),
        ("cancel", {}, "Canceled", "Canceled with the run above it."),
    ],
)
def test_what_is_open_below_a_run_ends_with_it(
    scenario: RunScenario, action: str, body: Any, end: str, words: str
) -> None:
    top = scenario.post("runs/", {"experiment": "e", "kind": "interactive"}).json()["id"]
    open_one, done = child_of(scenario, top), child_of(scenario, top)
    grandchild = child_of(scenario, open_one)
    scenario.post(f"runs/{done}/complete/")
    assert scenario.post(f"runs/{top}/{action}/", body).json()["status"] == end
    for key in (open_one, grandchild):
        found = look(scenario, key)
        assert (found["status"], bool(found["finished_at"])) == (end, True)
        assert words in ((found["error"] or {}).get("message") or "")
    assert look(scenario, done)["status"] == "Completed" and look(scenario, done)["error"] is None


def test_a_child_ends_alone_and_takes_only_what_is_below_it(scenario: RunScenario) -> None:
    top = scenario.post("runs/", {"experiment": "e", "kind": "interactive"}).json()["id"]
    first, second = child_of(scenario, top), child_of(scenario, top)
    below_first = child_of(scenario, first)
    scenario.post(f"runs/{first}/fail/", {"message": "fold 1 diverged", "code": "Diverged"})
    assert [look(scenario, key)["status"] for key in (top, first, second, below_first)] == [
        "Running", "Failed", "Running", "Failed",
    ]  # fmt: skip
    assert (look(scenario, first)["error"]["message"], look(scenario, first)["error"]["code"]) == (
        "fold 1 diverged",
        "Diverged",
    )


def test_more_children_than_a_slice_end_by_the_wakeup_or_by_the_ticker(scenario: RunScenario, monkeypatch) -> None:
    monkeypatch.setattr(slices, "SLICE", 3)
    monkeypatch.setattr(
        open_children, "_OF_ONE", open_children.Prepared(lambda parent: open_children._open().filter(parent=parent)[:3])
    )
    for net in (run_transaction.end_left, lambda root: ticker.end_left()):
        top = scenario.post("runs/", {"experiment": "e", "kind": "interactive"}).json()["id"]
        children = [child_of(scenario, top) for _ in range(8)]
        scenario.post(f"runs/{top}/complete/")
        left = [key for key in children if look(scenario, key)["status"] != "Completed"]
        assert len(left) == 5
        net(UUID(top))
        while open_children.left_open():
            net(UUID(top))
        assert {look(scenario, key)["status"] for key in children} == {"Completed"}


def test_the_change_is_told_to_who_watches(scenario: RunScenario) -> None:
    from core.models import Event

    top = scenario.post("runs/", {"experiment": "e", "kind": "interactive"}).json()["id"]
    child = child_of(scenario, top)
    scenario.post(f"runs/{top}/complete/")
    entries = Event.objects.filter(topic=f"run:{top}").order_by("-version")[0].payload["changes"]
    assert {each["run"]: each["status"] for each in entries} == {top: "Completed", child: "Completed"}


# --- steps ---


def test_children_of_a_step_end_with_it(
    agent_scenario: RunScenario, context: WorkspaceContext, agent: Agent, cluster: Any
) -> None:
    root, work, step = started(context, agent)
    child = child_of(agent_scenario, step.pk)
    agent.finish(work)
    assert look(agent_scenario, child)["status"] == "Completed" and states(root)["a"] == "Completed"
    late = agent_scenario.post("runs/", {"experiment": "e", "kind": "interactive", "parent": str(step.pk)})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "is_over")


def test_children_of_an_attempt_that_was_lost_fail_and_the_next_opens_its_own(
    agent_scenario: RunScenario,
    context: WorkspaceContext,
    agent: Agent,
    cluster: Any,
) -> None:
    root, work, step = started(context, agent, retries=1)
    first = child_of(agent_scenario, step.pk)
    (again,) = agent.finish(work, exit_code=1, message="ValueError: x", cause="user_error")["work"]
    assert look(agent_scenario, first)["status"] == "Failed"
    assert "Attempt 1 of the step above it ended" in look(agent_scenario, first)["error"]["message"]
    assert Run.objects.get(pk=step.pk).status == "Preparing"
    second = child_of(agent_scenario, step.pk)
    agent.finish(again)
    assert (look(agent_scenario, first)["status"], look(agent_scenario, second)["status"]) == ("Failed", "Completed")
    assert states(root)["a"] == "Completed"


def test_children_of_a_step_that_failed_or_was_canceled_end_so(
    agent_scenario: RunScenario, context: WorkspaceContext, agent: Agent, cluster: Any
) -> None:
    _, work, step = started(context, agent)
    child = child_of(agent_scenario, step.pk)
    agent.finish(work, exit_code=1, message="ValueError: x", cause="user_error")
    assert (look(agent_scenario, child)["status"], look(agent_scenario, child)["error"]["cause"]) == (
        "Failed",
        "user_error",
    )
    root, work, step = started(context, agent)
    child = child_of(agent_scenario, step.pk)
    below_root = child_of(agent_scenario, root.pk)
    agent_scenario.post(f"runs/{root.pk}/cancel/")
    assert look(agent_scenario, child)["status"] == "Running"  # as long as its script does
    agent.finish(work, cause="canceled", canceled=True)
    assert {look(agent_scenario, key)["status"] for key in (child, below_root)} == {"Canceled"}


def test_a_step_that_says_that_it_failed_has_failed(
    agent_scenario: RunScenario, context: WorkspaceContext, agent: Agent, cluster: Any
) -> None:
    root, work, step = started(context, agent, "a -> b")
    answer = agent_scenario.post(f"runs/{step.pk}/fail/", {"message": "only 3 rows", "code": "TooFew"})
    assert (answer.status_code, answer.json()["status"]) == (200, "Running")  # its script goes on
    agent.finish(work)
    found = look(agent_scenario, str(step.pk))
    assert (found["status"], found["error"]["cause"], found["error"]["message"]) == (
        "Failed",
        "user_error",
        "only 3 rows",
    )
    assert (found["error"]["code"], found["error"]["exit_code"]) == ("TooFew", 0)
    assert states(root) == {"a": "Failed", "b": "Skipped"}
    assert look(agent_scenario, str(root.pk))["error"]["message"] == "only 3 rows"


def test_what_else_ended_the_script_is_not_hidden_by_its_word(
    agent_scenario: RunScenario, context: WorkspaceContext, agent: Agent, cluster: Any
) -> None:
    _, work, step = started(context, agent)
    agent_scenario.post(f"runs/{step.pk}/fail/", {"message": "only 3 rows"})
    agent.finish(
        work,
        exit_code=1,
        cause="user_error",
        message="SystemExit: 1",
        traceback={"file": "a.py", "line": 3, "text": "x"},
    )
    found = look(agent_scenario, str(step.pk))["error"]
    assert (found["message"], found["exit_code"], found["traceback"]["line"]) == ("only 3 rows", 1, 3)
    _, work, step = started(context, agent)
    agent_scenario.post(f"runs/{step.pk}/fail/", {"message": "only 3 rows"})
    agent.finish(work, exit_code=137, cause="out_of_memory", message="The kernel killed the script.")
    found = look(agent_scenario, str(step.pk))["error"]
    assert (found["cause"], found["message"]) == ("out_of_memory", "The kernel killed the script.")
    _, work, step = started(context, agent)
    agent_scenario.post(f"runs/{step.pk}/fail/", {"message": "only 3 rows"})
    agent_scenario.post(f"runs/{step.pk}/cancel/")
    agent.finish(work, cause="canceled", canceled=True)
    assert look(agent_scenario, str(step.pk))["status"] == "Canceled"


def test_a_failure_that_was_said_is_of_its_attempt(
    agent_scenario: RunScenario, context: WorkspaceContext, agent: Agent, cluster: Any
) -> None:
    root, work, step = started(context, agent, retries=1)
    agent_scenario.post(f"runs/{step.pk}/fail/", {"message": "the service was away"})
    (again,) = agent.finish(work)["work"]
    agent.finish(again)
    assert states(root)["a"] == "Completed"


def test_a_run_that_ends_by_itself_is_not_ended_by_a_word(
    agent_scenario: RunScenario, context: WorkspaceContext, agent: Agent, cluster: Any
) -> None:
    root = submit_chain(context, "a -> b")
    waiting = Run.objects.get(root=root, step__node_id="b")
    refused = {
        ("complete", root.pk): "ends_by_itself",
        ("fail", root.pk): "ends_by_itself",
        ("complete", waiting.pk): "ends_by_itself",
        ("fail", waiting.pk): "not_started",
    }
    for (action, key), code in refused.items():
        answer = agent_scenario.post(f"runs/{key}/{action}/", {})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, code), (action, key)
    cancel.cancel_run(context, root)
    over = agent_scenario.post(f"runs/{root.pk}/complete/")
    assert over.status_code == 200 and over.json()["status"] == "Canceled"  # what is over stays as it is


def test_a_step_cancels_itself_and_its_pipeline_by_its_own_token(
    context: WorkspaceContext, agent: Agent, cluster: Any, agent_scenario: RunScenario
) -> None:
    for whom in ("step", "root"):
        root, work, step = started(context, agent, "a -> b")
        own = agent_scenario.client_for(tokens.mint_run_token(context.workspace, step.pk, root.pk, user=context.user))
        key = step.pk if whom == "step" else root.pk
        answer = own.post(f"{agent_scenario.base}runs/{key}/cancel/")
        assert (answer.status_code, answer.json()["status"]) == (200, "CancelRequested")
        assert agent.say()["cancel"]
        agent.finish(work, cause="canceled", canceled=True)
        assert states(root) == {"a": "Canceled", "b": "Skipped" if whom == "step" else "Canceled"}
        assert Run.objects.get(pk=step.pk).cancel_requested_by == f"run {step.pk}"
