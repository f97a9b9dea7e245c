"""The one websocket, through the doors of the web process and a real channel layer."""

# mypy: disallow-untyped-calls=False
from __future__ import annotations

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.sessions.models import Session
from uvicorn.protocols.utils import ClientDisconnected

from core import clock, outbox
from core.models import Event
from tests.socket import PATIENCE, Page
from tests.workspace_scenario import WorkspaceScenario
from workspaces import consumers, live
from workspaces.models import Member, Role
from workspaces.services import members

pytestmark = [pytest.mark.django_db(transaction=True)]


async def test_frames_reach_those_who_subscribed(transactional_db: None) -> None:
    scenario = await sync_to_async(WorkspaceScenario)()
    page = await sync_to_async(Page.of)(scenario.owner)
    assert await page.connect()
    assert await page.say({"subscribe": [{"topic": "list:lab:runs"}], "ping": 1}) == {"pong": 1}
    assert await page.say({"ping": 1}) == {"pong": 1}
    await sync_to_async(outbox.send)("list:lab:runs", {"version": 7})
    assert await page.hear() == {"topic": "list:lab:runs", "version": 7}
    await page.send_text('{"unsubscribe": ["list:lab:runs"]}')
    assert await page.say({"ping": 1}) == {"pong": 1}
    await sync_to_async(outbox.send)("list:lab:runs", {"version": 8})
    assert await page.receive_nothing(timeout=0.3)
    await page.close()


@pytest.mark.parametrize(
    "farewell",
    [RuntimeError("Unexpected ASGI message 'websocket.send', after sending 'websocket.close'."), ClientDisconnected()],
    ids=["closed", "lost"],
)
async def test_a_frame_for_a_page_that_has_just_gone_is_no_error(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, farewell: Exception
) -> None:
    scenario = await sync_to_async(WorkspaceScenario)()
    page = await sync_to_async(Page.of)(scenario.owner)
    await page.connect()
    assert await page.say({"subscribe": [{"topic": "list:lab:runs"}], "ping": 1}) == {"pong": 1}
    assert await page.say({"ping": 1}) == {"pong": 1}
    tried = asyncio.Event()

    async def gone(*_: object, **__: object) -> None:
        tried.set()
        raise farewell

    with monkeypatch.context() as away:
        away.setattr(AsyncWebsocketConsumer, "send", gone)
        await sync_to_async(outbox.send)("list:lab:runs", {"version": 7})
        await asyncio.wait_for(tried.wait(), PATIENCE)
        tried.clear()
        await page.send_text('{"ping": 1}')
        await asyncio.wait_for(tried.wait(), PATIENCE)
    assert not caplog.records
    assert await page.say({"ping": 1}) == {"pong": 1}
    await page.close()


async def test_what_is_not_yours_is_not_there(transactional_db: None) -> None:
    scenario = await sync_to_async(WorkspaceScenario)()
    stranger = await sync_to_async(scenario.person)("mallory", None)
    page = await sync_to_async(Page.of)(stranger)
    assert await page.connect()
    for topic in ("list:lab:runs", "list:lab:secrets", "host:alpha", "nonsense", ""):
        answer = await page.say({"subscribe": [{"topic": topic}]})
        assert answer == {"error": {"code": "not_found", "topic": topic}}
    await page.close()


async def test_a_page_that_was_away_gets_what_it_missed(transactional_db: None) -> None:
    scenario = await sync_to_async(WorkspaceScenario)()
    live.register("tale", lambda user, key: True, live.outbox_frames("tale"))
    for version in (1, 2, 3):
        await sync_to_async(outbox.record)("tale:x", version, {"changes": [version]})
    page = await sync_to_async(Page.of)(scenario.owner)
    await page.connect()
    first = await page.say({"subscribe": [{"topic": "tale:x", "version": 1}]})
    assert first == {"topic": "tale:x", "version": 2, "changes": [2]}
    assert (await page.hear())["version"] == 3
    await sync_to_async(Event.objects.filter(version__lte=2).delete)()
    assert await page.say({"subscribe": [{"topic": "tale:x", "version": 1}]}) == {"topic": "tale:x", "reload": True}
    await page.close()


async def test_nobody_and_foreign_pages_get_no_socket(transactional_db: None) -> None:
    scenario = await sync_to_async(WorkspaceScenario)()
    nobody = await sync_to_async(Page.of)(None)
    assert not await nobody.connect()
    for origin in ("http://evil.example", "http://localhost:9999"):
        page = await sync_to_async(Page.of)(scenario.owner, origin=origin)
        assert not await page.connect()


async def test_nonsense_is_refused_and_the_socket_lives_on(transactional_db: None) -> None:
    scenario = await sync_to_async(WorkspaceScenario)()
    page = await sync_to_async(Page.of)(scenario.owner)
    await page.connect()
    deep = '{"subscribe": ' + "[" * 200 + "]" * 200 + "}"
    texts = (
        "{",
        "[]",
        "7",
        "[" * 30_000,
        '{"a":' * 10_000,
        deep,
        "9" * 5000,
        '{"subscribe": [{}, 7]}',
    )
    for text in (*texts, "x" * (consumers.MOST_BYTES + 1)):
        await page.send_text(text)
        assert (await page.hear())["error"]["code"] == "invalid"
        if text == texts[-1]:
            await page.hear()
    for text in ('{"subscribe": ["list:a\\u0000:runs"]}', '{"subscribe": ["run:\\ud800"]}'):
        await page.send_text(text)
        assert (await page.hear())["error"]["code"] == "not_found"
    for odd in (10**30, -(10**30), True, "1", 0.5, None):
        await page.send_text(json.dumps({"subscribe": [{"topic": "list:lab:runs", "version": odd, "offset": odd}]}))
    assert await page.say({"ping": 1}) == {"pong": 1}
    await page.close()


