"""Web addresses: fetched once, guarded, checked again at each redirect. The server is a real one on this machine."""

from __future__ import annotations

import contextlib
import gzip
import io
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from django.utils import translation

from core.clock import now
from core.errors import Conflict, Unprocessable
from datasets import addresses, fetch, references, stored_messages, tables
from datasets.models import DatasetVersion
from datasets.services import fetching
from datasets.services import fetching as dataset_fetching
from datasets.services import files as dataset_files
from datasets.services.versions import get_version, save
from duto.spec.graph import Input
from runs.stored_messages import localized
from tests.workspace_scenario import WorkspaceScenario, code

pytestmark = pytest.mark.django_db


class Site(BaseHTTPRequestHandler):
    """A small web site that counts its visitors."""

    body: ClassVar[bytes] = b"a,b\n1,2\n"
    hits: ClassVar[int] = 0
    is_gone: ClassVar[bool] = False

    def do_GET(self) -> None:
        type(self).hits += 1
        if type(self).is_gone:
            self._answer(404, b"no")
        elif self.path == "/moved":
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
    Site.hits, Site.body, Site.is_gone = 0, b"a,b\n1,2\n", False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def wakeups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions whose fetch is asked for, as a worker would hear it."""
    heard: list[str] = []
    monkeypatch.setattr(fetching, "send", lambda task, *, version_id: heard.append(version_id))
    return heard


def while_fetching(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Do this once, in the middle of the next fetch."""
    real, left = fetch.copy_of, [action]

    def copy_of(*given: Any, **more: Any) -> fetch.Copy:
        if left:
            left.pop()()
        return real(*given, **more)

    monkeypatch.setattr(fetch, "copy_of", copy_of)


def saved(
    scenario: WorkspaceScenario, url: str, name: str | None = "web", kind: str = "tabular", **more: Any
) -> DatasetVersion:
    """A version of what is at an address, as it is when it was saved."""
    return save(scenario.context, name, kind, {"sources": [{"url": url}]}, **more)


def error_of(version: DatasetVersion) -> dict[str, str]:
    assert version.error is not None
    return dict(version.error)


def fetched(version: DatasetVersion) -> DatasetVersion:
    fetching.fetch(version.pk)
    return get_version(version.workspace, version.pk)


def test_a_table_from_the_web_is_kept_and_read_from_the_copy(scenario: WorkspaceScenario, site: str) -> None:
    version = fetched(saved(scenario, f"{site}/moved"))
    assert (version.status, version.file_count, version.size, version.error) == ("ready", 1, 8, None)
    assert [each["name"] for each in (version.profile or {})["columns"]] == ["a", "b"]
    found = dataset_files.files_of(version)
    hits = Site.hits
    assert [(each.path, each.size, each.url) for each in found] == [("moved", 8, f"{site}/moved")]
    asked = tables.Question(scenario.workspace, found, version.definition)
    assert tables.first_rows(asked, 5, 100).rows == [[1, 2]]
    assert dataset_files.identity(version) == dataset_files.identity(version)
    assert Site.hits == hits


def test_what_has_not_changed_is_not_fetched_again(scenario: WorkspaceScenario, site: str) -> None:
    first = fetch.copy_of(scenario.workspace, f"{site}/data.csv")
    assert fetch.copy_of(scenario.workspace, f"{site}/data.csv") == first
    Site.body = b"a,b\n1,2\n3,4\n"
    assert fetch.copy_of(scenario.workspace, f"{site}/data.csv").digest != first.digest


def test_why_it_was_not_fetched_is_told_in_the_readers_language(scenario: WorkspaceScenario, site: str) -> None:
    version = fetched(saved(scenario, f"{site}/nothing.csv"))
    assert version.status == "failed" and version.error is not None
    assert (
        version.localized_error
        == version.error["message"]
        == f"'{site}/nothing.csv' cannot be fetched: it answers 404."
    )
    refused = scenario.api.get(f"dataset-versions/{version.pk}/preview/").json()["error"]
    kept = {"text": refused["message"], "code": refused["code"], "facts": refused["facts"]}
    with translation.override("pt-pt"):
        wanted = f"Não é possível obter '{site}/nothing.csv': responde 404."
        assert version.localized_error == wanted
        assert localized(kept).endswith(wanted)


