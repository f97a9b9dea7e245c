"""A step that nothing has changed is not run again, and says why."""

from __future__ import annotations

import pytest

from runs.models import Run
from runs.services.submission import submit
from tests.runs.exchange import agent, cluster, context, graph_of, states, submit_chain

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["agent", "cluster", "context"]  # fixtures


def test_a_second_submit_is_reused_and_says_why(context, cluster, agent):
    first = submit_chain(context, "a -> b")
    agent.finish(agent.finish(agent.say()["work"][0])["work"][0])
    second = submit_chain(context, "a -> b")
    second.refresh_from_db()
    assert second.status == "Completed"
    step = Run.objects.select_related("step").get(parent=second, step__node_id="a")
    assert step.step.reused_from.root_id == first.pk
    assert step.step.reuse_explanation["reused"] is True
    assert step.properties["azureml.isreused"] == "true"
    assert agent.say()["work"] == []


def test_a_changed_argument_is_named_when_a_step_is_not_reused(context, cluster, agent):
    submit_chain(context, "a", step={"arguments": ["--lr", "0.1"]})
    agent.finish(agent.say()["work"][0])
    second = submit_chain(context, "a", step={"arguments": ["--lr", "0.2"]})
    step = Run.objects.select_related("step").get(parent=second)
    assert "`--lr` 0.1 → 0.2" in step.step.reuse_explanation["text"]


def test_forced_runs_run_again_and_are_no_source(context, cluster, agent):
    submit_chain(context, "a", regenerate_outputs=True)
    agent.finish(agent.say()["work"][0])
    second = submit_chain(context, "a")
    assert states(second) == {"a": "Queued"}


def test_reuse_costs_a_constant_and_one_query_a_step(context, cluster, agent, django_assert_max_num_queries):
    chart = " -> ".join(f"s{i}" for i in range(20))
    submit_chain(context, chart)
    work = agent.say()["work"]
    while work:
        work = agent.finish(work[0])["work"]
    graph = graph_of(context, chart)
    with django_assert_max_num_queries(31 + 20):
        run = submit.submit_run(context, experiment="exp", graph=graph)
    run.refresh_from_db()
    assert run.status == "Completed"
