"""What becomes of attempts when their host is drained, detached, or gone before it fetched them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compute.models import Host, Node
from compute.services import host_maintenance
from core.clock import now
from environments.services import builds as environment_builds
from environments.services import versions as environment_versions
from runs.models import Attempt, Run
from runs.services.maintenance import host_removal
from tests.runs.conftest import RunScenario

pytestmark = pytest.mark.django_db(transaction=True)


def placed(scenario: RunScenario, status: str) -> tuple[Run, Attempt, Node]:
    """An attempt that a host of the workspace has."""
    Host.objects.filter(pk=scenario.host.pk).update(workspace=scenario.workspace)
    run = scenario.step(scenario.pipeline("a"), "a")
    Run.objects.filter(pk=run.pk).update(status="Queued" if status == "queued" else "Running")
    node = Node.objects.create(
        compute_target=scenario.cluster, host=scenario.host, name="n", cores=1, memory=1, status=Node.Status.RUNNING
    )
    leased = {} if status == "queued" else {"epoch": 1, "leased_at": now(), "lease_until": now() + timedelta(minutes=5)}
    attempt = Attempt.objects.create(
        run=run, workspace=scenario.workspace, number=1, status=status, compute_target=scenario.cluster, host=scenario.host, node=node, node_name="n",
        log_size=7, queued_at=now(), **leased,
    )  # fmt: skip
    return run, attempt, node


def test_detaching_loses_what_runs_there_with_the_evidence_and_tries_again(scenario: RunScenario) -> None:
    run, attempt, node = placed(scenario, "running")
    host_maintenance.revoke(scenario.context, "alpha")
    for row in (attempt, node, run):
        row.refresh_from_db()
    assert (attempt.status, attempt.cause) == ("lost", "host_lost")
    assert "alpha was detached at" in attempt.message and "7 bytes of its log" in attempt.message
    assert node.status == Node.Status.IDLE and run.status == Run.Status.QUEUED
    again = Attempt.objects.get(run=run, number=2)
    assert (again.status, again.host) == ("queued", None)
    host_removal.give_up(Host.objects.get())
    assert Attempt.objects.count() == 2


def test_a_build_of_a_detached_host_is_queued_again_at_once(scenario: RunScenario) -> None:
    Host.objects.update(workspace=scenario.workspace)
    environment_versions.resolve(
        scenario.workspace, {"name": "e", "python": {"version": "3.11", "packages": ["numpy"]}}
    )
    (build,) = environment_builds.take_builds(Host.objects.get())
    host_maintenance.revoke(scenario.context, "alpha")
    build.refresh_from_db()
    assert (build.status, build.host_id) == ("queued", None) and "was detached" in build.reason


def test_a_word_from_the_detached_host_changes_nothing(scenario: RunScenario) -> None:
    _, attempt, _ = placed(scenario, "running")
    host_maintenance.revoke(scenario.context, "alpha")
    report = {"attempt": str(attempt.pk), "epoch": 1, "event": "finished", "exit_code": 0}
    answer = scenario.agent.post("/agent/v1/exchange", {"reports": [report]}, content_type="application/json")
    assert answer.status_code == 401
    attempt.refresh_from_db()
    assert attempt.status == "lost"


@pytest.mark.parametrize(
    "gone",
    [
        {"revoked_at": now()},
        {"drained_at": now()},
        {"last_seen_at": now() - timedelta(hours=1)},
    ],
    ids=["detached", "drained", "silent"],
)
def test_what_was_not_fetched_waits_again(scenario: RunScenario, gone: dict[str, object]) -> None:
    run, attempt, node = placed(scenario, "queued")
    assert host_removal.give_back_unfetched() == 0
    Host.objects.update(**gone)
    assert host_removal.give_back_unfetched() == 1
    for row in (attempt, node, run):
        row.refresh_from_db()
    assert (attempt.status, attempt.node, attempt.host, attempt.number) == ("queued", None, None, 1)
    assert node.status == Node.Status.IDLE and run.status == Run.Status.QUEUED
    assert host_removal.give_back_unfetched() == 0


def test_what_runs_on_a_drained_host_goes_on(scenario: RunScenario) -> None:
    _, attempt, _ = placed(scenario, "running")
    host_maintenance.drain(scenario.context, "alpha")
    assert host_removal.give_back_unfetched() == 0
    attempt.refresh_from_db()
    assert attempt.status == "running"
