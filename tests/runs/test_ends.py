"""How runs end by their program, and what is open below them: `complete()`, `fail()`, `cancel()`, child runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from core import slices
from runs.models import Attempt, Run
from runs.services.maintenance import ticker
from runs.services.orchestration import cancel, open_children, run_transaction
from tests.runs.conftest import Lab
from tests.runs.exchange import Agent, agent, cluster, context, states, submit_chain
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.services import tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
__all__ = ["agent", "cluster", "context"]  # fixtures


def child_of(lab: Lab, parent: Any) -> str:
    answer = lab.post("runs/", {"experiment": "e", "kind": "interactive", "parent": str(parent)})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def look(lab: Lab, key: str) -> dict[str, Any]:
    return dict(lab.get(f"runs/{key}/").json())


def started(context: WorkspaceContext, agent: Agent, chart: str = "a", **step: Any) -> tuple[Run, dict[str, Any], Run]:
    """A pipeline whose first step runs at the agent: root, work, step."""
    root = submit_chain(context, chart, step=step)
    work = next(each for each in agent.say()["work"] if each["type"] == "attempt")
    agent.say({"attempt": work["attempt"], "epoch": work["epoch"], "event": "started"})
    return root, work, Attempt.objects.select_related("run").get(pk=work["attempt"]).run


@pytest.fixture
def door(context: WorkspaceContext) -> Lab:
    """The REST door to the workspace of the agent's work."""
    lab = Lab.__new__(Lab)
    lab.context, lab.workspace, lab.base = context, context.workspace, "/api/v1/workspaces/lab/"
    lab.client = lab.door(tokens.create(context, "tests", Role.OWNER).text)
    return lab


# --- interactive runs ---


@pytest.mark.parametrize(
    ("deed", "body", "end", "words"),
    [
        ("complete", {}, "Completed", ""),
        ("fail", {"message": "no data"}, "Failed", "The run above it failed"),
        ("cancel", {}, "Canceled", "Canceled with the run above it."),
    ],
)
def test_what_is_open_below_a_run_ends_with_it(lab: Lab, deed: str, body: Any, end: str, words: str) -> None:
    top = lab.post("runs/", {"experiment": "e", "kind": "interactive"}).json()["id"]
    open_one, done = child_of(lab, top), child_of(lab, top)
    grandchild = child_of(lab, open_one)
    lab.post(f"runs/{done}/complete/")
    assert lab.post(f"runs/{top}/{deed}/", body).json()["status"] == end
    for key in (open_one, grandchild):
        found = look(lab, key)
        assert (found["status"], bool(found["finished_at"])) == (end, True)
        assert words in ((found["error"] or {}).get("message") or "")
    assert look(lab, done)["status"] == "Completed" and look(lab, done)["error"] is None


def test_a_child_ends_alone_and_takes_only_what_is_below_it(lab: Lab) -> None:
    top = lab.post("runs/", {"experiment": "e", "kind": "interactive"}).json()["id"]
    first, second = child_of(lab, top), child_of(lab, top)
    below_first = child_of(lab, first)
    lab.post(f"runs/{first}/fail/", {"message": "fold 1 diverged", "code": "Diverged"})
    assert [look(lab, key)["status"] for key in (top, first, second, below_first)] == [
        "Running", "Failed", "Running", "Failed",
    ]  # fmt: skip
    assert (look(lab, first)["error"]["message"], look(lab, first)["error"]["code"]) == ("fold 1 diverged", "Diverged")


def test_more_children_than_a_slice_end_by_the_bell_or_by_the_ticker(lab: Lab, monkeypatch) -> None:
    monkeypatch.setattr(slices, "SLICE", 3)
    monkeypatch.setattr(
        open_children, "_OF_ONE", open_children.Prepared(lambda parent: open_children._open().filter(parent=parent)[:3])
    )
    for net in (run_transaction.end_left, lambda root: ticker.end_left()):
        top = lab.post("runs/", {"experiment": "e", "kind": "interactive"}).json()["id"]
        children = [child_of(lab, top) for _ in range(8)]
        lab.post(f"runs/{top}/complete/")
        left = [key for key in children if look(lab, key)["status"] != "Completed"]
        assert len(left) == 5
        net(UUID(top))
        while open_children.left_open():
            net(UUID(top))
        assert {look(lab, key)["status"] for key in children} == {"Completed"}


def test_the_change_is_told_to_who_watches(lab: Lab) -> None:
    from core.models import Event

    top = lab.post("runs/", {"experiment": "e", "kind": "interactive"}).json()["id"]
    child = child_of(lab, top)
    lab.post(f"runs/{top}/complete/")
    entries = Event.objects.filter(topic=f"run:{top}").order_by("-version")[0].payload["changes"]
    assert {each["run"]: each["status"] for each in entries} == {top: "Completed", child: "Completed"}


# --- steps ---


def test_children_of_a_step_end_with_it(door: Lab, context: WorkspaceContext, agent: Agent, cluster: Any) -> None:
    root, work, step = started(context, agent)
    child = child_of(door, step.pk)
    agent.finish(work)
    assert look(door, child)["status"] == "Completed" and states(root)["a"] == "Completed"
    late = door.post("runs/", {"experiment": "e", "kind": "interactive", "parent": str(step.pk)})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "is_over")