async def test_a_frame_of_too_many_topics_closes_the_socket_with_the_reason(transactional_db: None) -> None:
    scenario = await sync_to_async(WorkspaceScenario)()
    page = await sync_to_async(Page.of)(scenario.owner)
    await page.connect()
    await page.send_text(json.dumps({"subscribe": [f"run:{number}" for number in range(5_000)]}))
    assert await page.hear() == {"error": {"code": "too_many", "topic": ""}}
    assert (await page.receive_output(PATIENCE)) == {"type": "websocket.close", "code": consumers.AGAINST_RULES}


async def test_a_fault_closes_the_socket_so_that_its_page_comes_back(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = await sync_to_async(WorkspaceScenario)()
    page = await sync_to_async(Page.of)(scenario.owner)
    await page.connect()

    def broken(*_: object) -> bool:
        raise OverflowError("an odd value that nobody thought of")

    monkeypatch.setattr(live, "may_watch", broken)
    await page.send_text(json.dumps({"subscribe": ["list:lab:runs"]}))
    assert (await page.receive_output(PATIENCE)) == {"type": "websocket.close", "code": consumers.FAULT}


async def test_signing_out_closes_the_socket(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "CHECK_EVERY", 0.05)
    scenario = await sync_to_async(WorkspaceScenario)()
    page = await sync_to_async(Page.of)(scenario.owner)
    await page.connect()
    await asyncio.sleep(0.2)
    assert await page.say({"ping": 1}) == {"pong": 1}
    await sync_to_async(Session.objects.all().delete)()
    assert (await page.receive_output(PATIENCE)) == {"type": "websocket.close", "code": consumers.SIGNED_OUT}


async def test_who_leaves_the_workspace_hears_no_more(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "CHECK_EVERY", 0.05)
    scenario = await sync_to_async(WorkspaceScenario)()
    page = await sync_to_async(Page.of)(scenario.owner)
    await page.connect()
    await page.say({"subscribe": [{"topic": "list:lab:runs"}], "ping": 1})
    await sync_to_async(Member.objects.all().delete)()
    assert await page.hear() == {"error": {"code": "not_found", "topic": "list:lab:runs"}}
    await sync_to_async(outbox.send)("list:lab:runs", {"version": 8})
    assert await page.receive_nothing(timeout=0.3)
    await page.close()


async def test_who_is_removed_hears_no_more_from_that_moment_on(transactional_db: None) -> None:
    """Not only at the next look, which comes twice a minute."""
    scenario = await sync_to_async(WorkspaceScenario)()
    bo = await sync_to_async(scenario.person)("bo", Role.READER)
    page = await sync_to_async(Page.of)(bo)
    await page.connect()
    await page.say({"subscribe": [{"topic": "list:lab:runs"}], "ping": 1})
    place = await sync_to_async(Member.objects.get)(user=bo)
    await sync_to_async(members.remove)(scenario.context, place.pk)
    assert await page.hear() == {"error": {"code": "not_found", "topic": "list:lab:runs"}}
    await page.close()


async def test_a_closed_account_loses_its_open_pages(transactional_db: None) -> None:
    scenario = await sync_to_async(WorkspaceScenario)()
    bo = await sync_to_async(scenario.person)("bo", Role.READER)
    page = await sync_to_async(Page.of)(bo)
    await page.connect()
    assert await page.say({"ping": 1}) == {"pong": 1}
    await sync_to_async(members.close_account)("bo")
    assert (await page.receive_output(PATIENCE)) == {"type": "websocket.close", "code": consumers.SIGNED_OUT}


async def test_versions_of_a_list_tell_nothing_of_others(transactional_db: None) -> None:
    scenario = await sync_to_async(WorkspaceScenario)()
    page = await sync_to_async(Page.of)(scenario.owner)
    await page.connect()
    hour = 3_600_000
    before = await sync_to_async(clock.stamp)() - hour // 2
    for version in range(1, 20):
        await sync_to_async(outbox.record)("run:theirs", version, {"changes": []}, lists=("list:theirs:runs",))
    asked = {"subscribe": [{"topic": "list:lab:runs", "version": before}], "ping": 1}
    assert await page.say(asked) == {"pong": 1}
    assert await page.receive_nothing(timeout=0.3), "what happened elsewhere is no reason to look"
    await sync_to_async(outbox.record)("run:mine", 1, {"changes": []}, lists=("list:lab:runs",))
    frame = await page.say(
        {"unsubscribe": ["list:lab:runs"], "subscribe": [{"topic": "list:lab:runs", "version": before}]}
    )
    while "version" not in frame:
        frame = await page.hear()
    assert frame["topic"] == "list:lab:runs" and abs(frame["version"] - await sync_to_async(clock.stamp)()) < hour
    for odd in (-(10**30), 10**30, 0, True):
        await page.send_text(json.dumps({"subscribe": [{"topic": "list:lab:runs", "version": odd}]}))
    while await page.say({"ping": 1}) != {"pong": 1}:
        pass
    await page.close()