def test_saving_asks_nobody_and_reading_waits_for_no_one(scenario: WorkspaceScenario, site: str) -> None:
    version = saved(scenario, f"{site}/data.csv")
    assert (version.status, Site.hits) == ("fetching", 0)
    place = f"dataset-versions/{version.pk}/"
    assert scenario.api.get(place).json()["status"] == "fetching"
    for part in ("files/", "preview/", "content/"):
        answer = scenario.api.get(place + part)
        assert code(answer) == (422, "still_fetching")
        assert "'web' version 1 is still being fetched" in str(answer.json())
    assert Site.hits == 0
    assert fetched(version).status == "ready"
    assert scenario.api.get(place + "preview/").json()["rows"] == [[1, 2]]


@pytest.mark.parametrize("by_parameter", [False, True])
def test_a_run_is_refused_until_its_data_are_here(scenario: WorkspaceScenario, site: str, by_parameter: bool) -> None:
    version = saved(scenario, f"{site}/data.csv")
    source = Input(name="d", parameter="p") if by_parameter else Input(name="d", dataset=str(version.pk))

    def problems() -> list[tuple[str, str]]:
        return references.problems_of(scenario.workspace, [source], [], None, {"p": str(version.pk)})

    [(why, text)] = problems()
    assert why == "still_fetching" and "still being fetched" in text
    fetched(version)
    assert problems() == []
    assert saved(scenario, f"{site}/data.csv").status == "fetching"
    assert problems() == []


def test_what_cannot_be_fetched_is_failed_with_words_and_takes_no_name(scenario: WorkspaceScenario, site: str) -> None:
    bad = fetched(saved(scenario, f"{site}/gone"))
    assert (bad.status, error_of(bad)["code"]) == ("failed", "not_fetched")
    assert "it answers 404" in error_of(bad)["message"]
    refused = scenario.api.get(f"dataset-versions/{bad.pk}/preview/")
    assert code(refused) == (422, "not_fetched") and "answers 404" in str(refused.json())
    # The same name, another address, even another kind: as if the first had been refused at once.
    good = fetched(saved(scenario, f"{site}/data.csv", kind="file"))
    assert (good.status, good.version) == ("ready", 2)
    worse = fetched(saved(scenario, f"{site}/gone", kind="file", create_new_version=True))
    assert (worse.status, worse.version) == ("failed", 3)
    assert scenario.api.get("datasets/web/versions/latest/").json()["version"] == 2
    assert scenario.api.get("datasets/web/versions/3/").json()["error"]["code"] == "not_fetched"


def test_a_table_that_is_none_is_failed_and_tried_again_when_it_is_saved_again(
    scenario: WorkspaceScenario, site: str
) -> None:
    Site.body = b'a,b\n1,"2\n'
    version = fetched(saved(scenario, f"{site}/data.csv"))
    assert (version.status, error_of(version)["code"]) == ("failed", "not_a_table")
    assert "line 2 is never closed" in error_of(version)["message"]
    Site.body = b"a,b\n1,2\n3,4\n"
    again = saved(scenario, f"{site}/data.csv")
    assert (again.pk, again.status) == (version.pk, "fetching")
    version = fetched(again)
    assert (version.status, version.size, version.error) == ("ready", 12, None)


def test_a_copy_stays_in_use_when_the_web_can_no_longer_be_asked(scenario: WorkspaceScenario, site: str) -> None:
    version = fetched(saved(scenario, f"{site}/data.csv"))
    before = dataset_files.identity(version)
    Site.is_gone = True
    version = fetched(saved(scenario, f"{site}/data.csv"))
    assert version.status == "ready" and "answers 404" in error_of(version)["message"]
    assert dataset_files.identity(version) == before
    Site.is_gone = False
    assert fetched(saved(scenario, f"{site}/data.csv")).error is None


