"""A client at the door of the web process, which reads and sends as slowly as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

GUARD = 60.0


@dataclass
class Answer:
    """What came back: the status, the headers in lower case, how many bytes, and the first of them."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    size: int = 0
    head: bytes = b""
    pieces: int = 0


class Visit:
    """One request to the ASGI application. `reading` is cleared to stop taking the answer, `leave()` hangs up."""

    def __init__(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: Iterable[bytes] | None = None,
        client: str = "127.0.0.1",
    ) -> None:  # fmt: skip
        parts = urlsplit(url)
        given = {"host": "localhost", **(headers or {})}
        self.scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": parts.path, "raw_path": parts.path.encode(), "query_string": parts.query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
            "client": (client, 5000), "server": ("localhost", 80), "root_path": "",
        }  # fmt: skip
        self.answer, self.taken = Answer(), 0
        self.reading, self.begun, self.gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.reading.set()
        self._body = iter(body if body is not None else [b""])
        self._next = next(self._body, None)

    async def receive(self) -> dict[str, Any]:
        if self._next is None:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        piece, self._next = self._next, next(self._body, None)
        self.taken += len(piece)
        return {"type": "http.request", "body": piece, "more_body": self._next is not None}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.answer.status = message["status"]
            self.answer.headers = {name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]}
            return
        piece = message.get("body", b"")
        self.answer.size += len(piece)
        self.answer.pieces += 1
        self.answer.head = (self.answer.head + piece)[:4096]
        self.begun.set()
        if piece:
            await self.reading.wait()

    def leave(self) -> None:
        self._next = None
        self.gone.set()

    async def run(self, application: Any = None) -> Answer:
        """Until the application is done with it. A test that hangs fails."""
        from studio import handlers
        from studio.asgi import application as studio

        # Neither signs of life nor a publisher of events for the process of the tests.
        with patch.object(handlers, "begin"):
            await asyncio.wait_for((application or studio)(self.scope, self.receive, self.send), GUARD)
        return self.answer


async def visit(method: str, url: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    return await Visit(method, url, headers, **more).run()


def pieces(total: int, size: int = 64 * 1024) -> Iterable[bytes]:
    """That many bytes, made as they are asked for."""
    piece = b"x" * size
    for _ in range(total // size):
        yield piece
    if total % size:
        yield piece[: total % size]
