"""A request that waits for its host's wake-up hears it, and outlives a broker that goes away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels.layers import get_channel_layer

from runs.agents import wakeup
from runs.agents.wakeup import Wakeup

WAKEUP = {"type": "wakeup"}
# A wake-up that is not heard fails by the suite's own limit on a test.
FOREVER = 3600


class Failing:
    """A layer that loses its broker at one of its actions."""

    def __init__(self, action: str) -> None:
        self.action, self.true = action, get_channel_layer()

    def __getattr__(self, name: str) -> Any:
        return self.fail if name == self.action else getattr(self.true, name)

    async def fail(self, *given: Any) -> Any:
        raise ConnectionError("Connection refused.")


async def test_a_wakeup_is_heard_also_between_two_waits() -> None:
    layer = get_channel_layer()
    async with Wakeup("host.one") as heard:
        assert await heard.wait(0.01)
        await layer.group_send("host.one", WAKEUP)
        await came(heard)
        assert await heard.wait(FOREVER)
        await layer.group_send("host.one", WAKEUP)
        assert await heard.wait(FOREVER)


async def came(heard: Wakeup) -> None:
    """Wait, between two waits, until a wake-up has come in."""
    assert heard._hearing is not None
    await asyncio.wait({heard._hearing})


@pytest.mark.parametrize("action", ["new_channel", "group_add", "receive"])
async def test_without_a_broker_nothing_is_heard_and_nothing_breaks(
    monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr(wakeup, "get_channel_layer", lambda: Failing(action))
    async with Wakeup("host.two") as heard:
        assert await heard.wait(0.01) is False


async def test_a_broker_that_goes_while_one_listens_is_left_in_peace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "get_channel_layer", lambda: Failing("group_discard"))
    async with Wakeup("host.three") as heard:
        assert await heard.wait(0.01)