def test_a_doubled_wakeup_fetches_once_and_a_late_one_nothing(
    scenario: WorkspaceScenario, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = saved(scenario, f"{site}/data.csv")
    woken: list[int] = []

    def ring_again() -> None:
        woken.append(1)
        fetching.fetch(version.pk)

    while_fetching(monkeypatch, ring_again)
    version = fetched(version)
    assert (version.status, Site.hits, woken) == ("ready", 1, [1])
    fetched(version)
    assert Site.hits == 1


def test_what_a_lost_worker_left_is_asked_for_again(scenario: WorkspaceScenario, site: str, wakeups: list[str]) -> None:
    version = saved(scenario, f"{site}/data.csv")
    row = DatasetVersion.objects.filter(pk=version.pk)
    dataset_fetching.resume_waiting()
    assert wakeups == []
    row.update(asked_at=now() - timedelta(seconds=3))
    dataset_fetching.resume_waiting()
    assert wakeups == [str(version.pk)]
    row.update(lease_until=now() + timedelta(seconds=9), tries=1)
    dataset_fetching.resume_waiting()
    fetching.fetch(version.pk)
    assert (len(wakeups), Site.hits) == (1, 0)
    row.update(lease_until=now() - timedelta(seconds=1))
    dataset_fetching.resume_waiting()
    assert len(wakeups) == 2 and fetched(version).status == "ready"


def test_a_worker_that_lost_its_lease_leaves_the_version_to_the_other(
    scenario: WorkspaceScenario, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = saved(scenario, f"{site}/data.csv")
    theirs = now() + timedelta(seconds=77)
    mine = DatasetVersion.objects.filter(pk=version.pk)
    while_fetching(monkeypatch, lambda: mine.update(lease_until=theirs))
    version = fetched(version)
    assert (version.status, version.lease_until) == ("fetching", theirs)


def test_a_fault_of_the_studio_is_tried_again_and_ends_in_words(
    scenario: WorkspaceScenario, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = saved(scenario, f"{site}/data.csv")

    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(fetch, "copy_of", full)
    for _ in range(fetching.MOST_TRIES):
        with pytest.raises(OSError, match="No space"):
            fetching.fetch(version.pk)
    version = fetched(version)
    assert version.status == "failed" and "tried 5 times" in error_of(version)["message"]


def test_no_more_are_fetched_at_once_than_leave_room_for_runs(
    scenario: WorkspaceScenario, site: str, wakeups: list[str], settings: Any
) -> None:
    settings.DUTO = replace(settings.DUTO, worker_threads=4)
    versions = [saved(scenario, f"{site}/data.csv?{n}", name=None) for n in range(4)]
    every = DatasetVersion.objects.filter(pk__in=[each.pk for each in versions])
    every.update(asked_at=now() - timedelta(seconds=9))
    every.filter(pk=versions[0].pk).update(lease_until=now() + timedelta(seconds=9))
    dataset_fetching.resume_waiting()
    assert wakeups == [str(versions[1].pk)]
    every.filter(pk=versions[1].pk).update(lease_until=now() + timedelta(seconds=9))
    assert (fetched(versions[2]).status, Site.hits) == ("fetching", 0)


@pytest.mark.parametrize("url", ["http://[x/", "http://a:99999/", "http://", "ftp://a/b"])
def test_an_address_that_is_none_is_a_clear_refusal(scenario: WorkspaceScenario, url: str) -> None:
    answer = scenario.api.post("datasets/", {"name": "x", "kind": "file", "definition": {"sources": [{"url": url}]}})
    if answer.status_code == 201:
        fetching.fetch(answer.json()["id"])
        assert scenario.api.get(f"dataset-versions/{answer.json()['id']}/").json()["status"] == "failed"
    else:
        assert code(answer) == (400, "bad_definition")


@pytest.mark.parametrize(("path", "why"), [("/gone", "answers 404"), ("/trap", "http"), ("/round", "redirects")])
def test_what_cannot_be_had_is_told(scenario: WorkspaceScenario, site: str, path: str, why: str) -> None:
    with pytest.raises(Unprocessable, match=why):
        fetch.copy_of(scenario.workspace, site + path)


def test_a_file_that_is_too_large_is_left(scenario: WorkspaceScenario, site: str, settings: Any) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_max_bytes=4)
    with pytest.raises(Unprocessable, match="larger than 4 bytes"):
        fetch.copy_of(scenario.workspace, f"{site}/data.csv")


def test_private_addresses_are_refused_unless_they_are_allowed(
    scenario: WorkspaceScenario, site: str, settings: Any
) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_private=False)
    with pytest.raises(Unprocessable, match="private network") as refused:
        fetch.copy_of(scenario.workspace, f"{site}/data.csv")
    assert refused.value.code == "private_address" and Site.hits == 0


PRIVATE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "10.0.0.1", "172.31.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "0.1.2.3", "192.0.0.8", "192.0.2.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "localhost", "localhost.", "LOCALHOST", "::1", "::", "::ffff:10.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::7f00:1", "64:ff9b:1:a::1", "2002:7f00:1::", "2002:c0a8:101::1", "2002:808:808::1",
    "2001:0:53aa:64c:0:fbff:ae51:a4a8", "2001:db8::1", "fe80::1", "fe80::1%lo", "fec0::1", "fc00::1", "fd12::1", "ff02::1",
    "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:7f00:1", "100::1", "3fff::1", "5f00::1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "2606:4700::1111",
    "2a00:1450:4001:81b::200e",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
    "192.0.1.1",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_no_spelling_of_a_private_address_passes(host: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        fetch.allowed_addresses(host, 80)
    # A spelling that this machine's resolver does not take leads nowhere.
    assert refused.value.code == "private_address" or "no such host" in refused.value.message
    url = f"http://user:word@{f'[{host}]' if ':' in host else host}/x"
    with pytest.raises(Unprocessable):
        fetch._download(url, None, io.BytesIO(), lambda: None)


@pytest.mark.parametrize("host", PUBLIC)
def test_what_is_public_passes_in_every_spelling(host: str) -> None:
    assert addresses.is_public(ipaddress.ip_address(host))
    fetch.check(f"http://{f'[{host}]' if ':' in host else host}/")


@pytest.mark.parametrize("host", ["224.0.0.1", "0.0.0.0", "::", "ff02::1", "255.255.255.255", "64:ff9b::e000:1"])
def test_what_is_no_machine_is_refused_where_private_ones_are_allowed(host: str, settings: Any) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    with pytest.raises(Unprocessable, match="not one of a web server"):
        fetch.allowed_addresses(host, 80)


class Odd(BaseHTTPRequestHandler):
    """A site that leads astray, packs oddly, and never comes to an end."""

    to: ClassVar[str] = ""

    def do_GET(self) -> None:
        if self.path == "/to":
            self._head(302, Location=self.to)
        elif self.path.startswith("/packed/"):
            coding = self.path.rpartition("/")[2].replace("+", ", ")
            body = gzip.compress(b"0" * 20_000_000)
            self._head(200, **{"Content-Encoding": coding, "Content-Length": str(len(body))})
            self.wfile.write(body)
        elif self.path == "/drip":
            with contextlib.suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
                for _ in range(600):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.1)
        else:
            self._head(200, **{"Content-Length": "2"})
            self.wfile.write(b"ok")

    def _head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """It lies on this machine, which counts as the open internet here; every other private address does not."""
    kept = tuple(each for each in addresses._NOT_PUBLIC if str(each) != "127.0.0.0/8")
    monkeypatch.setattr(addresses, "_NOT_PUBLIC", kept)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "to",
    ["http://10.0.0.1/", "http://[::127.0.0.1]/", "http://[64:ff9b::a00:1]/", "//192.168.0.1/", "http://[2002:7f00:1::]:80/x",
     "gopher://127.0.0.1/", "file:///etc/passwd", "http://a@10.0.0.1:1/", "http://", "http://[", "http://\xff/"],
)  # fmt: skip
def test_a_redirect_is_looked_at_like_the_first_address(odd: str, to: str) -> None:
    Odd.to = to
    with pytest.raises(Unprocessable):
        fetch._download(f"{odd}/to", None, io.BytesIO(), lambda: None)


