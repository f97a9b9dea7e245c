"""An agent that waits: its poll looks at the rows when a wake-up comes, and otherwise when it must, never by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async

from compute.models import Host
from compute.services.hosts import digest_of
from core.clock import now
from environments.hooks import build_queued
from environments.models import EnvironmentVersion
from environments.services import builds as environment_builds
from runs.agents import exchange
from runs.models import Attempt
from runs.services.agent_reports import claims
from runs.services.maintenance import ticker
from runs.services.scheduling import placing, wakeups
from studio.handlers import AgentsHandler
from tests.runs.conftest import GIB, KEY, RunScenario
from tests.runs.protocol_messages import answer_to
from workspaces.services.workspaces import create_workspace

pytestmark = pytest.mark.django_db(transaction=True)
LONG = 30.0  # a poll that is not woken answers after this


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The looks at the rows that are over, by whom: what comes after one is not what it saw."""
    seen, look = [], exchange._look

    def counted(host: Host, document: dict[str, Any]) -> Any:
        try:
            return look(host, document)
        finally:
            seen.append(host.name)

    monkeypatch.setattr(exchange, "_look", counted)
    return seen


async def poll(key: str = KEY, **more: Any) -> dict[str, Any]:
    body = {"host": {}, "holding": [], "reports": [], "want": 4, "wait": LONG, **more}
    transport = httpx.ASGITransport(app=AgentsHandler())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=None) as client:
        answer = await client.post("/agent/v1/exchange", json=body, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_poll_looks_once_and_then_when_a_build_wakes_it(scenario: RunScenario, looks: list[str]) -> None:
    waiting = asyncio.create_task(poll())
    await until(lambda: looks)
    await asyncio.sleep(2.5)
    assert looks == ["alpha"]
    build = await sync_to_async(environment_builds.queue_build)("d" * 64, {"python": "3.11", "packages": []})
    (work,) = (await waiting)["work"]
    assert (work["type"], work["build"]) == ("build", str(build.pk))
    assert len(looks) == 2


async def test_a_wakeup_that_is_lost_costs_no_more_than_the_rest_of_the_wait(
    scenario: RunScenario, looks: list[str]
) -> None:
    build_queued.unregister(wakeups.wake_builders)
    try:
        waiting = asyncio.create_task(poll(wait=1))
        await until(lambda: looks)
        await sync_to_async(environment_builds.queue_build)("d" * 64, {"python": "3.11", "packages": []})
        assert (await waiting)["work"] == []
        assert [each["type"] for each in (await poll())["work"]] == ["build"]
    finally:
        build_queued.register(wakeups.wake_builders)


async def test_a_lease_of_which_the_agent_did_not_hear_is_sent_again_without_a_wakeup(
    scenario: RunScenario, looks: list[str]
) -> None:
    attempt = await sync_to_async(
        lambda: scenario.attempt(scenario.step(scenario.pipeline("train"), "train"), status="leased")
    )()
    await Attempt.objects.filter(pk=attempt.pk).aupdate(leased_at=now() - claims.RESEND_AFTER + timedelta(seconds=1))
    (work,) = (await poll())["work"]
    assert (work["attempt"], work["epoch"]) == (str(attempt.pk), attempt.epoch)
    assert 2 <= len(looks) <= 4


async def test_an_agent_that_wants_nothing_is_left_in_peace_over_such_a_lease(
    scenario: RunScenario, looks: list[str]
) -> None:
    attempt = await sync_to_async(
        lambda: scenario.attempt(scenario.step(scenario.pipeline("train"), "train"), status="leased")
    )()
    await Attempt.objects.filter(pk=attempt.pk).aupdate(leased_at=now() - timedelta(minutes=1))
    assert (await poll(want=0, wait=1))["work"] == []
    assert len(looks) == 1


@pytest.mark.parametrize(
    ("status", "age", "held", "seconds"),
    [("leased", 1, False, 2), ("leased", 60, False, 0), ("leased", 1, True, None), ("running", 60, False, None)],
)
def test_when_a_lease_is_sent_again(
    scenario: RunScenario, status: str, age: float, held: bool, seconds: float | None
) -> None:
    attempt = scenario.attempt(scenario.step(scenario.pipeline("train"), "train"), status=status)
    Attempt.objects.filter(pk=attempt.pk).update(leased_at=now() - timedelta(seconds=age))
    found = claims.seconds_to_resend(claims.open_attempts(scenario.host), {attempt.pk} if held else set())
    assert found == (float("inf") if seconds is None else pytest.approx(seconds, abs=0.5))


def test_the_ticker_wakes_what_was_placed_or_given_and_not_heard_of(scenario: RunScenario, woken: list[str]) -> None:
    old = now() - timedelta(minutes=1)
    first = scenario.attempt(scenario.step(scenario.pipeline("train"), "train"), status="leased")
    Attempt.objects.filter(pk=first.pk).update(leased_at=now())
    ticker.wake_for_claims()
    assert woken == []
    Attempt.objects.filter(pk=first.pk).update(leased_at=old)
    ticker.wake_for_claims()
    assert woken == ["alpha"]


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that were woken."""
    names: list[str] = []

    def wake(name: str, *, by_queue: bool) -> None:
        names.append(name)

    monkeypatch.setattr(wakeups, "wake_host", wake)
    return names


def test_a_build_wakes_the_hosts_that_could_take_it(scenario: RunScenario, woken: list[str]) -> None:
    def host(name: str, **facts: Any) -> Host:
        known = {"cores": 1, "memory": GIB, "last_seen_at": now(), **facts}
        return Host.objects.create(name=name, key_digest=digest_of(name), **known)

    Host.objects.update(is_local=True)
    host("ours", workspace=scenario.workspace)
    host("silent", last_seen_at=now() - timedelta(hours=1))
    host("gone", revoked_at=now())

    another = create_workspace(scenario.owner, "another")
    host("theirs", workspace=another.workspace)
    host("snake", facts={"conda": "mamba:1"})
    build = environment_builds.queue_build("e" * 64, {"python": "3.11", "packages": []})
    EnvironmentVersion.objects.create(
        workspace=scenario.workspace, version=1, definition={}, digest="f" * 64, recipe_digest="e" * 64, build=build
    )
    woken.clear()
    wakeups.wake_builders(build.pk)
    assert woken[0] == "alpha" and sorted(woken[1:]) == ["ours", "snake"]
    woken.clear()
    snakes = environment_builds.queue_build("a" * 64, {"conda": {"packages": ["gdal"]}})
    assert woken == ["snake"] and snakes.status == "queued"
    for number in range(10):
        host(f"more{number}")
    woken.clear()
    wakeups.wake_builders(build.pk)
    assert len(woken) == wakeups.MOST_BUILDERS and woken[0] == "alpha"


def test_a_build_that_is_queued_again_rings_again(scenario: RunScenario, woken: list[str]) -> None:
    environment_builds.queue_build("e" * 64, {"python": "3.11", "packages": []})
    environment_builds.take_builds(scenario.host)
    woken.clear()
    environment_builds.give_back_builds(scenario.host)
    assert woken == ["alpha"]


def test_a_host_whose_call_has_been_answered_is_asked_for_again(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its call brings it what is placed meanwhile, so no wake-up comes for it; but only as long as it is answered."""
    hinted: list[str] = []
    monkeypatch.setattr(placing.outbox, "hint", hinted.append)
    with wakeups.without_wakeup_of("alpha"):
        wakeups.wake_host("alpha", by_queue=False)
    assert hinted == []
    answer_to(scenario.host, {"want": 4})
    hinted.clear()
    wakeups.wake_host("alpha", by_queue=False)
    assert hinted == ["host:alpha"]
