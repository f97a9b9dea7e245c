"""Retries, silence and the proof of a cancel, through the agents' API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from compute.models import Host
from core.clock import now
from core.heartbeats import lease, renew_after
from core.models import Beat
from runs.models import Attempt, Run
from runs.services.maintenance import lease_expiry, unresponsive
from runs.services.orchestration.cancel import cancel_run
from runs.services.scheduling import placing
from runs.services.scheduling.waiting import reasons
from tests.runs.exchange import Agent, agent, cluster, context, states, submit_chain
from workspaces.access import WorkspaceContext

__all__ = ["agent", "cluster", "context"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("cluster")]
PROOF = {"left_over": 0, "signals": ["TERM"], "seconds": 0.12}


def work_of(agent: Agent) -> dict[str, Any]:
    (work,) = agent.say()["work"]
    return dict(work)


def fail(agent: Agent, work: dict[str, Any], cause: str = "user_error") -> list[Any]:
    agent.held.pop(work["attempt"])
    return list(agent.finish(work, exit_code=1, cause=cause, message="ValueError: no")["work"])


def web_is_up() -> None:
    Beat.objects.create(name="web:x", since=now() - timedelta(minutes=5), at=now())


def be_silent(seconds_left: float, host_too: bool = True) -> None:
    """As if the agent had not spoken for so long that this much is left of its leases."""
    Attempt.objects.exclude(status__in=Attempt.ENDS).update(lease_until=now() + timedelta(seconds=seconds_left))
    if host_too:
        Host.objects.update(last_seen_at=now() - timedelta(minutes=2))


def error_of(run: Run) -> dict[str, Any]:
    run.refresh_from_db()
    assert run.error is not None
    return run.error


def test_a_step_is_tried_as_often_as_it_says_and_each_attempt_keeps_its_own_end(
    context: WorkspaceContext, agent: Agent
) -> None:
    run = submit_chain(context, "a -> b", step={"retries": 2})
    work = work_of(agent)
    (work,) = fail(agent, work)
    (work,) = fail(agent, work, "out_of_memory")
    assert states(run)["a"] == "Preparing"
    assert fail(agent, work) == []
    rows = list(Attempt.objects.order_by("number").values_list("number", "status", "cause", "message"))
    assert rows == [
        (1, "failed", "user_error", "ValueError: no"),
        (2, "failed", "out_of_memory", "ValueError: no"),
        (3, "failed", "user_error", "ValueError: no"),
    ]
    assert states(run) == {"a": "Failed", "b": "Skipped"}
    assert error_of(run)["attempt"] == 3


def test_a_retry_that_ends_well_makes_a_step_that_ended_well(context: WorkspaceContext, agent: Agent) -> None:
    run = submit_chain(context, "a -> b", step={"retries": 1})
    (work,) = fail(agent, work_of(agent))
    (following,) = agent.finish(work)["work"]
    agent.finish(following)
    run.refresh_from_db()
    assert (run.status, run.error) == ("Completed", None)


def test_a_delayed_retry_waits_with_a_reason_and_is_placed_when_its_time_comes(
    context: WorkspaceContext, agent: Agent
) -> None:
    run = submit_chain(context, "a", step={"retries": 1, "retry_delay_seconds": 60})
    assert fail(agent, work_of(agent)) == []
    placing.place()
    assert agent.say()["work"] == []
    second = Attempt.objects.get(number=2)
    assert second.not_before == second.queued_at + timedelta(seconds=60)
    assert "retry_delay" in {each.code for each in reasons(second)}
    assert states(run) == {"a": "Queued"}
    Attempt.objects.update(not_before=now())
    placing.place()
    assert work_of(agent)["spec"]["number"] == 2


def test_a_retry_that_waits_can_be_canceled(context: WorkspaceContext, agent: Agent) -> None:
    run = submit_chain(context, "a", step={"retries": 1, "retry_delay_seconds": 60})
    fail(agent, work_of(agent))
    cancel_run(context, run)
    run.refresh_from_db()
    assert (run.status, states(run)) == ("Canceled", {"a": "Canceled"})


def test_missing_data_are_not_tried_again(context: WorkspaceContext, agent: Agent) -> None:
    run = submit_chain(context, "a", step={"retries": 5})
    assert fail(agent, work_of(agent), "data_missing") == []
    assert error_of(run)["cause"] == "data_missing"
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize(("retries", "state"), [(None, "Failed"), (1, "Preparing")])
def test_a_lost_attempt_on_a_living_host_is_tried_again_only_where_the_step_says_so(
    context: WorkspaceContext, agent: Agent, retries: int | None, state: str
) -> None:
    run = submit_chain(context, "a", step={"retries": retries})
    work = work_of(agent)
    agent.held.pop(work["attempt"])
    agent.finish(work, exit_code=None, cause="lost", message="The shim was killed.")
    assert states(run) == {"a": state}
    assert Attempt.objects.get(number=1).cause == "attempt_lost"


def test_a_step_that_may_not_run_twice_says_so_with_no_retries(context: WorkspaceContext, agent: Agent) -> None:
    run = submit_chain(context, "a", step={"retries": 0})
    work_of(agent)
    web_is_up()
    be_silent(-1)
    assert lease_expiry.expire() == 1
    assert error_of(run)["cause"] == "host_lost"


def test_a_verdict_that_comes_twice_makes_one_retry(context: WorkspaceContext, agent: Agent) -> None:
    submit_chain(context, "a", step={"retries": 3})
    work = work_of(agent)
    for _ in range(3):
        agent.finish(work, exit_code=1, cause="user_error")
    assert Attempt.objects.count() == 2


@pytest.mark.parametrize("retries", [None, 3])
def test_a_cancel_ends_a_step_whatever_its_retries_and_says_what_was_left(
    context: WorkspaceContext, agent: Agent, retries: int | None
) -> None:
    run = submit_chain(context, "a", step={"retries": retries})
    work = work_of(agent)
    cancel_run(context, run)
    agent.finish(work, exit_code=None, signal=15, cause="canceled", proof=PROOF)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.proof) == ("canceled", PROOF)
    step = Run.objects.get(parent=run)
    assert error_of(step)["message"] == "Canceled by ana. Ended with TERM in 0.1 s, nothing left running."
    assert error_of(step)["proof"] == PROOF
    run.refresh_from_db()
    assert run.status == "Canceled"


@pytest.mark.parametrize("proof", ["all gone", {"left_over": [], "signals": 3}, {"seconds": "1"}])
def test_a_proof_that_nobody_can_read_is_none(context: WorkspaceContext, agent: Agent, proof: Any) -> None:
    run = submit_chain(context, "a")
    work = work_of(agent)
    cancel_run(context, run)
    assert agent.finish(work, exit_code=None, cause="canceled", proof=proof)["refused"] == []
    assert Attempt.objects.get().proof is None
    assert states(run) == {"a": "Canceled"}


# --- silence ---


def started(context: WorkspaceContext, agent: Agent) -> tuple[Run, dict[str, Any]]:
    run = submit_chain(context, "a")
    work = work_of(agent)
    agent.say({"attempt": work["attempt"], "epoch": 1, "event": "started"})
    return run, work


def test_a_silent_step_is_shown_as_not_responding_and_comes_back_with_its_agents_next_word(
    context: WorkspaceContext, agent: Agent
) -> None:
    run, work = started(context, agent)
    be_silent(1)
    assert unresponsive.note() == 0  # the web itself was away: nobody may be called silent
    web_is_up()
    assert unresponsive.note() == 1
    assert unresponsive.note() == 0
    assert states(run) == {"a": "NotResponding"}
    assert Attempt.objects.get().status == "running"
    agent.say()
    assert states(run) == {"a": "Running"}
    assert unresponsive.note() == 0
    agent.finish(work)
    assert states(run) == {"a": "Completed"}


@pytest.mark.parametrize(
    ("status", "shows"), [("preparing", "Preparing"), ("running", "Running"), ("collecting", "Finalizing")]
)
def test_a_step_that_is_heard_of_again_shows_what_it_did(
    context: WorkspaceContext, agent: Agent, status: str, shows: str
) -> None:
    run, _ = started(context, agent)
    Attempt.objects.update(status=status)
    web_is_up()
    be_silent(1)
    unresponsive.note()
    agent.say()
    assert states(run) == {"a": shows}


def test_a_verdict_after_a_silence_counts(context: WorkspaceContext, agent: Agent) -> None:
    run, work = started(context, agent)
    web_is_up()
    be_silent(1)
    unresponsive.note()
    agent.held.clear()
    agent.finish(work)
    assert states(run) == {"a": "Completed"}


def test_a_silence_that_lasts_ends_in_a_lost_attempt_and_a_retry(context: WorkspaceContext, agent: Agent) -> None:
    run, _ = started(context, agent)
    web_is_up()
    be_silent(1)
    unresponsive.note()
    be_silent(-1)
    assert lease_expiry.expire() == 1
    assert states(run) == {"a": "Queued"}
    assert list(Attempt.objects.order_by("number").values_list("status", "cause")) == [
        ("lost", "host_lost"),
        ("queued", ""),
    ]


def test_a_silent_step_can_be_canceled(context: WorkspaceContext, agent: Agent) -> None:
    run, work = started(context, agent)
    web_is_up()
    be_silent(1)
    unresponsive.note()
    cancel_run(context, run)
    assert states(run) == {"a": "CancelRequested"}
    assert unresponsive.note() == 0
    agent.finish(work, exit_code=None, signal=15, cause="canceled", proof=PROOF)
    assert states(run) == {"a": "Canceled"}


def test_an_agent_that_speaks_is_not_silent(context: WorkspaceContext, agent: Agent) -> None:
    run, _ = started(context, agent)
    web_is_up()
    assert unresponsive.note() == 0
    assert states(run) == {"a": "Running"}


def test_of_two_attempts_of_a_host_one_can_go_silent_alone(context: WorkspaceContext, agent: Agent) -> None:
    """Its agent no longer holds it, so it is lost as an attempt and not as a host."""
    first, second = submit_chain(context, "a"), submit_chain(context, "b")
    works = agent.say()["work"]
    gone = next(each for each in works if each["spec"]["step"] == "a")
    agent.held.pop(gone["attempt"])
    web_is_up()
    be_silent(1, host_too=False)
    agent.say()
    assert unresponsive.note() == 1
    assert (states(first), states(second)) == ({"a": "NotResponding"}, {"b": "Preparing"})
    Attempt.objects.filter(pk=gone["attempt"]).update(lease_until=now() - timedelta(seconds=1))
    assert lease_expiry.expire() == 1
    assert Attempt.objects.get(pk=gone["attempt"]).cause == "attempt_lost"


def test_of_a_host_that_died_after_a_call_which_renewed_some_leases_no_attempt_is_taken_for_lost_alone(
    context: WorkspaceContext, agent: Agent
) -> None:
    """The lease of one attempt was fresh at the last call, and so ends before that of the other, and before the host is silent."""
    run = submit_chain(context, "a")
    gone = work_of(agent)
    web_is_up()
    ended = now() - timedelta(milliseconds=1)
    Attempt.objects.filter(pk=gone["attempt"]).update(lease_until=ended)
    last_call = ended - lease() + renew_after() * 0.9
    Host.objects.filter(pk=agent.host.pk).update(last_seen_at=last_call)
    assert lease_expiry.expire() == 1
    assert Attempt.objects.get(pk=gone["attempt"]).cause == "host_lost"
    assert Attempt.objects.filter(run__parent=run).count() == 2, "a host that is lost is none of the step's faults"


# --- words out of order ---


def test_a_word_that_comes_late_leads_nowhere_back(context: WorkspaceContext, agent: Agent) -> None:
    run, work = started(context, agent)
    agent.say({"attempt": work["attempt"], "epoch": 1, "event": "collecting"})
    agent.say({"attempt": work["attempt"], "epoch": 1, "event": "started"})
    agent.say({"attempt": work["attempt"], "epoch": 1, "event": "preparing"})
    assert states(run) == {"a": "Finalizing"}
    assert Attempt.objects.get().status == "collecting"
