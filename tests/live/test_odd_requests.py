"""Odd requests to every address, drawn by a seed: a refusal says what is wrong, and never is it a 500."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction
from django.test import Client

from core.paging import encode
from studio.bootstrap import ROOT
from tests.live.test_walk import Address, World, addresses
from tests.openapi import document
from tests.workspace_scenario import content

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, pytest.mark.slow]

# More, by hand: ODD_REQUESTS=20 pytest ...
EACH = int(os.environ.get("ODD_REQUESTS", "1"))
SEED = os.environ.get("ODD_SEED", "1")
HUGE = "1" + "0" * 30
CURSORS = (
    "WyJ4Il0", "x", "%00", "é", "W10", "bnVsbA", encode(["run:-id", "x"]), encode(["run:-id", None]), encode([["run:-id"], {}]), encode([10**400]),
    encode(["\ud800"]), encode(["files", -1]), encode(["files", 10**30]), encode(["files", True]), "a" * 20_000, encode(["artifact:path", "a\0b"]),
)  # fmt: skip
TEXTS = (
    "", " ", "x", "-1", "0", "1.5", HUGE, "9" * 5000, "nan", "inf", "null", "true", "[]", "{}", "[" * 3000, '{"a": [1]}', '["a"]', "a,b", "a=b", ",", "=", "\n",
    "..", "/", "*", "***********a", "[z-a]", "(a+)+$", "%", "_", "'", '"', "\\", "é" * 300, "\u202e", "01a2039c-0435-7430-9aec-fcf2576d24bc", "not-a-guid", "2026-13-45", "2026-01-01T00:00:00Z",
    "9999-12-31T23:59:59+14:00", "0001-01-01", "2026-02-30T99:99", "½", "٣", "1_000", "+1", "Running", "x" * 2000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, -(10**30), 1.5, 1e308, "", " ", "x", "x" * 300, "x" * 5000, "\n", "..", "/", "a/../b", "[z-a]", "é", "\u202e", "😀" * 80,
    [], {}, [[]], [{}], {"": ""}, {"a": None}, {"a": {"b": []}}, ["x"], [None], [1, "a", None], {"x" * 300: "y"}, {"steps": [None]}, {"steps": "x"}, {"steps": [{}]},
    {"steps": [{"id": [], "name": {}}]}, "not-a-guid", "01a2039c-0435-7430-9aec-fcf2576d24bc", "2026-13-45",
)  # fmt: skip
BODIES: tuple[tuple[bytes, str], ...] = (
    (b"", "application/json"), (b"{", "application/json"), (b"null", "application/json"), (b"[]", "application/json"), (b"[[]]", "application/json"), (b'"x"', "application/json"),
    (b"3", "application/json"), (b"[" * 30_000, "application/json"), (b'{"a":' * 30_000, "application/json"), (b"9" * 5000, "application/json"), (b'{"name": NaN}', "application/json"),
    (b'{"name": 1e999}', "application/json"), (b'{"limit": ' + b"9" * 5000 + b"}", "application/json"), (b'{"name": "\\u0000"}', "application/json"), (b'{"name": "\\ud800"}', "application/json"),
    (b'{"\\ud800": 1}', "application/json"), (b"\xff\xfe{\x00}\x00", "application/json"),     (b"{}", "application/json; charset=no-such"), (b"{}", "text/plain"), (b"{}", "text/xml"), (b"{}", ""), (b"{}", "application/json; boundary"),
    (b"a=b&a=c", "application/x-www-form-urlencoded"), (b"a=%00&name=%ED%A0%80", "application/x-www-form-urlencoded"), (b"--x\r\n\r\n", "multipart/form-data; boundary=x"), (b"{}", "multipart/form-data"),
    (b'--x\r\nContent-Disposition: form-data; name="file"; filename="\x00.."\r\n\r\nhello\r\n--x--\r\n', "multipart/form-data; boundary=x"), (b"\0\xff", "application/octet-stream"),
)  # fmt: skip
HEADERS: tuple[dict[str, str], ...] = (
    {"Accept": "text/html"}, {"Accept": "nonsense"}, {"Accept": "application/json;version=;q=x"}, {"Content-Encoding": "gzip"}, {"Accept-Language": "x" * 500}, {"Duto-Language": "zz;../"},
    {"HX-Request": "true", "HX-Current-URL": "http://[::1"}, {"If-None-Match": '"' * 50}, {"If-Modified-Since": "never"}, {"Cookie": "duto_session=\x01; x=é"}, {"Referer": "http://[x"}, {"X-HTTP-Method-Override": "DELETE"},
)  # fmt: skip
SEGMENTS = (
    "..", "%2e%2e", "a%2Fb", "%0A", "%25", "%F0%9F", "%ED%A0%80", "x" * 300, "x" * 3000, "%5C", "*", "%5Bz-a%5D", "a%20", "%E2%80%AE", "é", "-", ".", "~", "%C0%AF", "1e3",
)  # fmt: skip
NUMBERS = ("0", "-1", "9" * 30, "9" * 5000, "latest", "1.5", "٣", "")
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
def world(db: None) -> World:
    return World()


@cache
def parameters_of_queries() -> list[str]:
    """The names that any view reads from its query string."""
    read = re.compile(r'(?:\.get(?:list)?|number|flag|_index)\(\s*"(\w+)"')
    found: set[str] = set()
    for app in (
        "workspaces",
        "datasets",
        "environments",
        "compute",
        "registry",
        "pipelines",
        "runs",
        "schedules",
        "notifications",
    ):
        for part in ("api", "web", "queries"):
            for path in sorted((ROOT / app).glob(f"{part}/*.py")):
                found.update(read.findall(path.read_text()))
    return sorted(found)


@cache
def fields_of_bodies() -> dict[str, list[str]]:
    """The fields of the JSON body of each operation, by method and path without its variables."""
    schemas = document()["components"]["schemas"]
    found: dict[str, list[str]] = {}
    for path, actions in document()["paths"].items():
        for method, action in actions.items():
            kinds = action.get("requestBody", {}).get("content", {}) if isinstance(action, dict) else {}
            schema = kinds.get("application/json", {}).get("schema", {})
            schema = schemas.get(schema.get("$ref", "").rsplit("/", 1)[-1], schema)
            found[shape(method, path)] = sorted(schema.get("properties", {}))
    return found


def shape(method: str, path: str) -> str:
    return f"{method} {re.sub(r'<[^>]*>|{[^}]*}', '*', '/' + path.lstrip('/'))}"


class Draw:
    """Odd requests of one address, always the same ones for the same seed."""

    def __init__(self, world: World, address: Address) -> None:
        self.world, self.address = world, address
        self.random = random.Random(f"{SEED} {address.route}")
        self.names, self.fields = parameters_of_queries(), fields_of_bodies()

    def requests(self) -> Iterator[tuple[str, str, bytes, str, dict[str, str]]]:
        for method in METHODS:
            for _ in range(EACH if self._is_taken(method) or method == "get" else 0):
                yield self._one(method)

    def _is_taken(self, method: str) -> bool:
        return self.address.needs(method) is not None or self.address.name.startswith(("agent-", "host-"))

    def _one(self, method: str) -> tuple[str, str, bytes, str, dict[str, str]]:
        pick = self.random
        odd = pick.random()
        path = self.world.path(self.address)
        if odd < 0.25 and "<" in self.address.route:
            kinds = {
                "str": pick.choice(SEGMENTS + NUMBERS[:-1]),
                "path": pick.choice(SEGMENTS),
                "int": "9" * pick.choice((1, 30, 5000)),
            }
            path = (
                self.world.path(self.address, **kinds)
                if pick.random() < 0.7
                else self.world.path(self.address, uuid=pick.choice(SEGMENTS))
            )
        asked = [
            (pick.choice(self.names), pick.choice(TEXTS))
            for _ in range(pick.choice((0, 1, 1, 2, 3)) if method != "get" else pick.choice((1, 2, 4)))
        ]
        if method == "get" and pick.random() < 0.3:
            asked.append(("after", pick.choice(CURSORS)))
        query = "&".join(f"{name}={text if '%' in text else quote(text, safe='')}" for name, text in asked)
        body, kind = self._body(method)
        return method, f"{path}?{query}", body, kind, pick.choice(HEADERS) if pick.random() < 0.15 else {}

    def _body(self, method: str) -> tuple[bytes, str]:
        pick = self.random
        if method == "get" or pick.random() < 0.25:
            return pick.choice(BODIES)
        names = self.fields.get(shape(method, self.address.route)) or ["name", "path", "graph", "tags"]
        document = {name: pick.choice(VALUES) for name in pick.sample(names, pick.randint(1, len(names)))}
        if not self.address.is_api and not self.address.route.startswith("agent/"):
            form = "&".join(
                f"{pick.choice(self.names)}={quote(str(value)[:500], safe='')}" for value in document.values()
            )
            return form.encode(), "application/x-www-form-urlencoded"
        return json.dumps(document).encode(), "application/json"


def ask(client: Client, method: str, path: str, body: bytes, kind: str, headers: dict[str, str]) -> Any:
    """One request whose changes are taken back."""
    point = transaction.savepoint()
    try:
        answer = client.generic(method.upper(), path, body, content_type=kind, headers=headers)
        if answer.streaming:
            content(answer)
        return answer
    finally:
        transaction.set_rollback(False)
        transaction.savepoint_rollback(point)


def test_no_odd_request_is_a_fault(world: World) -> None:
    failed: list[str] = []
    count = 0
    host = Client(headers={"Authorization": "Bearer key-of-the-host"}, raise_request_exception=False)
    for address in addresses():
        if address.name.startswith("account_"):
            continue
        is_agents = address.route.startswith("agent/")
        client = host if is_agents else world.callers["owner's token" if address.is_api else "owner"]
        for method, path, body, kind, headers in Draw(world, address).requests():
            count += 1
            answer = ask(client, method, path, body, kind, headers)
            found = f"{method.upper()} {path[:300]} [{kind}] {headers or ''} {body[:300]!r} gave {answer.status_code}"
            if answer.status_code >= 500:
                failed.append(
                    f"{found}: {type(getattr(answer, 'exc_info', (None, None))[1] if answer.exc_info else None)} {answer.exc_info[1] if answer.exc_info else ''}"[
                        :900
                    ]
                )
            elif answer.status_code >= 400 and (address.is_api or is_agents) and not is_document(answer, method):
                failed.append(f"{found}, which is no error document: {answer.content[:80]!r}")
    assert count > 200
    assert not failed, f"{len(failed)} of {count}:\n" + "\n".join(failed)


def is_document(answer: Any, method: str) -> bool:
    try:
        error = json.loads(answer.content)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    return set(error) == {"code", "message", "facts"} and bool(error["message"])


def test_every_list_refuses_the_cursor_of_another(world: World) -> None:
    """REST and pages; those that have no pages of rows take no notice of it."""
    lists = 0
    for address in addresses():
        if not address.needs("get") or address.name.startswith("account_"):
            continue
        client = world.callers["owner's token" if address.is_api else "owner"]
        path = world.path(address)
        refused = [
            ask(client, "get", f"{path}?after={quote(CURSORS[0], safe='')}", b"", "", {}).status_code for _ in range(1)
        ]
        if refused != [400]:
            assert refused[0] < 500, path
            continue
        lists += 1
        # What reads cursors is the same everywhere, so each list gets some of them, and each of them comes to many lists.
        for cursor in random.Random(f"{SEED} {address.route}").sample(CURSORS, 4):
            answer = ask(client, "get", f"{path}?after={quote(cursor, safe='%')}", b"", "", {})
            assert answer.status_code == 400, (path, cursor[:80], answer.status_code)
    assert lists >= 20
