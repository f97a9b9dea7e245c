"""An agent that waits: its poll looks at the rows when a bell rings, and otherwise when it must, never by the clock."""

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
from environments import services as environments
from environments.models import EnvironmentVersion
from runs.agents import exchange
from runs.models import Attempt
from runs.services.agent_reports import claims
from runs.services.maintenance import ticker
from runs.services.scheduling import build_hosts, placing
from studio.handlers import AgentsHandler
from tests.runs.conftest import GIB, KEY, Lab
from workspaces.services.workspaces import create_workspace

pytestmark = pytest.mark.django_db(transaction=True)
LONG = 30.0  # a poll that is not rung for answers after this


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
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_poll_looks_once_and_then_when_a_build_rings_for_it(lab: Lab, looks: list[str]) -> None:
    waiting = asyncio.create_task(poll())
    await until(lambda: looks)
    await asyncio.sleep(2.5)
    assert looks == ["alpha"]
    build = await sync_to_async(environments.queue_build)("d" * 64, {"python": "3.11", "packages": []})
    (work,) = (await waiting)["work"]
    assert (work["type"], work["build"]) == ("build", str(build.pk))
    assert len(looks) == 2


async def test_a_bell_that_is_lost_costs_no_more_than_the_rest_of_the_wait(lab: Lab, looks: list[str]) -> None:
    quiet, environments.on_queued[:] = list(environments.on_queued), []
    try:
        waiting = asyncio.create_task(poll(wait=1))
        await until(lambda: looks)
        await sync_to_async(environments.queue_build)("d" * 64, {"python": "3.11", "packages": []})
        assert (await waiting)["work"] == []
        assert [each["type"] for each in (await poll())["work"]] == ["build"]
    finally:
        environments.on_queued[:] = quiet


async def test_a_lease_of_which_the_agent_did_not_hear_is_sent_again_without_a_bell(lab: Lab, looks: list[str]) -> None:
    attempt = await sync_to_async(lambda: lab.attempt(lab.step(lab.pipeline("train"), "train"), status="leased"))()
    await Attempt.objects.filter(pk=attempt.pk).aupdate(leased_at=now() - claims.RESEND_AFTER + timedelta(seconds=1))
    (work,) = (await poll())["work"]
    assert (work["attempt"], work["epoch"]) == (str(attempt.pk), attempt.epoch)
    assert 2 <= len(looks) <= 4


async def test_an_agent_that_wants_nothing_is_left_in_peace_over_such_a_lease(lab: Lab, looks: list[str]) -> None:
    attempt = await sync_to_async(lambda: lab.attempt(lab.step(lab.pipeline("train"), "train"), status="leased"))()
    await Attempt.objects.filter(pk=attempt.pk).aupdate(leased_at=now() - timedelta(minutes=1))
    assert (await poll(want=0, wait=1))["work"] == []
    assert len(looks) == 1


@pytest.mark.parametrize(
    ("status", "age", "held", "seconds"),
    [("leased", 1, False, 2), ("leased", 60, False, 0), ("leased", 1, True, None), ("running", 60, False, None)],
)
def test_when_a_lease_is_sent_again(lab: Lab, status: str, age: float, held: bool, seconds: float | None) -> None:
    attempt = lab.attempt(lab.step(lab.pipeline("train"), "train"), status=status)
    Attempt.objects.filter(pk=attempt.pk).update(leased_at=now() - timedelta(seconds=age))
    found = claims.seconds_to_resend(claims.open_attempts(lab.host), {attempt.pk} if held else set())
    assert found == (float("inf") if seconds is None else pytest.approx(seconds, abs=0.5))


def test_the_ticker_rings_for_what_was_placed_or_given_and_not_heard_of(lab: Lab, rung: list[str]) -> None:
    old = now() - timedelta(minutes=1)
    first = lab.attempt(lab.step(lab.pipeline("train"), "train"), status="leased")
    Attempt.objects.filter(pk=first.pk).update(leased_at=now())
    ticker.ring_claims()
    assert rung == []
    Attempt.objects.filter(pk=first.pk).update(leased_at=old)
    ticker.ring_claims()
    assert rung == ["alpha"]


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that were rung for."""
    names: list[str] = []

    def ring(name: str, *, by_queue: bool) -> None:
        names.append(name)

    monkeypatch.setattr(placing, "ring_host", ring)
    return names


def test_a_build_rings_for_the_hosts_that_could_take_it(lab: Lab, rung: list[str]) -> None:
    def host(name: str, **facts: Any) -> Host:
        known = {"cores": 1, "memory": GIB, "last_seen_at": now(), **facts}
        return Host.objects.create(name=name, key_digest=digest_of(name), **known)

    Host.objects.update(is_local=True)
    host("ours", workspace=lab.workspace)
    host("silent", last_seen_at=now() - timedelta(hours=1))
    host("gone", revoked_at=now())

    another = create_workspace(lab.owner, "another")
    host("theirs", workspace=another.workspace)
    host("snake", facts={"conda": "mamba:1"})
    build = environments.queue_build("e" * 64, {"python": "3.11", "packages": []})
    EnvironmentVersion.objects.create(
        workspace=lab.workspace, version=1, definition={}, digest="f" * 64, recipe_digest="e" * 64, build=build
    )
    rung.clear()
    build_hosts.ring(build.pk)
    assert rung[0] == "alpha" and sorted(rung[1:]) == ["ours", "snake"]
    rung.clear()
    snakes = environments.queue_build("a" * 64, {"conda": {"packages": ["gdal"]}})
    assert rung == ["snake"] and snakes.status == "queued"
    for number in range(10):
        host(f"more{number}")
    rung.clear()
    build_hosts.ring(build.pk)
    assert len(rung) == build_hosts.MOST and rung[0] == "alpha"


def test_a_build_that_is_queued_again_rings_again(lab: Lab, rung: list[str]) -> None:
    environments.queue_build("e" * 64, {"python": "3.11", "packages": []})
    environments.take_builds(lab.host)
    rung.clear()
    environments.give_back_builds(lab.host)
    assert rung == ["alpha"]


def test_a_host_whose_call_has_been_answered_is_rung_for_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its call brings it what is placed meanwhile, so no bell rings for it; but only as long as it is answered."""
    hinted: list[str] = []
    monkeypatch.setattr(placing.outbox, "hint", hinted.append)
    with placing.talking_to("alpha"):
        placing.ring_host("alpha", by_queue=False)
    assert hinted == []
    exchange.answer_to(lab.host, {"want": 4})
    hinted.clear()
    placing.ring_host("alpha", by_queue=False)
    assert hinted == ["host:alpha"]
