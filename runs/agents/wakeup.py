"""Hears a group's wake-up while a request waits. The broker may go at any moment: then nothing is heard, and nothing breaks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Self

from channels.layers import get_channel_layer

DEAF_S = 0.5
log = logging.getLogger(__name__)


class Wakeup:
    """Listening begins on entry, so that whoever looks for work after that misses no wake-up in between."""

    def __init__(self, group: str) -> None:
        self.group, self.layer = group, get_channel_layer()
        self._channel = ""
        self._hearing: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Self:
        try:
            channel = await self.layer.new_channel()
            await self.layer.group_add(self.group, channel)
        except Exception as error:
            log.debug("%s hears no wake-up: %s", self.group, error)
        else:
            self._channel = channel
        return self

    async def wait(self, seconds: float) -> bool:
        """Wait for the wake-up, or until the time is over. False after a short rest when there is nothing to hear it by."""
        if self._channel:
            # One task for many waits: a receive that is canceled would leave its channel.
            self._hearing = self._hearing or asyncio.ensure_future(self.layer.receive(self._channel))
            await asyncio.wait({self._hearing}, timeout=seconds)
            if not self._hearing.done():
                return True
            error, self._hearing = self._hearing.exception(), None
            if error is None:
                return True
            log.debug("%s hears no wake-up: %s", self.group, error)
        await asyncio.sleep(min(seconds, DEAF_S))
        return False

    async def __aexit__(self, *_: object) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait({self._hearing})
        if self._channel:
            with contextlib.suppress(Exception):  # a broker that is away has forgotten us already
                await self.layer.group_discard(self.group, self._channel)
