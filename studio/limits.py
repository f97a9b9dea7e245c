"""Bodies of requests: who may send one is asked before it is read, and it has a limit of size and of time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async

from core.errors import TooSlow
from core.fullness import as_full
from studio.admission import FREE, REFUSED, Refused, limit_for, refusal, too_large
from studio.middleware import APIS

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# A body may take this many seconds, and one more for each so many bytes that have come.
GRACE, SLOWEST = 30.0, 16 * 1024
# So long may pass without a byte.
IDLE = 60.0


class Guard:
    """Stands before everything that reads a body. A small one passes: the view itself says who may send it."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body, started = Body(scope, receive), False

        async def watched(message: dict[str, Any]) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await body.expect(declared(scope))
            await self.app(scope, body.receive, watched)
        except Refused as refused:
            if not started and is_for_people(scope):
                await self.app(without_body(scope, refused), no_body(), send)
            elif not started:
                await tell(send, refused)
        except OSError as error:
            full = as_full(error)
            if full is None or started:
                raise
            await tell(send, refusal(full))


class Body:
    """What arrives, counted: a Content-Length may be absent, or a lie."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope, self._receive = scope, receive
        self._limit, self._is_known = FREE, False
        self._seen, self._is_over, self._began = 0, False, time.monotonic()

    async def receive(self) -> dict[str, Any]:
        """The next piece. Raises Refused for one that is too much, or too late."""
        if self._is_over:
            return await self._receive()
        try:
            async with asyncio.timeout(self._patience()):
                message = await self._receive()
        except TimeoutError as error:
            text = f"The request's body came too slowly: {self._seen} bytes in {time.monotonic() - self._began:.0f} seconds."
            raise refusal(TooSlow(text, received=self._seen)) from error
        self._seen += len(message.get("body", b""))
        self._is_over = message["type"] != "http.request" or not message.get("more_body", False)
        await self.expect(self._seen)
        return message

    async def expect(self, size: int) -> None:
        """Raises Refused unless so many bytes may come. Who sends them is asked once, when they are more than anybody's."""
        if size > self._limit and not self._is_known:
            async with ThreadSensitiveContext():
                self._limit = await sync_to_async(limit_for)(self._scope)
            self._is_known = True
        if size > self._limit:
            raise too_large(self._limit)

    def _patience(self) -> float:
        left = self._began + GRACE + self._seen / SLOWEST - time.monotonic()
        return max(0.0, min(IDLE, left))


def is_for_people(scope: Scope) -> bool:
    """Whether a browser shows what is answered as a page."""
    accepted: bytes = dict(scope["headers"]).get(b"accept", b"")
    return not scope["path"].startswith(APIS) and b"text/html" in accepted


def without_body(scope: Scope, refused: Refused) -> Scope:
    """The same request, whose body was refused (studio.middleware.Refusals)."""
    headers = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"transfer-encoding")]
    return {**scope, "headers": headers, REFUSED: refused}


def no_body() -> Receive:
    """What such a request sends: nothing, and then nobody hangs up."""
    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive


def declared(scope: Scope) -> int:
    """The Content-Length, 0 where it is absent or none."""
    text: bytes = dict(scope["headers"]).get(b"content-length", b"0")
    return int(text) if text.isdigit() and len(text) < 20 else 0


async def tell(send: Send, refused: Refused) -> None:
    """The refusal in the shape of the API's other errors."""
    body = json.dumps(refused.document, default=str).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **refused.headers}
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
