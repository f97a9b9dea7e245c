"""Clusters while steps run: made smaller, nodes removed, deleted; each with an agent at the other end."""

from __future__ import annotations

from typing import Any

import pytest

from compute.models import ComputeTarget, Host, Node
from compute.services import targets
from core.errors import Conflict, NotFound, Unprocessable
from runs.models import Attempt, Run
from runs.services.orchestration import cluster_removal
from runs.services.orchestration.cancel import cancel_run
from runs.services.scheduling import autoscaler, placing
from runs.services.submission import submit
from tests.runs.exchange import Agent, agent, cluster, context, graph_of, states, submit_chain
from workspaces.access import WorkspaceContext
from workspaces.services.workspaces import create_workspace

__all__ = ["agent", "cluster", "context"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def running(agent: Agent) -> dict[str, Any]:
    """The one step that the agent gets, started."""
    (work,) = agent.say()["work"]
    agent.say({"attempt": work["attempt"], "epoch": work["epoch"], "event": "started", "at": "2026-01-01T00:00:00Z"})
    return dict(work)


def stopped(agent: Agent, work: dict[str, Any]) -> None:
    agent.finish(work, exit_code=None, signal=15, cause="canceled", canceled=True)


def test_a_removed_idle_node_is_gone_at_once(context: WorkspaceContext, cluster: ComputeTarget, agent: Agent) -> None:
    ComputeTarget.objects.update(min_nodes=1)
    autoscaler.reconcile_all()
    assert cluster_removal.remove_node(context, "cpu", Node.objects.get().pk) is None
    assert not Node.objects.exists()
    with pytest.raises(NotFound, match="no such node"):
        cluster_removal.remove_node(context, "cpu", cluster.pk)


def test_the_step_of_a_removed_node_is_stopped_and_tried_again(
    context: WorkspaceContext, cluster: ComputeTarget, agent: Agent
) -> None:
    run = submit_chain(context, "a")
    ComputeTarget.objects.update(max_nodes=1)
    work = running(agent)
    node = Node.objects.get()
    left = cluster_removal.remove_node(context, "cpu", node.pk)
    assert left is not None
    assert left.status == "leaving"
    # It holds what it held until its step is gone, and a second removal changes nothing.
    assert cluster_removal.remove_node(context, "cpu", node.pk) is not None
    answer = agent.say()
    assert [each["attempt"] for each in answer["cancel"]] == [work["attempt"]]
    stopped(agent, work)
    first, second = Attempt.objects.order_by("number")
    assert (first.status, first.cause) == ("lost", "node_removed")
    assert f"Node {node.name} on alpha was removed by ana." in first.message
    assert states(run) == {"a": "Queued"}
    assert cluster_removal.drop_left() == 1
    placing.place()
    second.refresh_from_db()
    assert second.node is not None
    assert second.node.pk != node.pk
    agent.finish(running(agent))
    run.refresh_from_db()
    assert run.status == "Completed"


def test_a_step_that_ends_by_itself_before_its_removed_node_is_stopped_counts(
    context: WorkspaceContext, cluster: ComputeTarget, agent: Agent
) -> None:
    run = submit_chain(context, "a")
    work = running(agent)
    cluster_removal.remove_node(context, "cpu", Node.objects.get().pk)
    agent.finish(work)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.cause, attempt.message) == ("completed", "", "")
    run.refresh_from_db()
    assert run.status == "Completed"


def test_a_person_who_cancels_too_has_the_last_word(
    context: WorkspaceContext, cluster: ComputeTarget, agent: Agent
) -> None:
    run = submit_chain(context, "a")
    work = running(agent)
    cluster_removal.remove_node(context, "cpu", Node.objects.get().pk)
    cancel_run(context, run)
    stopped(agent, work)
    run.refresh_from_db()
    assert run.status == "Canceled"
    assert Attempt.objects.count() == 1


