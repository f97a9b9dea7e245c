"""The contract of all kinds of datastores of files, against real servers; and how each refuses."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from core.errors import Conflict, Invalid, NotFound, StudioError
from core.objects import ObjectRoot, StoreAway, StoreError
from core.storage import Root
from datasets.kinds import KINDS
from datasets.models import Datastore
from datasets.services import registration
from datasets.stores import can_presign, part_uploads_of, presigned, root_of
from tests.datasets import store_servers as servers
from tests.datasets.store_servers import Between, FaultySite, StoreServer
from tests.workspace_scenario import WorkspaceScenario

pytestmark = pytest.mark.django_db
SERVERS = {"azure_blob": servers.azurite, "s3": servers.moto, "s3_signed": servers.rclone, "sftp": servers.sshd}
# Fewer and smaller than a person may have, as many as the suite bears; docs/data.md tells what the large sizes measured.
MANY_FILES = int(os.environ.get("DUTO_TEST_MANY_FILES", "60"))
LARGE = int(os.environ.get("DUTO_TEST_LARGE_MIB", "96")) << 20


@pytest.fixture(autouse=True)
def near(settings: Any) -> None:
    """These servers are on this very machine."""
    settings.DUTO = replace(settings.DUTO, fetch_private=True)


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[StoreServer]:
    with SERVERS[request.param]() as found:
        yield found


@pytest.fixture
def site() -> Iterator[FaultySite]:
    found = FaultySite()
    yield found
    found.close()


def options_of(server: StoreServer) -> dict[str, Any]:
    """A place of one's own on the server."""
    name = f"t{uuid4().hex[:20]}"
    place = {"azure_blob": "container", "s3": "bucket", "sftp": "path"}[server.kind]
    return {**server.options, place: f"{server.options.get('path', '')}/{name}" if place == "path" else name}


@pytest.fixture
def store(server: StoreServer, scenario: WorkspaceScenario) -> Datastore:
    return registration.register(
        scenario.context, "far", server.kind, options_of(server), server.credentials, create=True
    )


@pytest.fixture
def root(store: Datastore) -> Root:
    return root_of(store)


def write(root: Root, key: str, data: bytes = b"x", **more: Any) -> None:
    root.write(key, io.BytesIO(data), **more)


def test_a_file_is_written_listed_read_and_removed(root: Root) -> None:
    assert list(root.walk()) == [] and root.state("a.txt") is None and not root.exists("a")
    write(root, "a/b/one two.txt", b"0123456789")
    write(root, "a/é – ü.csv", b"")
    write(root, "top.txt", b"1")
    found = {each.path: each.size for each in root.walk()}
    assert found == {"a/b/one two.txt": 10, "a/é – ü.csv": 0, "top.txt": 1}
    assert (
        [each.path for each in root.walk("a/b")]
        == ["a/b/one two.txt"]
        == [each.path for each in root.walk("a/b/one two.txt")]
    )
    assert list(root.list()) == [("a", True, 0), ("top.txt", False, 1)]
    assert [name for name, _, _ in root.list("a")] == ["b", "é – ü.csv"]
    assert root.read("a/b/one two.txt", 3, 4) == b"3456" and root.read("a/é – ü.csv") == b""
    assert root.exists("a/b") and not root.is_file("a/b") and root.size("top.txt") == 1
    assert root.digest("top.txt") == hashlib.sha256(b"1").hexdigest()
    assert abs(root.modified("top.txt") - time.time()) < 120
    root.remove("a")
    assert [each.path for each in root.walk()] == ["top.txt"]
    with pytest.raises(NotFound):
        root.open("a/b/one two.txt")
    with pytest.raises(NotFound):
        list(root.list("a"))


def test_a_file_is_replaced_only_where_that_is_said(root: Root) -> None:
    write(root, "a.txt", b"one")
    before = root.state("a.txt")
    with pytest.raises(Conflict):
        write(root, "a.txt", b"two", overwrite=False)
    assert root.read("a.txt") == b"one"
    write(root, "a.txt", b"three")
    assert root.read("a.txt") == b"three" and root.state("a.txt") != before


def test_two_who_write_one_new_file_do_not_both_win(root: Root) -> None:
    assert isinstance(root, ObjectRoot)
    root.objects.write("a.txt", io.BytesIO(b"one"), 3, overwrite=False)
    with pytest.raises(Conflict):
        root.objects.write("a.txt", io.BytesIO(b"two"), 3, overwrite=False)
    assert root.read("a.txt") == b"one"


