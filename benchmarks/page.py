"""A page's end of the websocket, with the session that a browser has."""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from benchmarks.bench_env import inside_env
from studio.bootstrap import ROOT
from studio.testing.live import LiveStudio

PASSWORD = "a bench of many planks"


@lru_cache
def sign_in(live: LiveStudio) -> str:
    """Open a one-time link as a person does; the cookies of the session, which lasts as long as the studio."""
    command = [sys.executable, "manage.py", "signin-link"]
    made = subprocess.run(command, cwd=ROOT, env=inside_env(live), capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(f"no sign-in link: {made.stderr[-2000:]}")
    link = live.url + urllib.parse.urlsplit(made.stdout.strip().splitlines()[-1]).path
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    form = browser.open(link, timeout=20).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    if token is None:
        raise RuntimeError("the sign-in page has no form")
    fields = {"csrfmiddlewaretoken": token[1], "password": PASSWORD, "again": PASSWORD}
    browser.open(link, urllib.parse.urlencode(fields).encode(), timeout=20).read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


@contextlib.contextmanager
def open_page(url: str, cookie: str) -> Iterator[Page]:
    """A page for the length of the block."""
    address = "ws" + url.removeprefix("http") + "/ws/"
    with connect(address, origin=Origin(url), additional_headers={"Cookie": cookie}, max_size=None) as socket:
        yield Page(socket)


class Page:
    """One open page: it subscribes to topics and hears their frames."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def subscribe(self, topic: str, **state: int) -> None:
        self._socket.send(json.dumps({"subscribe": [{"topic": topic, **state}]}))

    def unsubscribe(self, topic: str) -> None:
        self._socket.send(json.dumps({"unsubscribe": [topic]}))

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """The next frame, or None when nothing came in time."""
        try:
            frame: dict[str, Any] = json.loads(self._socket.recv(timeout=max(0.0, seconds)))
        except TimeoutError:
            return None
        if "error" in frame:
            raise RuntimeError(f"the page was refused: {frame['error']}")
        return frame

    def frames(self, topic: str, seconds: float) -> Iterator[dict[str, Any]]:
        """The frames of one topic; ends when none came for `seconds`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            frame = self.hear(left)
            if frame is not None and frame.get("topic") == topic:
                yield frame
                until = time.monotonic() + seconds
