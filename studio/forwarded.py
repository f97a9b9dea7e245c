"""What a proxy says of the browser behind it: believed where the studio is told to (DUTO_TRUST_PROXY), else unheard."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

FOR = b"x-forwarded-for"
SAID = (b"x-forwarded-", b"forwarded", b"x-real-ip")


class Forwarded:
    """The address of the client for all that is behind: throttles, records, links.

    A trusted proxy appends the address that it saw, so the last one counts: those before it were sent by the client.
    """

    def __init__(self, app: App, trusted: bool) -> None:
        self.app, self.trusted = app, trusted

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        headers = scope.get("headers")
        if headers is not None:
            if not self.trusted:
                scope = {**scope, "headers": [pair for pair in headers if not pair[0].startswith(SAID)]}
            elif address := _last(headers):
                scope = {**scope, "client": (address, 0)}
        await self.app(scope, receive, send)


def _last(headers: list[tuple[bytes, bytes]]) -> str:
    """The last address of the last header, or nothing where that is none."""
    values = [value for name, value in headers if name == FOR]
    text = values[-1].decode("latin-1").rpartition(",")[2].strip() if values else ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
