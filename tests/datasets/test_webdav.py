"""Datastores of web servers that speak WebDAV: they list, and what they say is held against what lies there."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from core.errors import Invalid, NotFound
from core.objects import ObjectRoot, StoreAway, StoreError
from core.storage import Root
from datasets.services import registration
from datasets.services.files import find
from datasets.stores import root_of
from tests.datasets.store_servers import StoreServer, wsgidav
from tests.workspace_scenario import WorkspaceScenario

pytestmark = pytest.mark.django_db
MANY = int(os.environ.get("DUTO_TEST_MANY_FILES", "300"))
LARGE = int(os.environ.get("DUTO_TEST_LARGE_MIB", "32")) << 20


@pytest.fixture(autouse=True)
def near(settings: Any) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dav")


@pytest.fixture(scope="module")
def server(base: Path) -> Iterator[StoreServer]:
    with wsgidav(base) as found:
        yield found


@pytest.fixture
def folder(base: Path, request: pytest.FixtureRequest) -> Path:
    """A folder of the server for one test."""
    made = base / f"{request.node.name[:40]} é#%20?"
    made.mkdir()
    return made


@pytest.fixture
def root(server: StoreServer, scenario: WorkspaceScenario, folder: Path) -> Root:
    from urllib.parse import quote

    options = {**server.options, "endpoint": f"{server.options['endpoint']}/{quote(folder.name)}"}
    return root_of(registration.register(scenario.context, "dav", "http", options, server.credentials))


def put(folder: Path, key: str, data: bytes) -> None:
    (folder / key).parent.mkdir(parents=True, exist_ok=True)
    (folder / key).write_bytes(data)


def test_folders_are_listed_as_they_lie_there(root: Root, folder: Path, scenario: WorkspaceScenario) -> None:
    names = (
        "a/b/one two.txt",
        "a/é – ü.csv",
        "a.txt",
        "a-b/x%2fy.txt",
        "a/b#c?d&e=f+g.txt",
        "b/c/d/e.csv",
        "q'\"q.txt",
    )
    for name in names:
        put(folder, name, name.encode())
    (folder / "empty").mkdir()
    found = list(root.walk())
    assert [each.path for each in found] == sorted(names), "in the order of their keys"
    for each in found:
        assert each.size == len(each.path.encode()) and root.read(each.path) == each.path.encode()
        assert abs(each.modified - (folder / each.path).stat().st_mtime) < 2
        assert each == root.stored(each.path), "a listing and a question about one file say the same"
    assert [each.path for each in root.walk("a/b")] == ["a/b/one two.txt"]
    assert [(name, is_folder) for name, is_folder, _ in root.list("a")] == [
        ("b", True), ("b#c?d&e=f+g.txt", False), ("é – ü.csv", False),
    ]  # fmt: skip
    assert root.exists("a/b") and not root.is_file("a/b") and not root.exists("none") and root.state("a") is None
    with pytest.raises(NotFound):
        list(root.list("none"))
    with pytest.raises(NotFound):
        root.open("a/b")
    paths = [each.path for each in find(scenario.workspace, [{"datastore": "dav", "path": "b/**/*.csv"}])]
    assert paths == ["c/d/e.csv"] or paths == ["b/c/d/e.csv"]


def test_a_file_is_read_from_anywhere_and_refused_once_it_is_another(root: Root, folder: Path) -> None:
    data = os.urandom(3 << 20)
    put(folder, "a.bin", data)
    assert root.digest("a.bin") == hashlib.sha256(data).hexdigest()
    with root.open("a.bin") as reader:
        reader.seek(-5, os.SEEK_END)
        assert reader.read() == data[-5:]
        reader.seek(1 << 20)
        assert reader.read(10) == data[1 << 20 : (1 << 20) + 10]
        put(folder, "a.bin", b"x" * (3 << 20))
        os.utime(folder / "a.bin", (1_000_000_000, 1_000_000_000))
        reader.seek(0)
        with pytest.raises(StoreError, match="changed while it was read"):
            reader.read()


def test_nothing_is_written(root: Root, folder: Path) -> None:
    assert isinstance(root, ObjectRoot)
    put(folder, "a.txt", b"x")
    for ask in (lambda: root.remove("a.txt"), lambda: root.move("a.txt", "b.txt")):
        with pytest.raises(StoreError, match="only read"):
            ask()
    assert [each.name for each in folder.iterdir()] == ["a.txt"]


def test_many_files_are_listed_folder_by_folder(root: Root, folder: Path) -> None:
    for number in range(MANY):
        put(folder, f"{number % 7}/{number:06}.txt", b"x")
    tracemalloc.start()
    assert sum(1 for _ in root.walk()) == MANY
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < (16 << 20) + (MANY << 10), f"{peak >> 10} KiB"
    if MANY > 1000:
        print(f"{MANY} files are listed in {peak >> 10} KiB")
    assert len(list(root.list("3", most=10))) == 10


def test_a_large_file_takes_little_memory(root: Root, folder: Path) -> None:
    with (folder / "big.bin").open("wb") as out:
        out.truncate(LARGE)
    size = 0
    tracemalloc.start()
    with root.open("big.bin") as reader:
        while piece := reader.read(1 << 20):
            size += len(piece)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == LARGE and peak < 24 << 20, f"{peak >> 20} MiB"
    if LARGE > 32 << 20:
        print(f"{LARGE >> 20} MiB are read in {peak >> 10} KiB")


def test_wrong_credentials_are_told(server: StoreServer, scenario: WorkspaceScenario) -> None:
    with pytest.raises(StoreError) as caught:
        registration.register(scenario.context, "dav", "http", server.options, server.wrong)
    assert caught.value.facts["stage"] == "sign_in" and caught.value.code == "store_refused"
    store = registration.register(scenario.context, "dav", "http", server.options, server.wrong, validate=False)
    with pytest.raises(StoreError) as caught:
        list(root_of(store).walk())
    assert caught.value.code == "store_refused"


class Plain(SimpleHTTPRequestHandler):
    """A web server as most are: it knows no PROPFIND."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        pass