def test_a_step_that_no_agent_has_yet_waits_again(
    context: WorkspaceContext, cluster: ComputeTarget, agent: Agent
) -> None:
    submit_chain(context, "a")
    node = Node.objects.get()
    assert cluster_removal.remove_node(context, "cpu", node.pk) is None
    attempt = Attempt.objects.select_related("node").get()
    assert attempt.status == "queued"
    assert attempt.number == 1
    assert attempt.node is not None
    assert attempt.node.pk != node.pk
    assert running(agent)["attempt"] == str(attempt.pk)


def test_a_smaller_cluster_lets_its_steps_finish_and_its_nodes_leave_after_them(
    context: WorkspaceContext, cluster: ComputeTarget, agent: Agent
) -> None:
    for _ in range(2):
        submit_chain(context, "a", step={"allow_reuse": False})
    work = agent.say()["work"]
    assert len(work) == 2
    targets.update_target(context, "cpu", max_nodes=1)
    waiting = submit_chain(context, "a", step={"allow_reuse": False})
    assert agent.finish(work[0])["work"] == []
    assert autoscaler.reconcile_all() == 1
    assert Node.objects.get().status == "running"
    assert states(waiting) == {"a": "Queued"}
    assert len(agent.finish(work[1])["work"]) == 1


def test_a_cluster_in_use_is_only_deleted_with_force_and_goes_after_its_last_step(
    context: WorkspaceContext, cluster: ComputeTarget, agent: Agent
) -> None:
    ComputeTarget.objects.update(max_nodes=1)
    first, second = submit_chain(context, "a -> b"), submit_chain(context, "a", step={"allow_reuse": False})
    work = running(agent)
    with pytest.raises(Conflict, match="1 step runs on it and 1 waits for it") as refused:
        targets.delete_target(context, "cpu")
    assert refused.value.facts == {"running": 1, "waiting": 1}
    assert targets.delete_target(context, "CPU", force=True) is False
    second.refresh_from_db()
    assert (second.status, states(second)) == ("Canceled", {"a": "Canceled"})
    step = Run.objects.get(parent=second)
    assert step.error is not None
    assert step.error["message"] == "Canceled by ana, who deleted the cluster cpu."
    # Nothing new begins on it, nobody can change it, and it stays until its step is really gone.
    with pytest.raises(Unprocessable, match="does not exist"):
        submit.submit_run(context, experiment="exp", graph=graph_of(context, "z"))
    with pytest.raises(Conflict, match="is being deleted"):
        targets.update_target(context, "cpu", max_nodes=3)
    assert cluster_removal.finish_leaving() == 0
    assert [each["attempt"] for each in agent.say()["cancel"]] == [work["attempt"]]
    stopped(agent, work)
    first.refresh_from_db()
    assert states(first)["a"] == "Canceled"
    assert first.is_final
    assert cluster_removal.finish_leaving() == 1
    assert not ComputeTarget.objects.exists()


def test_a_later_step_of_a_cluster_that_is_being_deleted_fails_with_what_to_do(
    context: WorkspaceContext, cluster: ComputeTarget, agent: Agent
) -> None:
    other = ComputeTarget.objects.create(
        workspace=context.workspace, name="gone", vm_size="STANDARD_DS1_V2", cores=1, memory=1, max_nodes=1
    )
    graph = graph_of(context, "a -> b")
    graph["steps"][1]["compute"] = "gone"
    run = submit.submit_run(context, experiment="exp", graph=graph)
    ComputeTarget.objects.filter(pk=other.pk).update(max_nodes=0)
    agent.finish(running(agent))
    run.refresh_from_db()
    assert run.status == "Failed"
    assert run.error is not None
    assert "'gone' was deleted before the step could start" in run.error["message"]


def test_nodes_of_another_workspace_are_not_there(
    context: WorkspaceContext, cluster: ComputeTarget, agent: Agent
) -> None:
    submit_chain(context, "a")
    foreign = create_workspace(context.user, "other")  # type: ignore[arg-type]
    ComputeTarget.objects.create(
        workspace=foreign.workspace, name="cpu", vm_size="STANDARD_DS1_V2", cores=1, memory=1, max_nodes=1
    )
    with pytest.raises(NotFound):
        cluster_removal.remove_node(foreign, "cpu", Node.objects.get().pk)
    assert Host.objects.count() == 1
