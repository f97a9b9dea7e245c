"""The one websocket of a page: it subscribes to topics, and gets their frames as they are."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings

from core.frames import group_of
from core.text import cleaned, is_deep
from workspaces import live
from workspaces.models import User
from workspaces.services import members

log = logging.getLogger(__name__)

MOST_TOPICS = 200
MOST_BYTES = 64 * 1024
# Of versions and offsets; no database compares with a larger number.
LARGEST = 1 << 62
# Sign-out and a lost membership close what they opened within this many seconds.
CHECK_EVERY = 30.0
# 1008: what was asked is against the rules; 1011: a fault of ours; 1013: the broker is away.
SIGNED_OUT, AGAINST_RULES, FAULT, TRY_LATER = 4401, 1008, 1011, 1013


class WorkspaceConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Carries what the page subscribes to. Each topic is authorised on its own; the rest is denied."""

    user: User
    topics: set[str]
    check: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        user = self.scope.get("user")
        self.topics = set()
        if not isinstance(user, User) or not user.is_active or not self._is_own_page():
            await self.close(SIGNED_OUT)
            return
        self.user = user
        await self.accept()
        with contextlib.suppress(Exception):  # a broker that is away: the check comes by time alone
            await self.channel_layer.group_add(members.group_of(user), self.channel_name)
        self.check = asyncio.create_task(self._keep_checking())

    async def disconnect(self, code: int) -> None:
        if self.check is not None:
            self.check.cancel()
        for topic in self.topics:
            await self._leave(topic)
        if hasattr(self, "user"):
            with contextlib.suppress(Exception):
                await self.channel_layer.group_discard(members.group_of(self.user), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        if text_data is None or len(text_data) > MOST_BYTES:
            await self._refuse("invalid", "")
            return
        try:
            content = json.loads(text_data)
        except (ValueError, RecursionError):
            content = None
        content = None if is_deep(content) else cleaned(content)
        if not isinstance(content, dict):
            await self._refuse("invalid", "")
            return
        try:
            await self.receive_json(content)
        except Exception:  # the page comes back by itself; a socket that is open but deaf it would not notice
            log.exception("a frame of a page could not be answered")
            await self.close(FAULT)

    async def receive_json(self, content: dict[str, Any], **kwargs: Any) -> None:
        leaving, joining = _list(content.get("unsubscribe")), _list(content.get("subscribe"))
        if len(leaving) + len(joining) > MOST_TOPICS:
            await self._refuse("too_many", "")
            await self.close(AGAINST_RULES)
            return
        if content.get("ping"):
            await self.send_json({"pong": 1})
        for asked in leaving:
            await self._unsubscribe(str(asked))
        for asked in joining:
            await self._subscribe(asked if isinstance(asked, dict) else {"topic": asked})

    async def frame(self, event: dict[str, Any]) -> None:
        """From the channel layer. Group names are a squeezed spelling of topics, so the topic decides."""
        if event["frame"].get("topic") in self.topics:
            await self.send_json(event["frame"])

    async def recheck(self, event: dict[str, Any]) -> None:
        """From the channel layer: this person has lost rights just now."""
        await self._check()

    async def send_json(self, content: Any, close: bool = False) -> None:
        """A page may go at any moment, with its farewell still to be read: what is sent then is sent to nobody.

        Servers say so in two ways: a closed state machine (RuntimeError), and a lost connection (OSError).
        """
        with contextlib.suppress(RuntimeError, OSError):
            await super().send_json(content, close)

    async def _subscribe(self, asked: dict[str, Any]) -> None:
        topic = asked.get("topic")
        if not isinstance(topic, str):
            await self._refuse("invalid", "")
            return
        topic = topic[:200]
        if len(self.topics) >= MOST_TOPICS and topic not in self.topics:
            await self._refuse("too_many", topic)
            return
        if not await database_sync_to_async(live.may_watch)(self.user, topic):
            await self._refuse("not_found", topic)
            return
        # First the group, then the outbox: a change in between comes twice rather than never.
        if topic not in self.topics and not await self._join(topic):
            return
        for frame in await database_sync_to_async(live.catch_up)(topic, _known(asked)):
            await self.send_json(frame)

    async def _join(self, topic: str) -> bool:
        try:
            await self.channel_layer.group_add(group_of(topic), self.channel_name)
        except Exception as error:  # the broker is away: the page comes back by itself
            log.warning("no live frames for %s: %s", topic, error)
            await self.close(TRY_LATER)
            return False
        self.topics.add(topic)
        return True

    async def _unsubscribe(self, topic: str) -> None:
        if topic in self.topics:
            self.topics.discard(topic)
            await self._leave(topic)

    async def _leave(self, topic: str) -> None:
        with contextlib.suppress(Exception):  # a broker that is away has forgotten us already
            await self.channel_layer.group_discard(group_of(topic), self.channel_name)

    async def _refuse(self, code: str, topic: str) -> None:
        await self.send_json({"error": {"code": code, "topic": topic}})

    async def _keep_checking(self) -> None:
        """Ask again and again whether this person may still see what they watch."""
        while True:
            await asyncio.sleep(CHECK_EVERY)
            if not await self._check():
                return

    async def _check(self) -> bool:
        """Give up what may not be watched any more; False once the whole socket is closed."""
        if not await self._is_signed_in():
            await self.close(SIGNED_OUT)
            return False
        for topic in list(self.topics):
            if not await database_sync_to_async(live.may_watch)(self.user, topic):
                await self._unsubscribe(topic)
                await self._refuse("not_found", topic)
        return True

    async def _is_signed_in(self) -> bool:
        """Read the session anew: the one of the handshake would not know of a sign-out or a new password."""
        session = self.scope.get("session")
        key = getattr(session, "session_key", None)
        store = import_module(settings.SESSION_ENGINE).SessionStore(key)
        user = await get_user({"session": store})
        if not isinstance(user, User) or not user.is_active or user.pk != self.user.pk:
            return False
        self.user = user
        return True

    def _is_own_page(self) -> bool:
        """Another port of this machine counts as the same site for cookies, so the origin must be ours exactly."""
        headers = dict(self.scope.get("headers") or [])
        origin = urlsplit(headers.get(b"origin", b"").decode("latin-1")).netloc.lower()
        ours = {headers.get(b"host", b"").decode("latin-1").lower(), urlsplit(settings.DUTO.url).netloc.lower()}
        return bool(origin) and origin in ours


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _known(asked: dict[str, Any]) -> dict[str, Any]:
    """What the page says of its state, where that is a number that can be meant."""
    given = ((name, asked.get(name)) for name in ("version", "offset"))
    return {name: value for name, value in given if type(value) is int and -LARGEST < value < LARGEST}