def test_children_of_an_attempt_that_was_lost_fail_and_the_next_opens_its_own(
    door: Lab,
    context: WorkspaceContext,
    agent: Agent,
    cluster: Any,
) -> None:
    root, work, step = started(context, agent, retries=1)
    first = child_of(door, step.pk)
    (again,) = agent.finish(work, exit_code=1, message="ValueError: x", cause="user_error")["work"]
    assert look(door, first)["status"] == "Failed"
    assert "Attempt 1 of the step above it ended" in look(door, first)["error"]["message"]
    assert Run.objects.get(pk=step.pk).status == "Preparing"
    second = child_of(door, step.pk)
    agent.finish(again)
    assert (look(door, first)["status"], look(door, second)["status"]) == ("Failed", "Completed")
    assert states(root)["a"] == "Completed"


def test_children_of_a_step_that_failed_or_was_canceled_end_so(
    door: Lab, context: WorkspaceContext, agent: Agent, cluster: Any
) -> None:
    _, work, step = started(context, agent)
    child = child_of(door, step.pk)
    agent.finish(work, exit_code=1, message="ValueError: x", cause="user_error")
    assert (look(door, child)["status"], look(door, child)["error"]["cause"]) == ("Failed", "user_error")
    root, work, step = started(context, agent)
    child = child_of(door, step.pk)
    below_root = child_of(door, root.pk)
    door.post(f"runs/{root.pk}/cancel/")
    assert look(door, child)["status"] == "Running"  # as long as its script does
    agent.finish(work, cause="canceled", canceled=True)
    assert {look(door, key)["status"] for key in (child, below_root)} == {"Canceled"}


def test_a_step_that_says_that_it_failed_has_failed(
    door: Lab, context: WorkspaceContext, agent: Agent, cluster: Any
) -> None:
    root, work, step = started(context, agent, "a -> b")
    told = door.post(f"runs/{step.pk}/fail/", {"message": "only 3 rows", "code": "TooFew"})
    assert (told.status_code, told.json()["status"]) == (200, "Running")  # its script goes on
    agent.finish(work)
    found = look(door, str(step.pk))
    assert (found["status"], found["error"]["cause"], found["error"]["message"]) == (
        "Failed",
        "user_error",
        "only 3 rows",
    )
    assert (found["error"]["code"], found["error"]["exit_code"]) == ("TooFew", 0)
    assert states(root) == {"a": "Failed", "b": "Skipped"}
    assert look(door, str(root.pk))["error"]["message"] == "only 3 rows"


def test_what_else_ended_the_script_is_not_hidden_by_its_word(
    door: Lab, context: WorkspaceContext, agent: Agent, cluster: Any
) -> None:
    _, work, step = started(context, agent)
    door.post(f"runs/{step.pk}/fail/", {"message": "only 3 rows"})
    agent.finish(
        work,
        exit_code=1,
        cause="user_error",
        message="SystemExit: 1",
        traceback={"file": "a.py", "line": 3, "text": "x"},
    )
    found = look(door, str(step.pk))["error"]
    assert (found["message"], found["exit_code"], found["traceback"]["line"]) == ("only 3 rows", 1, 3)
    _, work, step = started(context, agent)
    door.post(f"runs/{step.pk}/fail/", {"message": "only 3 rows"})
    agent.finish(work, exit_code=137, cause="out_of_memory", message="The kernel killed the script.")
    found = look(door, str(step.pk))["error"]
    assert (found["cause"], found["message"]) == ("out_of_memory", "The kernel killed the script.")
    _, work, step = started(context, agent)
    door.post(f"runs/{step.pk}/fail/", {"message": "only 3 rows"})
    door.post(f"runs/{step.pk}/cancel/")
    agent.finish(work, cause="canceled", canceled=True)
    assert look(door, str(step.pk))["status"] == "Canceled"


def test_a_failure_that_was_said_is_of_its_attempt(
    door: Lab, context: WorkspaceContext, agent: Agent, cluster: Any
) -> None:
    root, work, step = started(context, agent, retries=1)
    door.post(f"runs/{step.pk}/fail/", {"message": "the service was away"})
    (again,) = agent.finish(work)["work"]
    agent.finish(again)
    assert states(root)["a"] == "Completed"


def test_a_run_that_ends_by_itself_is_not_ended_by_a_word(
    door: Lab, context: WorkspaceContext, agent: Agent, cluster: Any
) -> None:
    root = submit_chain(context, "a -> b")
    waiting = Run.objects.get(root=root, step__node_id="b")
    refused = {
        ("complete", root.pk): "ends_by_itself",
        ("fail", root.pk): "ends_by_itself",
        ("complete", waiting.pk): "ends_by_itself",
        ("fail", waiting.pk): "not_started",
    }
    for (deed, key), code in refused.items():
        answer = door.post(f"runs/{key}/{deed}/", {})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, code), (deed, key)
    cancel.cancel_run(context, root)
    over = door.post(f"runs/{root.pk}/complete/")
    assert over.status_code == 200 and over.json()["status"] == "Canceled"  # what is over stays as it is


def test_a_step_cancels_itself_and_its_pipeline_by_its_own_token(
    context: WorkspaceContext, agent: Agent, cluster: Any, door: Lab
) -> None:
    for whom in ("step", "root"):
        root, work, step = started(context, agent, "a -> b")
        own = door.door(tokens.mint_run_token(context.workspace, step.pk, root.pk, user=context.user))
        key = step.pk if whom == "step" else root.pk
        answer = own.post(f"{door.base}runs/{key}/cancel/")
        assert (answer.status_code, answer.json()["status"]) == (200, "CancelRequested")
        assert agent.say()["cancel"]
        agent.finish(work, cause="canceled", canceled=True)
        assert states(root) == {"a": "Canceled", "b": "Skipped" if whom == "step" else "Canceled"}
        assert Run.objects.get(pk=step.pk).cancel_requested_by == f"run {step.pk}"
