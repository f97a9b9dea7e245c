"""Frames are posted without waiting; a broker that is away or stands still costs frames, and nothing else."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from core import frames


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(frames, "publish", lambda messages: found.append(list(messages)) or True)
    monkeypatch.setattr(frames, "_waiting", queue.Queue(3))
    return found


def test_a_process_without_the_thread_sends_at_once(sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_thread", None)
    frames.post("t.a", {"n": 1})
    assert sent == [[("t.a", {"n": 1})]]


def test_what_waits_goes_in_its_order_by_one_call(sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_thread", object())
    for number in range(3):
        frames.post("t.a", {"n": number})
    assert sent == []
    frames._send_waiting()
    assert sent == [[("t.a", {"n": number}) for number in range(3)]]


def test_beyond_its_room_frames_are_dropped_and_nobody_waits(
    sent: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(frames, "_thread", object())
    for number in range(5):
        frames.post("t.a", {"n": number})
    assert frames._waiting.qsize() == 3 and caplog.text.count("was dropped") == 2


def test_a_broker_that_is_away_is_no_error(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    config = {**settings.CHANNEL_LAYERS["default"]["CONFIG"], "hosts": ["redis://127.0.0.1:9/0"]}
    settings.CHANNEL_LAYERS = {"default": {**settings.CHANNEL_LAYERS["default"], "CONFIG": config}}
    frames._client.cache_clear()
    try:
        assert frames.publish([("t.a", {})]) is False and "not sent" in caplog.text
    finally:
        frames._client.cache_clear()