def test_a_file_is_renamed(root: Root) -> None:
    write(root, "a.txt", b"one")
    root.move("a.txt", "below/b.txt")
    assert [(each.path, each.size) for each in root.walk()] == [("below/b.txt", 3)]


def test_a_reader_goes_anywhere(root: Root) -> None:
    data = os.urandom(3 << 20)
    write(root, "data.bin", data)
    with root.open("data.bin") as reader:
        reader.seek(-5, io.SEEK_END)
        assert reader.read() == data[-5:]
        reader.seek(1 << 20)
        assert reader.read(100) == data[1 << 20 : (1 << 20) + 100]
        reader.seek(0)
        assert reader.read() == data and reader.read() == b""


def test_names_that_look_like_ways_out_are_names(root: Root) -> None:
    for key in ("a%2fb.txt", "%2e%2e.txt", "a b+c&d=e#f?.txt", "..hidden", "q'\"q.txt"):
        write(root, key, key.encode())
        assert root.read(key) == key.encode(), key
    for key in ("../a.txt", "/etc/passwd", "a/../../b"):
        with pytest.raises(Invalid):
            write(root, key)
        with pytest.raises(Invalid):
            root.open(key)


# What has nothing to do with signatures is asked of one S3 alone.
@pytest.mark.parametrize("server", ["azure_blob", "s3", "sftp"], indirect=True)
def test_a_folder_of_many_files_comes_page_by_page(root: Root) -> None:
    assert isinstance(root, ObjectRoot)
    for number in range(MANY_FILES):
        root.objects.write(f"many/{number:06}.txt", io.BytesIO(b"x"), 1, overwrite=True)
    tracemalloc.start()
    listed = (each.path for each in root.walk("many"))
    assert all(found == f"many/{number:06}.txt" for number, found in zip(range(MANY_FILES), listed, strict=True))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < (16 << 20) + (MANY_FILES << 10), f"{peak >> 10} KiB"
    if MANY_FILES > 1000:
        print(f"{MANY_FILES} files are listed in {peak >> 10} KiB")
    assert len(list(root.list("many", most=10))) == 10
    root.remove("many")
    assert not root.exists("many")