def test_a_name_is_looked_up_once_and_no_proxy_is_asked(odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def changing(host: Any, port: Any, *given: Any, **more: Any) -> Any:
        if host != "rebinding.example":
            return real(host, port, *given, **more)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "10.0.0.1", port, *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://10.0.0.1:9")
    sink = io.BytesIO()
    assert fetch._download(f"{odd.replace('127.0.0.1', 'rebinding.example')}/x", None, sink, lambda: None)
    assert (asked, sink.getvalue()) == (["rebinding.example"], b"ok")
    with pytest.raises(Unprocessable, match="private network"):
        fetch._download(f"{odd.replace('127.0.0.1', 'rebinding.example')}/x", None, sink, lambda: None)


def test_sizes_are_those_of_what_is_unpacked(odd: str, settings: Any) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_max_bytes=1_000_000)
    with pytest.raises(Unprocessable, match="larger than 1000000 bytes"):
        fetch._download(f"{odd}/packed/gzip", None, io.BytesIO(), lambda: None)
    for coding in ("br", "zstd", "gzip+gzip", "gzip+br"):
        with pytest.raises(Unprocessable, match="only gzip is unpacked"):
            fetch._download(f"{odd}/packed/{coding}", None, io.BytesIO(), lambda: None)


def test_a_server_that_drips_its_head_has_an_end(odd: str, settings: Any) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_seconds=1)
    with pytest.raises(Unprocessable, match=r"longer than 1\.0 s"):
        fetch._download(f"{odd}/drip", None, io.BytesIO(), lambda: None)


def test_a_full_workspace_is_told_in_the_language_of_who_reads_it() -> None:
    full = Conflict("…", code="storage_limit", workspace="lab", storage_bytes=2 << 30, left=0)
    kept = stored_messages.of_refusal(full)
    assert isinstance(kept, dict) and kept["text"].startswith("Workspace 'lab' may keep 2")
    with translation.override("pt-pt"):
        assert "lab" in stored_messages.localized(kept) and "may keep" not in stored_messages.localized(kept)
