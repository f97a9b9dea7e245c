"""Web addresses: fetched once, guarded, checked again at each redirect. The server is a real one on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from core.errors import Unprocessable
from datasets import fetch, preview
from datasets import services as datasets
from datasets.services.versions import save
from tests.house import House

pytestmark = pytest.mark.django_db


class Site(BaseHTTPRequestHandler):
    """A small web site that counts its visitors."""

    body: ClassVar[bytes] = b"a,b\n1,2\n"
    hits: ClassVar[int] = 0

    def do_GET(self) -> None:
        type(self).hits += 1
        if self.path == "/moved":
            self._answer(302, b"", Location="/data.csv")
        elif self.path == "/trap":
            self._answer(302, b"", Location="file:///etc/passwd")
        elif self.path == "/round":
            self._answer(302, b"", Location="/round")
        elif self.path.startswith("/data.csv"):
            tag = f'"{len(self.body)}"'
            is_known = self.headers.get("If-None-Match") == tag
            self._answer(304 if is_known else 200, b"" if is_known else self.body, ETag=tag)
        else:
            self._answer(404, b"no")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def site(settings: Any) -> Iterator[str]:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    Site.hits, Site.body = 0, b"a,b\n1,2\n"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_table_from_the_web_is_kept_and_read_from_the_copy(house: House, site: str) -> None:
    version = save(house.room, "web", "tabular", {"sources": [{"url": f"{site}/moved"}]})
    found = datasets.files_of(version)
    hits = Site.hits
    assert [(each.path, each.size, each.url) for each in found] == [("moved", 8, f"{site}/moved")]
    assert preview.read(house.workspace, found, version.definition, 5).rows == [(1, 2)]
    assert datasets.identity(version) == datasets.identity(version)
    assert Site.hits == hits


def test_what_has_not_changed_is_not_fetched_again(house: House, site: str) -> None:
    first = fetch.copy_of(house.workspace, f"{site}/data.csv")
    assert fetch.copy_of(house.workspace, f"{site}/data.csv", refresh=True) == first
    Site.body = b"a,b\n1,2\n3,4\n"
    assert fetch.copy_of(house.workspace, f"{site}/data.csv", refresh=True).digest != first.digest


@pytest.mark.parametrize(("path", "why"), [("/gone", "answers 404"), ("/trap", "http"), ("/round", "redirects")])
def test_what_cannot_be_had_is_told(house: House, site: str, path: str, why: str) -> None:
    with pytest.raises(Unprocessable, match=why):
        fetch.copy_of(house.workspace, site + path)


def test_a_file_that_is_too_large_is_left(house: House, site: str, settings: Any) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_max_bytes=4)
    with pytest.raises(Unprocessable, match="larger than 4 bytes"):
        fetch.copy_of(house.workspace, f"{site}/data.csv")


def test_private_addresses_are_refused_unless_they_are_allowed(house: House, site: str, settings: Any) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_private=False)
    with pytest.raises(Unprocessable, match="private network") as refused:
        fetch.copy_of(house.workspace, f"{site}/data.csv")
    assert refused.value.code == "private_address" and Site.hits == 0
    for host in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "0.0.0.0"):
        with pytest.raises(Unprocessable):
            fetch.allowed_address(host, 80)
