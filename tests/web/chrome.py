"""A page of the test server in a real browser, and what its console has to say."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from playwright.sync_api import TimeoutError

from tests.web.conftest import Site

WIDE, NARROW = {"width": 1440, "height": 810}, {"width": 390, "height": 844}
# The test server speaks no websocket, and a script in the frame is refused its alert.
EXPECTED = ("WebSocket connection", "/ws/", "The document is sandboxed")


def listen(page: Any) -> list[str]:
    """Whatever the console will say of what is wrong."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def open_page(site: Site, page: Any, live_server: Any) -> list[str]:
    said = listen(page)
    key = site.page.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": key, "url": live_server.url}])
    return said


def ours(said: list[str]) -> list[str]:
    return [text for text in said if not any(part in text for part in EXPECTED)]


def fits(page: Any) -> bool:
    """Whether nothing is wider than the window, once what is drawn by scripts has followed its size."""
    return becomes(page, "document.documentElement.scrollWidth <= innerWidth")


def becomes(page: Any, true: str) -> bool:
    """Whether an expression is true in the end: what scripts draw follows a frame later, or more on a busy machine."""
    try:
        page.wait_for_function(true)
    except TimeoutError:
        return False
    return True
