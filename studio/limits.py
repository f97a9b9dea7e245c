"""Bodies that are too large are refused before they are stored anywhere."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

FILES = (b"multipart/form-data", b"application/octet-stream", b"application/zip", b"text/csv")


class TooLarge(Exception):
    """The body went over its limit while it was read."""


class BodyLimit:
    """Counts what arrives: a Content-Length may be absent, or a lie."""

    def __init__(self, app: App, ordinary: int, files: int) -> None:
        self.app, self.ordinary, self.files = app, ordinary, files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        limit = self.files if headers.get(b"content-type", b"").startswith(FILES) else self.ordinary
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            await refuse(send, limit)
            return
        started = False

        async def watched(message: dict[str, Any]) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, counted(receive, limit), watched)
        except TooLarge:
            if not started:
                await refuse(send, limit)


def counted(receive: Receive, limit: int) -> Receive:
    """The same stream, which raises once it has carried too much."""
    seen = 0

    async def read() -> dict[str, Any]:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise TooLarge
        return message

    return read


async def refuse(send: Send, limit: int) -> None:
    """413 with the limit in words, in the shape of the other errors of the API."""
    text = f"The request is larger than {limit} bytes, the most that this studio takes."
    body = json.dumps({"error": {"code": "too_large", "message": text, "facts": {"limit": limit}}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
