"""REST as a program uses it: one connection that stays open, a token, JSON."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

BASE = "/api/v1/workspaces/main/"


class Rest:
    """A program's view of a studio; paths are below workspace `main` unless they start with a slash."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url = url
        self.headers = headers
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    @classmethod
    def with_token(cls, url: str, token: str) -> Rest:
        return cls(url, {"Authorization": f"Bearer {token}"})

    def get(self, path: str) -> Any:
        return json.loads(self.read(path))

    def post(self, path: str, document: dict[str, Any]) -> Any:
        return json.loads(self.send("POST", path, json.dumps(document).encode(), "application/json"))

    def put(self, path: str, data: bytes) -> None:
        self.send("PUT", path, data, "application/octet-stream")

    def read(self, path: str) -> bytes:
        return self.send("GET", path)

    def send(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        """One request; anything but a success ends the benchmark."""
        self._connection.request(method, address_of(path), body, self._headers(kind))
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path} answered {answer.status}: {data[:500].decode(errors='replace')}")
        return data

    def _headers(self, kind: str) -> dict[str, str]:
        return {**self.headers, "Content-Type": kind} if kind else self.headers

    def close(self) -> None:
        self._connection.close()


def address_of(path: str) -> str:
    """The path on the server."""
    return path if path.startswith("/") else BASE + path
