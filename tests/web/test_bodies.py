"""Bodies of requests: asked for from their headers, bounded by what they are for, and given an end of time."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings

from core.clock import now
from pipelines.models import PublishedPipeline
from pipelines.services import endpoint_access, endpoints
from studio import limits
from studio.admission import FREE
from tests.asgi import Answer, Visit, pieces
from tests.runs.conftest import KEY
from tests.web.conftest import Site
from workspaces.models import ApiToken, Role
from workspaces.services import tokens

pytestmark = [pytest.mark.django_db(transaction=True)]

PIECE = 64 * 1024
LARGE = 20 << 20
REST = "/api/v1/workspaces/lab"
FILE = f"{REST}/datastores/workspaceblobstore/files/large.bin"
BYTES = {"content-type": "application/octet-stream"}


class Callers:
    """A workspace, and the headers of those who call it."""

    def __init__(self) -> None:
        self.site = Site()
        attempt = self.site.attempt(self.site.step(self.site.pipeline("a"), "a"))
        self.agent = f"/agent/v1/attempts/{attempt.pk}/1"
        self.headers = {"nobody": {}, "host": {"authorization": f"Bearer {KEY}"}}
        for who in ("contributor", "reader"):
            text = tokens.mint(self.site.person(f"a-{who}"), self.site.workspace, Role(who), "t").text
            self.headers[who] = {"authorization": f"Bearer {text}"}
        stranger = self.site.person("mallory")
        self.headers["stranger"] = {
            "authorization": f"Bearer {tokens.mint(stranger, self.site.workspace, Role.OWNER, 't').text}"
        }
        old = tokens.mint(self.site.person("a-contributor"), self.site.workspace, Role.CONTRIBUTOR, "t")
        ApiToken.objects.filter(pk=old.token.pk).update(revoked_at=now())
        self.headers["revoked"] = {"authorization": f"Bearer {old.text}"}
        self.headers["nonsense"] = {"authorization": "Bearer duto_x"}
        for who in ("owner", "reader"):
            cookie = self.site.people[who].cookies[settings.SESSION_COOKIE_NAME].value
            self.headers[f"page of {who}"] = {"cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}


@pytest.fixture
def callers(transactional_db: None) -> Callers:
    return Callers()


@pytest.fixture
def spooled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes went into each body on the disk."""
    found: list[int] = []

    class Spool(tempfile.SpooledTemporaryFile):  # type: ignore[type-arg]
        def rollover(self) -> None:
            found.append(self.tell())
            super().rollover()

    monkeypatch.setattr("django.core.handlers.asgi.tempfile.SpooledTemporaryFile", Spool)
    return found


async def send(method: str, url: str, headers: dict[str, str], size: int, declare: bool = True) -> tuple[Answer, int]:
    """The answer, and how many bytes were taken of the body."""
    length = {"content-length": str(size)} if declare else {}
    visit = Visit(method, url, {**headers, **length}, pieces(size, PIECE))
    return await visit.run(), visit.taken