class Odd(BaseHTTPRequestHandler):
    """One that answers to PROPFIND whatever it is told to."""

    status, body = 207, b""
    protocol_version = "HTTP/1.1"

    def do_PROPFIND(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def serve(scenario: WorkspaceScenario) -> Iterator[Any]:
    servers: list[ThreadingHTTPServer] = []

    def start(handler: Any) -> Root:
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        options = {"endpoint": f"http://127.0.0.1:{servers[-1].server_address[1]}/"}
        return root_of(registration.register(scenario.context, "web", "http", options, {}, validate=False))

    yield start
    for each in servers:
        each.shutdown()
        each.server_close()


def test_a_plain_web_server_still_lists_nothing_and_says_so(serve: Any, folder: Path) -> None:
    put(folder, "a.txt", b"0123")
    root = serve(lambda *given: Plain(*given, directory=str(folder)))
    assert root.size("a.txt") == 4 and root.read("a.txt") == b"0123"
    for ask in (lambda: list(root.walk()), lambda: list(root.list(""))):
        with pytest.raises(StoreError, match="does not speak WebDAV: name each file"):
            ask()


ENTRY = "<D:response><D:href>{}</D:href><D:propstat><D:prop><D:resourcetype>{}</D:resourcetype>{}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
OWN = ENTRY.format("/", "<D:collection/>", "")


def listing(*entries: str) -> bytes:
    return f'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">{OWN}{"".join(entries)}</D:multistatus>'.encode()


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (207, b"<html>", StoreError, "cannot be read"),
        (207, b"<html></html>", StoreError, "begins with <html>"),
        (207, listing()[:-10], StoreError, "cannot be read"),
        (207, b'<!DOCTYPE d [<!ENTITY a "b">]>' + listing()[21:], StoreError, "cannot be read"),
        (207, listing(ENTRY.format("/other/a.txt", "", "")), StoreError, "/other/a.txt"),
        (207, listing(ENTRY.format("/a.txt", "", "")), StoreError, "does not say how large"),
        (207, listing(ENTRY.format("/../a.txt", "", "")), StoreError, "another folder"),
        (207, listing(ENTRY.format("/%ff.txt", "", "")), StoreError, "cannot be read"),
        (207, listing(ENTRY.format("/..", "", "<D:getcontentlength>1</D:getcontentlength>")), Invalid, "no path can name"),
        (503, b"", StoreAway, "cannot answer"),
        (403, b"", StoreError, "may not|does not speak"),
    ],
)  # fmt: skip
def test_a_listing_that_is_none_is_told(serve: Any, status: int, body: bytes, error: Any, says: str) -> None:
    root = serve(type("Now", (Odd,), {"body": body, "status": status}))
    with pytest.raises(error, match=says):
        list(root.walk())


def test_a_redirected_folder_is_listed(serve: Any) -> None:
    """As servers do that want a slash, or moved."""

    class Moved(Odd):
        body = listing().replace(b">/<", b">/new/<").replace(
            b"</D:multistatus>", ENTRY.format("/new/a%20b.txt", "", "<D:getcontentlength>3</D:getcontentlength>").encode() + b"</D:multistatus>"
        )  # fmt: skip

        def do_PROPFIND(self) -> None:
            if self.path.startswith("/new/"):
                super().do_PROPFIND()
                return
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(301)
            self.send_header("Location", f"/new{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    assert [(each.path, each.size) for each in serve(Moved).walk()] == [("a b.txt", 3)]