@pytest.mark.parametrize("server", ["azure_blob", "s3", "sftp"], indirect=True)
def test_a_large_file_takes_little_memory(root: Root, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    with big.open("wb") as out:
        out.truncate(LARGE)
        out.seek(50 << 20)
        out.write(b"in the middle")
    tracemalloc.start()
    root.adopt(big, "big.bin")
    with root.open("big.bin") as reader:
        reader.seek(50 << 20)
        assert reader.read(13) == b"in the middle"
        size = reader.tell()
        while piece := reader.read(1 << 20):
            size += len(piece)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == LARGE and peak < 70 << 20, f"{peak >> 20} MiB"
    if LARGE > 96 << 20:
        print(f"{LARGE >> 20} MiB are sent and read in {peak >> 10} KiB")
    assert root.size("big.bin") == LARGE and not big.exists()


def test_a_folder_is_adopted(root: Root, tmp_path: Path) -> None:
    (tmp_path / "out/deep").mkdir(parents=True)
    (tmp_path / "out/deep/a.txt").write_text("a")
    (tmp_path / "out/b.txt").write_text("bb")
    root.adopt(tmp_path / "out", "kept/out")
    assert {each.path: each.size for each in root.walk("kept")} == {"kept/out/b.txt": 2, "kept/out/deep/a.txt": 1}
    assert not (tmp_path / "out").exists()


def test_wrong_credentials_a_wrong_place_and_nobody_there_are_told(
    server: StoreServer, store: Datastore, scenario: WorkspaceScenario
) -> None:
    def stage(options: dict[str, Any], credentials: dict[str, str]) -> str:
        with pytest.raises(StudioError) as caught:
            registration.register(scenario.context, "other", server.kind, options, credentials)
        for secret in (*server.credentials.values(), *credentials.values()):
            assert secret not in str(caught.value.as_document())
        return str(caught.value.facts["stage"])

    assert not Datastore.objects.filter(name="other").exists()
    if server.wrong:
        # Azurite says of a signature that is wrong what Azure says of a right that is missing.
        assert stage(store.options, server.wrong) in ("sign_in", "permission")
    where = {"azure_blob": "container", "s3": "bucket", "sftp": "path"}[server.kind]
    nowhere = "/nowhere/at/all" if where == "path" else "there-is-no-such-place"
    assert stage({**store.options, where: nowhere}, server.credentials) == "container"
    if server.kind == "sftp":
        assert stage({**store.options, "port": "9"}, server.credentials) == "network"
        assert stage({**store.options, "host": "no-such-host.invalid"}, server.credentials) == "name"
    else:
        assert stage({**store.options, "endpoint": "http://127.0.0.1:9/x"}, server.credentials) == "network"
        assert stage({**store.options, "endpoint": "http://no-such-host.invalid/x"}, server.credentials) == "name"


@pytest.mark.parametrize("minutes", [-20, 0, 20])
def test_clocks_that_differ_are_told_where_credentials_are_refused(
    server: StoreServer, store: Datastore, scenario: WorkspaceScenario, minutes: int
) -> None:
    if "endpoint" not in server.options:
        return  # no signature of it has a time
    between = Between(server.options["endpoint"])
    between.faults, between.ahead_s = [403] * 9, minutes * 60
    try:
        options = {**store.options, "endpoint": between.url}
        with pytest.raises(StudioError) as caught:
            registration.register(scenario.context, "other", server.kind, options, server.credentials)
    finally:
        between.close()
    assert caught.value.facts["stage"] == ("sign_in" if minutes else "permission")
    assert ("20 minutes apart" in caught.value.message) == bool(minutes), caught.value.message


def test_a_private_address_needs_the_setting(
    server: StoreServer, store: Datastore, root: Root, scenario: WorkspaceScenario, settings: Any
) -> None:
    write(root, "a.txt")
    settings.DUTO = replace(settings.DUTO, fetch_private=False)
    tested = registration.test(scenario.context, "far")
    assert tested.failed == "name" and "DUTO_FETCH_PRIVATE" in tested.message
    # Not only where it is tested: a connection that is opened anew is looked at.
    again = Datastore.objects.get(pk=store.pk)
    again.pk = uuid4()
    registration.stores.seal(again, server.credentials)
    with pytest.raises(StudioError, match="DUTO_FETCH_PRIVATE"):
        root_of(again).size("a.txt")


def test_credentials_are_rotated_and_never_told(
    server: StoreServer, store: Datastore, root: Root, scenario: WorkspaceScenario, django_db_blocker: Any
) -> None:
    write(root, "a.txt", b"kept")
    secret = next(iter(server.credentials.values()))
    shown = str(scenario.api.get("datastores/far/").json()) + repr(registration.stores.connection_of(store))
    assert secret not in shown and secret.encode() not in bytes(store.sealed or b"")
    if server.wrong:
        with pytest.raises(StoreError):
            registration.set_credentials(scenario.context, "far", server.wrong)
        assert root_of(Datastore.objects.get(pk=store.pk)).read("a.txt") == b"kept"
        registration.set_credentials(scenario.context, "far", server.wrong, validate=False)
        with pytest.raises(StoreError) as caught:
            root_of(Datastore.objects.get(pk=store.pk)).read("a.txt")
        assert caught.value.facts["stage"] in ("sign_in", "permission")
    registration.set_credentials(scenario.context, "far", server.credentials)
    registration.rotate()
    assert root_of(Datastore.objects.get(pk=store.pk)).read("a.txt") == b"kept"


def test_an_address_of_the_stores_own_reads_one_file_for_a_while(
    server: StoreServer, store: Datastore, root: Root, scenario: WorkspaceScenario
) -> None:
    key = "a/é – #?%20.txt"
    write(root, key, b"0123456789")
    write(root, "b.txt", b"other")
    address = presigned(scenario.workspace, "far", key, 60)
    if not KINDS[server.kind].can_presign:
        assert address == ""
        return
    answer = httpx.get(address)
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    tag = answer.headers["ETag"]
    state = root.state(key)
    assert state is not None and tag.strip('"') == state[1]
    part = httpx.get(address, headers={"Range": "bytes=3-", "If-Match": tag})
    # rclone says 200 of a part; and what it takes for the tag may for a moment be that of before.
    is_exact = part.status_code == 206
    assert part.content == b"3456789" and (is_exact or part.status_code == 200)
    assert not any(secret in address for secret in server.credentials.values() if len(secret) > 3)
    write(root, key, b"9876543210")
    assert not is_exact or httpx.get(address, headers={"If-Match": tag}).status_code == 412
    if server.wrong:  # moto looks at no signature
        assert httpx.put(address, content=b"x", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 403
        assert httpx.get(address.replace(address.partition("?")[0].rsplit("/", 2)[1], "b.txt", 1)).status_code >= 400
        past = presigned(scenario.workspace, "far", key, -10)
        assert httpx.get(past).status_code in (400, 403)  # rclone takes no negative time


def test_parts_are_a_file_once_they_are_committed_and_not_before(
    server: StoreServer, store: Datastore, root: Root
) -> None:
    """Each part by an address of its own; of another size, or without one of them, nothing is written."""
    if not KINDS[server.kind].can_presign:
        assert not can_presign(store.workspace, "far")
        return
    uploads, key, sizes = part_uploads_of(store), "a/é – #?%20+.bin", [8 << 20, 100]
    write(root, key, b"before")
    upload = uploads.begin_upload(key)
    for number, size in enumerate(sizes, 1):
        data = bytes([number]) * size
        address = uploads.part_address(key, upload, number, 60)
        assert not any(secret in address for secret in server.credentials.values() if len(secret) > 3)
        headers = {"Content-MD5": base64.b64encode(hashlib.md5(data).digest()).decode()}
        assert httpx.put(address, content=data, headers=headers).status_code in (200, 201)
        if server.wrong:  # moto does not compare
            assert httpx.put(address, content=b"y" * size, headers=headers).status_code == 400
        if server.kind == "azure_blob":
            assert httpx.get(address).status_code == 403, "it is for writing alone"
        assert root.read(key) == b"before"
        with pytest.raises(StoreAway, match="nothing was written"):
            uploads.commit_upload(key, upload, [8 << 20, 101])
    assert root.read(key) == b"before"
    uploads.commit_upload(key, upload, sizes)
    assert root.read(key) == b"\1" * sizes[0] + b"\2" * sizes[1]
    if server.kind == "s3" and server.wrong:  # rclone keeps nothing of what an upload says of its object
        assert not uploads.has_committed(key, upload)
    else:
        uploads.commit_upload(key, upload, sizes)  # nobody heard of the first
        assert uploads.has_committed(key, upload)
    write(root, key, b"another")
    assert not uploads.has_committed(key, upload)
    with pytest.raises(StoreAway, match="nothing was written"):
        uploads.commit_upload(key, upload, sizes)
    assert root.read(key) == b"another"
    other = uploads.begin_upload(key)
    httpx.put(uploads.part_address(key, other, 1, 60), content=b"x")
    for _ in range(2):
        uploads.abort_upload(key, other)
    write(root, key, bytes(9 << 20))  # in several blocks, with those of before not committed
    assert root.size(key) == 9 << 20


def test_a_web_server_is_read_by_path(site: FaultySite, scenario: WorkspaceScenario) -> None:
    data = os.urandom(1 << 20)
    site.files = {"/data/a%20b.bin": data}
    store = registration.register(
        scenario.context, "web", "http", {"endpoint": f"{site.url}/data"}, {"token": "abc-secret"}
    )
    root = root_of(store)
    assert root.size("a b.bin") == len(data) and root.read("a b.bin", 1000, 10) == data[1000:1010]
    assert site.asked[-1][2]["Authorization"] == "Bearer abc-secret"
    assert [each.path for each in root.walk("a b.bin")] == ["a b.bin"] and root.state("none") is None
    with pytest.raises(StoreError, match="name each file"):
        list(root.walk(""))
    with pytest.raises(StoreError, match="only read"):
        write(root, "new.txt")


def test_a_store_that_stumbles_is_asked_again(site: FaultySite, scenario: WorkspaceScenario, monkeypatch: Any) -> None:
    monkeypatch.setattr("core.objects.PAUSE", 0.0)
    data = os.urandom(1 << 20)
    site.files = {"/a.bin": data}
    root = root_of(registration.register(scenario.context, "web", "http", {"endpoint": site.url}, {}))
    assert root.size("a.bin") == len(data)
    site.faults = ["half", 500, "half", 429]
    assert root.read("a.bin") == data
    assert [each[2].get("Range", "") != "" for each in site.asked if each[0] == "GET"][-1], "it went on where it broke"
    site.faults = ["half"] * 50
    with pytest.raises(StoreError) as caught:
        root.read("a.bin")
    assert caught.value.facts["stage"] in ("network", "answer")


def test_a_file_that_changes_while_it_is_read_is_told(
    site: FaultySite, scenario: WorkspaceScenario, monkeypatch: Any
) -> None:
    monkeypatch.setattr("core.objects.PAUSE", 0.0)
    site.files = {"/a.bin": b"a" * (2 << 20)}
    root = root_of(registration.register(scenario.context, "web", "http", {"endpoint": site.url}, {}))
    with root.open("a.bin") as reader:
        reader.read(10)
        site.files = {"/a.bin": b"b" * (2 << 20)}
        reader.seek(1 << 21 >> 1)
        with pytest.raises(StoreError, match="changed while it was read"):
            reader.read()


@pytest.mark.parametrize(
    ("kind", "options", "credentials", "code"),
    [
        ("local", {}, {}, "bad_kind"),
        ("ftp", {}, {}, "bad_kind"),
        ("gcs", {"bucket": "b"}, {"access_id": "a"}, "bad_credentials"),
        ("gcs", {"bucket": "b"}, {"access_id": "a", "secret": '{"type": "service_account"}'}, "bad_credentials"),
        ("azure_blob", {"account": "a"}, {"account_key": servers.KEY}, "bad_option"),
        ("azure_blob", {"account": "a", "container": "c"}, {}, "bad_credentials"),
        ("azure_blob", {"account": "a", "container": "c"}, {"account_key": "no base64!"}, "bad_credentials"),
        ("azure_blob", {"account": "a", "container": "c\nd"}, {"account_key": servers.KEY}, "bad_option"),
        ("azure_blob", {"account": "a", "container": "c", "color": "red"}, {"account_key": servers.KEY}, "bad_option"),
        ("s3", {"bucket": "b"}, {"access_key_id": "a"}, "bad_credentials"),
        ("s3", {"bucket": "b", "endpoint": "file:///etc/passwd"}, {}, "bad_option"),
        ("sftp", {"host": "h", "username": "u", "host_key": "none"}, {"password": "p"}, "bad_option"),
        ("sftp", {"host": "h", "username": "u", "host_key": "ssh-ed25519 AAAA", "port": "x"}, {"password": "p"}, "bad_option"),
        ("postgresql", {"host": "h", "database": "d", "username": "u"}, {}, "bad_credentials"),
    ],
)  # fmt: skip
def test_what_no_kind_takes_is_refused(
    scenario: WorkspaceScenario, kind: str, options: dict[str, Any], credentials: dict[str, str], code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        registration.register(scenario.context, "far", kind, options, credentials, validate=False)
    assert caught.value.code == code and not Datastore.objects.filter(name="far").exists()


def test_every_kind_of_the_model_is_registered_once() -> None:
    assert set(KINDS) == set(Datastore.Kind.values)
    assert {name: str(kind.label) for name, kind in KINDS.items()} == {
        each.value: str(each.label) for each in Datastore.Kind
    }
    assert not [name for name, kind in KINDS.items() if name != "local" and bool(kind.files) == bool(kind.database)]
    names = [each.name for kind in KINDS.values() for each in (*kind.options, *kind.credentials)]
    assert all(name.isidentifier() for name in names)


def test_a_missing_library_says_what_to_install(scenario: WorkspaceScenario, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StoreError, match="DUTO_EXTRAS=s3"):
        registration.register(scenario.context, "far", "s3", {"bucket": "b"}, {})


def test_a_bucket_of_googles_interface_is_asked_for_what_that_knows(
    scenario: WorkspaceScenario, tmp_path: Path
) -> None:
    """The bytes themselves are those of the contract of S3, whose code it is."""
    with servers.rclone() as server:
        between = servers.Between(server.options["endpoint"])
        keys = {"access_id": "ana", "secret": "secret-of-ana"}
        options = {"bucket": "far", "endpoint": between.url}
        root = root_of(registration.register(scenario.context, "far", "gcs", options, keys, create=True))
        write(root, "a b.txt", b"0123456789", overwrite=False)
        with pytest.raises(Conflict):
            write(root, "a b.txt", b"x", overwrite=False)
        (tmp_path / "big.bin").write_bytes(os.urandom(9 << 20))
        digest = hashlib.sha256((tmp_path / "big.bin").read_bytes()).hexdigest()
        root.adopt(tmp_path / "big.bin", "big.bin")
        root.move("big.bin", "deep/big.bin")
        assert [each.path for each in root.walk()] == ["a b.txt", "deep/big.bin"] and root.digest(
            "deep/big.bin"
        ) == digest
        assert httpx.get(presigned(scenario.workspace, "far", "a b.txt", 60)).content == b"0123456789"
        sent = {name.lower() for headers in between.headers for name in headers}
        assert not [name for name in sent if "checksum" in name or name in ("if-none-match", "x-amz-trailer")], sent
        with pytest.raises(StoreError) as caught:
            registration.set_credentials(scenario.context, "far", {**keys, "secret": "wrong"})
        assert caught.value.code == "store_refused"
        between.close()