def code_of(answer: Answer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/json"
    return answer.status, json.loads(answer.head)["error"]["code"]


@pytest.mark.parametrize("declare", [True, False])
async def test_no_body_of_a_stranger_reaches_the_disk(callers: Callers, spooled: list[int], declare: bool) -> None:
    asked = [
        ("PUT", "/nope", "nobody", 404, "not_found"),
        ("PUT", "/static/x.js", "nobody", 404, "not_found"),
        ("PUT", FILE, "nobody", 401, "unauthenticated"),
        ("PUT", FILE, "nonsense", 401, "bad_token"),
        ("PUT", FILE, "revoked", 401, "token_revoked"),
        ("PUT", FILE, "stranger", 404, "not_found"),
        ("PUT", FILE, "reader", 403, "forbidden"),
        ("PUT", FILE, "page of reader", 403, "forbidden"),  # by session: without its CSRF token
        ("PUT", f"{REST}/blobs/{'0' * 64}/", "nobody", 401, "unauthenticated"),
        ("PUT", FILE.replace("lab", "other"), "contributor", 404, "not_found"),
        ("POST", FILE, "contributor", 405, "method_not_allowed"),
        ("POST", f"{REST}/runs/", "contributor", 413, "too_large"),
        ("POST", f"{REST}/models/", "reader", 403, "forbidden"),
        ("POST", f"{REST}/models/", "contributor", 413, "too_large"),  # a document, as its type says
        ("GET", f"{REST}/runs/", "nobody", 401, "unauthenticated"),
        ("POST", "/api/v1/", "nobody", 405, "method_not_allowed"),
        ("POST", "/agent/v1/exchange", "nobody", 401, "unauthenticated"),
        ("POST", "/agent/v1/exchange", "contributor", 401, "bad_host_key"),
        ("POST", "/agent/v1/enrol", "nobody", 413, "too_large"),
        ("PUT", f"{callers.agent}/log?offset=0", "host", 413, "too_large"),
        ("PUT", f"{callers.agent}/files/artifact/x", "contributor", 401, "bad_host_key"),
        ("POST", "/accounts/login/", "nobody", 413, "too_large"),
        ("POST", "/accounts/password/reset/", "nobody", 413, "too_large"),
        ("POST", "/start/x/", "nobody", 413, "too_large"),
        ("POST", "/healthz", "nobody", 413, "too_large"),
        ("POST", "/w/lab/data/register/", "nobody", 401, "unauthenticated"),
        ("POST", "/w/lab/data/register/", "page of reader", 403, "forbidden"),
        ("POST", "/w/other/data/register/", "page of owner", 404, "not_found"),
        ("POST", "/w/lab/", "page of owner", 413, "too_large"),
    ]  # fmt: skip
    for method, url, who, status, why in asked:
        answer, taken = await send(method, url, {**BYTES, **callers.headers[who]}, LARGE, declare)
        assert code_of(answer) == (status, why), (method, url, who, answer.head)
        limit = settings.DUTO.request_max_bytes if who == "contributor" and status == 413 else FREE
        limit = 8 << 20 if who == "host" else limit
        assert taken <= (0 if declare else limit + PIECE), (method, url, who)
    # What those may hold who may send something at all.
    assert all(size <= (8 << 20) + 2 * PIECE or size <= settings.DUTO.request_max_bytes for size in spooled)


async def test_no_address_reads_a_large_body_of_nobody(callers: Callers) -> None:
    """All of REST, agents and pages, by what the studio itself lists."""
    from django.urls import get_resolver

    def addresses(patterns: Any, before: str) -> Iterator[str]:
        for each in patterns:
            place = before + str(each.pattern)
            if hasattr(each, "url_patterns"):
                yield from addresses(each.url_patterns, place)
            else:
                yield place

    fill = {"uuid": "0198c0de-0000-7000-8000-000000000000", "int": "1", "slug": "lab", "str": "x", "path": "x/y"}
    seen = 0
    for pattern in addresses(get_resolver().url_patterns, "/"):
        url = pattern.replace("^", "").replace("\\Z", "").replace("$", "")
        for kind, value in fill.items():
            while f"<{kind}:" in url:
                start = url.index(f"<{kind}:")
                url = url[:start] + value + url[url.index(">", start) + 1 :]
        if "<" in url or "(" in url:
            continue
        answer, taken = await send("POST", url, BYTES, FREE + 1)
        assert taken == 0 and answer.status in (401, 404, 405, 413), (url, answer.status)
        seen += 1
    assert seen > 150


@pytest.mark.parametrize("declare", [True, False])
async def test_those_who_may_send_files_send_them(callers: Callers, declare: bool) -> None:
    sent = {**BYTES, **callers.headers["contributor"]}
    answer, taken = await send("PUT", f"{FILE}?overwrite=1", sent, LARGE, declare)
    assert (answer.status, taken) == (201, LARGE)
    answer, taken = await send(
        "PUT", f"{callers.agent}/files/artifact/x.bin", {**BYTES, **callers.headers["host"]}, LARGE, declare
    )
    assert (answer.status, taken) == (200, LARGE)
    answer, taken = await send("PUT", f"{REST}/blobs/{'0' * 64}/", sent, LARGE, declare)
    assert code_of(answer) == (400, "digest_mismatch") and taken == LARGE
    # Longer than what anybody may send, and within what a document may have.
    graph = json.dumps({"experiment": "x", "note": "y" * FREE}).encode()
    for body in (graph, b"x" * FREE * 2):
        visit = Visit(
            "POST", f"{REST}/runs/", {**callers.headers["contributor"], "content-type": "application/json"}, [body]
        )
        assert (await visit.run()).status in (400, 422)


async def test_a_file_has_a_limit_too(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DUTO", replace(settings.DUTO, upload_max_bytes=PIECE * 3))
    for declare in (True, False):
        answer, taken = await send("PUT", FILE, {**BYTES, **callers.headers["contributor"]}, LARGE, declare)
        assert code_of(answer) == (413, "too_large") and str(PIECE * 3) in answer.head.decode()
        assert taken <= PIECE * 4
    lie = Visit("PUT", FILE, {**BYTES, **callers.headers["contributor"], "content-length": "7"}, pieces(LARGE, PIECE))
    assert code_of(await lie.run()) == (413, "too_large") and lie.taken <= PIECE * 4


async def test_a_form_by_link_takes_what_its_parameters_may_hold(callers: Callers) -> None:
    """An object of JSON may have 64 KiB; in a form each of its marks is three bytes."""
    link = await sync_to_async(_link)(callers.site)
    browser = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html,*/*;q=0.8"}
    for url, size, status in ((link, 300_000, 403), (link, 600_000, 413), ("/forms/wrong/", 300_000, 413)):
        answer, taken = await send("POST", url, browser, size)
        assert answer.status == status, (url, size, answer.head)
        assert (taken > 0) == (status == 403), "the form itself asks for its CSRF token"
        page = answer.head.decode()
        assert answer.headers["content-type"].startswith("text/html") and "<h1" in page
        assert answer.headers["content-security-policy"] and "noindex" in answer.headers["x-robots-tag"]
        if status == 413:
            assert f"larger than {512 if url == link else 64} KiB" in page, page
    answer, _taken = await send("POST", link, {**browser, "accept-language": "pt-PT"}, 600_000)
    assert "Demasiado grande" in answer.head.decode(), answer.head
    answer, _taken = await send("POST", link, {**browser, "accept": "*/*"}, 600_000)
    assert code_of(answer) == (413, "too_large"), "a program gets a document"


def _link(site: Site) -> str:
    endpoint = endpoints.create(site.context, "by link", PublishedPipeline.objects.first() or _published(site))
    return f"/forms/{endpoint_access.open_form(site.context, endpoint).text}/"


def _published(site: Site) -> PublishedPipeline:
    site.everything()
    found = PublishedPipeline.objects.first()
    assert found is not None
    return found


class Slow(Visit):
    """Sends its first piece, and then nothing more, or one byte at a time."""

    drips = False

    async def receive(self) -> dict[str, Any]:
        if self.taken and not self.drips:
            await self.gone.wait()
        if self.taken:
            await asyncio.sleep(0.01)
        return await super().receive()


@pytest.mark.parametrize("drips", [False, True])
async def test_a_body_that_does_not_come_ends(callers: Callers, drips: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GRACE", 0.2)
    for who in ("nobody", "contributor"):
        visit = Slow("PUT", FILE, {**BYTES, **callers.headers[who]}, (b"x" for _ in range(1 << 30)))
        visit.drips = drips
        answer = await visit.run()
        assert code_of(answer) == (408, "too_slow") and "too slowly" in answer.head.decode()


async def test_what_comes_steadily_may_take_long(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GRACE", 0.5)
    monkeypatch.setattr(limits, "SLOWEST", PIECE)
    visit = Slow("PUT", FILE, {**BYTES, **callers.headers["contributor"]}, pieces(PIECE * 100, PIECE))
    visit.drips = True
    assert (await visit.run()).status == 201


async def test_a_full_disk_while_a_body_comes_is_said(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", full)
    answer, _ = await send("PUT", FILE, {**BYTES, **callers.headers["contributor"]}, LARGE)
    assert code_of(answer) == (507, "studio_full")


async def test_odd_requests_get_the_document_of_an_error(callers: Callers) -> None:
    for url, headers in (
        ("/api/v1/workspaces/lab/datastores/a\0b/files/x", {}),
        (FILE, {"host": "evil.example"}),
        (FILE, {"authorization": "Bearer \udcff".encode("utf-8", "surrogateescape").decode("latin-1")}),
        (FILE, {"content-type": "text/plain; charset=hex"}),
    ):
        visit = Visit("PUT", url, {**callers.headers["contributor"], **headers, "content-length": str(LARGE)}, [b""])
        answer = await visit.run()
        assert 200 <= answer.status < 500, (url, headers, answer)
    visit = Visit("PUT", FILE, {"content-length": str(LARGE)}, [b""])
    visit.scope["query_string"] = b"\xff"
    assert (await visit.run()).status == 400


async def test_an_upload_of_a_page_passes_for_who_may(callers: Callers) -> None:
    client = callers.site.people["owner"]
    csrf = await sync_to_async(lambda: client.get("/w/lab/data/register/").cookies[settings.CSRF_COOKIE_NAME].value)()
    mark = "x" * 20
    fields = {"csrfmiddlewaretoken": csrf, "name": "sent", "kind": "file"}
    head = "".join(
        f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()
    )
    head += f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'
    headers = {**callers.headers["page of owner"], "content-type": f"multipart/form-data; boundary={mark}"}
    headers["cookie"] += f"; {settings.CSRF_COOKIE_NAME}={csrf}"
    body = [head.encode(), *pieces(LARGE), f"\r\n--{mark}--\r\n".encode()]
    headers["content-length"] = str(sum(map(len, body)))
    visit = Visit("POST", "/w/lab/data/register/", headers, body)
    answer = await visit.run()
    assert (answer.status, answer.headers.get("location")) == (302, "/w/lab/data/sets/sent/"), answer.head
