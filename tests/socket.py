"""A page's end of the websocket, spoken to the ASGI application directly."""

# mypy: disallow-untyped-calls=False
from __future__ import annotations

import json
from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.test import Client

from workspaces.models import User

# Two cores may be shared with others: a wait that is too long costs nothing when all is well.
PATIENCE = 60


class Page(ApplicationCommunicator):
    """One websocket with a session's cookie."""

    @classmethod
    def of(cls, user: User | None, origin: str = "http://localhost", host: str = "localhost") -> Page:
        from studio.asgi import application

        headers = [(b"origin", origin.encode()), (b"host", host.encode())]
        if user is not None:
            client = Client()
            client.force_login(user)
            cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
            headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
        scope = {"type": "websocket", "path": "/ws/", "query_string": b"", "headers": headers, "subprotocols": []}
        return cls(application, scope)

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return bool((await self.receive_output(PATIENCE))["type"] == "websocket.accept")

    async def send_text(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": text})

    async def hear(self) -> Any:
        message = await self.receive_output(PATIENCE)
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def say(self, message: dict[str, Any]) -> Any:
        """Send, and hear the next frame."""
        await self.send_text(json.dumps(message))
        return await self.hear()

    async def close(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(PATIENCE)
