"""Where the studio keeps its own files: one contract for its data directory, S3 and Azure Blob, against real servers."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from compute.services import hosts
from core import spools, storage
from core.clock import now
from core.errors import Conflict, Invalid, NotFound
from core.models import ClosedSpool, SpoolPiece
from core.objects import StoreAway, StoreError, StoreRefused
from core.storage import Root, blob_key, own_folder
from datasets import own_store, stores
from datasets.services import staging
from datasets.services.datastores import put_file
from runs.models import Run, Snapshot
from runs.queries import code
from runs.services.maintenance import workspace_removal
from runs.services.maintenance.snapshot_gc import sweep
from runs.services.submission.sample import submit_sample
from studio import artifact_store
from studio.config import ConfigError, load
from tests.datasets import own_stores
from tests.datasets import store_servers as servers
from tests.datasets.store_servers import Between, StoreServer
from tests.runs.conftest import RunScenario
from tests.workspace_scenario import WorkspaceScenario
from workspaces.services import removal
from workspaces.services import storage as ledger

pytestmark = pytest.mark.django_db
SERVERS = {"s3": servers.moto, "azure": servers.azurite}


@pytest.fixture(scope="module", params=["folder", *SERVERS])
def server(request: pytest.FixtureRequest) -> Iterator[StoreServer | None]:
    if request.param == "folder":
        yield None
        return
    with SERVERS[request.param]() as found:
        yield found


@pytest.fixture
def own(server: StoreServer | None, settings: Any, tmp_path: Path) -> None:
    settings.DUTO = replace(settings.DUTO, data_dir=tmp_path)
    if server is not None:
        own_stores.use(settings, own_stores.variables(server))


@pytest.fixture(scope="module")
def moto() -> Iterator[StoreServer]:
    with servers.moto() as found:
        yield found


@pytest.fixture
def between(moto: StoreServer, settings: Any, tmp_path: Path) -> Iterator[Between]:
    """An S3 that can be cut off."""
    found = Between(moto.options["endpoint"])
    settings.DUTO = replace(settings.DUTO, data_dir=tmp_path)
    own_stores.use(settings, own_stores.variables(moto, found.url))
    yield found
    found.close()


def write(root: Root, key: str, data: bytes = b"x", **more: Any) -> None:
    root.write(key, io.BytesIO(data), **more)


def test_files_are_written_listed_read_and_removed(own: None) -> None:
    root = own_folder("store/one")
    assert root.bytes_below() == 0 and not root.exists("") and root.state("a") is None
    write(root, "a/b.txt", b"0123456789")
    write(root, "a/c", b"")
    write(own_folder("store/oneself"), "other", b"not of this folder")
    assert [(each.path, each.size) for each in root.walk()] == [("a/b.txt", 10), ("a/c", 0)]
    assert root.read("a/b.txt", 3, 4) == b"3456" and root.size("a/b.txt") == 10 and root.bytes_below() == 10
    assert root.is_folder("a") and root.is_file("a/c") and not root.is_folder("a/c") and not root.is_file("a")
    assert [name for name, _, _ in root.list("a")] == ["b.txt", "c"]
    with root.open("a/b.txt") as reader:
        reader.seek(-2, io.SEEK_END)
        assert reader.read() == b"89"
    root.remove("a/c")
    root.remove("nothing")
    assert root.each(root.is_file, ["a/b.txt", "a/c"]) == [True, False]
    root.remove("")
    assert list(root.walk()) == [] and own_folder("store/oneself").read("other") == b"not of this folder"
    for lacking in (root.open, root.size, root.modified):
        with pytest.raises(NotFound):
            lacking("a/b.txt")
    with pytest.raises(Invalid):
        write(root, "../two/a")


def test_half_a_file_is_never_there(own: None) -> None:
    root = own_folder("store/one")
    write(root, "a", b"before")
    with pytest.raises(Invalid):
        write(root, "a", b"after", digest="0" * 64)

    class Broken(io.BytesIO):
        def read(self, *_size: Any) -> bytes:
            if found := super().read(3):
                return found
            raise OSError("the sender has gone")

    with pytest.raises(OSError, match="gone"):
        root.write("a", Broken(b"after"))
    assert root.read("a") == b"before" and [each.path for each in root.walk()] == ["a"]
    with pytest.raises(Conflict):
        write(root, "a", b"after", overwrite=False)
    assert root.read("a") == b"before"


def test_what_is_taken_from_another_folder_is_moved(own: None) -> None:
    left, store = own_folder("staging/1-1"), own_folder("store/one")
    write(left, "outputs/model/deep/a", b"aa")
    write(left, "outputs/model/b", b"b")
    write(left, "work/c", b"c")
    store.take(left, "outputs/model", "kept/1")
    store.take(left, "work/c", "artifacts/c")
    assert {each.path: each.size for each in store.walk()} == {"artifacts/c": 1, "kept/1/b": 1, "kept/1/deep/a": 2}
    assert list(left.walk()) == [] and store.read("kept/1/deep/a") == b"aa"
    store.move("artifacts/c", "artifacts/d")
    assert [each.path for each in store.walk("artifacts")] == ["artifacts/d"]


def test_what_is_asked_for_counts_as_new(own: None, monkeypatch: pytest.MonkeyPatch) -> None:
    root = own_folder("store/one")
    write(root, "blobs/a", b"a")
    assert not root.touch("blobs/b")
    monkeypatch.setattr(own_store, "STILL_NEW_S", 0.0)
    if root.local is not None:
        os.utime(root.local / "blobs/a", (1, 1))
    before = root.modified("blobs/a")
    time.sleep(1.1)  # stores tell whole seconds
    assert root.touch("blobs/a") and root.modified("blobs/a") > before and root.read("blobs/a") == b"a"


def append(name: str, offset: int, data: bytes) -> None:
    with spools.taking(name):
        spools.write(name, offset, data)


def read(name: str, start: int = 0) -> bytes:
    with spools.reader(name) as source:
        source.seek(start)
        return source.read()


def test_a_spool_grows_and_becomes_a_file(own: None, django_capture_on_commit_callbacks: Any) -> None:
    with pytest.raises(FileNotFoundError):
        spools.reader("log")
    append("log", 0, b"one\n")
    append("log", 4, b"two\n")
    append("log", 4, b"2wo\nthree\n")  # what came was not counted, and is sent again with more
    assert read("log") == b"one\n2wo\nthree\n" and read("log", 6) == b"o\nthree\n"
    open_one = spools.reader("log", lambda: own_folder("store/one").open("logs/log"))
    assert open_one.read(4) == b"one\n"
    spools.close("log", 8, "store/one", "logs/log")
    spools.close("log", 8, "store/one", "logs/log")
    spools.close("silent", 0, "store/one", "logs/silent")
    store = own_folder("store/one")
    assert store.read("logs/log") == b"one\n2wo\n" and store.size("logs/log") == 8  # moved or not
    assert store.read("logs/log", 5) == b"wo\n" and store.read("logs/silent") == b""
    amid = store.open("logs/log")
    assert amid.read(2) == b"on"
    spools.move_closed()
    assert amid.read() == b"e\n2wo\n"
    assert store.read("logs/log") == b"one\n2wo\n" and store.read("logs/silent") == b""
    open_one.seek(4)
    assert open_one.read(4) == b"2wo\n"
    with pytest.raises(FileNotFoundError):
        spools.reader("log")
    spools.remove("log")
    spools.remove("nothing")
    assert not SpoolPiece.objects.exists() and not ClosedSpool.objects.exists()


def test_a_long_spool_does_not_stay_in_the_database(
    own: None, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(spools, "PACKED", 1000)
    data = os.urandom(3500)
    for start in range(0, 3500, 70):
        with django_capture_on_commit_callbacks(execute=True):
            append("log", start, data[start : start + 70])
    assert read("log") == data
    for start in (0, 1, 999, 1000, 2345, 3499):
        assert read("log", start) == data[start:]
    if storage.is_own_far():
        held = SpoolPiece.objects.filter(data__isnull=False)
        assert sum(each.size for each in held) < 1100 and own_folder("logs").bytes_below() > 2000
    spools.close("log", 3400, "store/one", "logs/log")
    spools.move_closed()
    assert own_folder("store/one").read("logs/log") == data[:3400]
    assert own_folder("logs").bytes_below() == 0 and not SpoolPiece.objects.exists()


def test_a_spool_that_was_removed_is_not_made_anew(own: None) -> None:
    append("log", 0, b"one\n")
    spools.close("log", 4, "store/one", "logs/log")
    spools.remove("log")
    own_folder("store/one").remove("logs/log")
    spools.move_closed()
    assert not own_folder("store/one").exists("logs/log") and not ClosedSpool.objects.exists()


def test_datastores_of_the_studio_lie_there_and_are_counted(own: None, scenario: WorkspaceScenario) -> None:
    workspace = scenario.workspace
    put_file(scenario.context, "workspaceblobstore", "a/b.csv", io.BytesIO(b"x,y\n1,2\n"), overwrite=False)
    root = stores.root_by_name(workspace, "workspaceblobstore")
    assert root.read("a/b.csv") == b"x,y\n1,2\n" and ledger.measure(workspace.pk) == 8
    key = staging.new_key(scenario.context)
    staging.put(scenario.context, key, "in/c.csv", io.BytesIO(b"c"))
    place = staging.publish(scenario.context, key, "data")
    assert root.read(f"{place}/in/c.csv") == b"c" and not staging.held(scenario.context, key)
    staging.take_back(scenario.context, key, place)
    assert [each.path for each in staging.held(scenario.context, key)] == ["in/c.csv"] and not root.exists(place)
    found = stores.place_of(workspace, "workspaceblobstore")
    if storage.is_own_far():
        assert found.direct is None and found.identity and storage.direct("store/one") is None
        assert "://" in stores.presigned(workspace, "workspaceblobstore", "a/b.csv", 60)
    else:
        assert found.direct == f"datastores/{workspace.pk}/workspaceblobstore" and not found.identity
        assert not stores.presigned(workspace, "workspaceblobstore", "a/b.csv", 60)


def test_the_sample_is_submitted(own: None, scenario: WorkspaceScenario) -> None:
    run = submit_sample(scenario.context)
    blobs = storage.artifact_store(scenario.workspace.pk)
    assert run.number == 1 and any(blobs.walk("blobs"))
    assert list(stores.root_by_name(scenario.workspace, "workspaceblobstore").walk())


def test_what_nobody_needs_goes_from_there_and_with_a_workspace_all_of_it(own: None) -> None:
    scenario = RunScenario()
    used, orphan = scenario.pipeline("train"), scenario.snapshot(gone_py="print('nobody runs me')")
    kept = Snapshot.objects.get(digest=scenario.step(used, "train").step.snapshot_digest)
    with zipfile.ZipFile(io.BytesIO(b"".join(code.archive(orphan)))) as archive:
        assert archive.read("gone.py") == b"print('nobody runs me')"
    Run.objects.update(status="Completed")
    write(own_folder("store/another"), "blobs/a")
    store, gone = storage.artifact_store(scenario.workspace.pk), blob_key(orphan.files[0]["digest"])
    assert sweep(scenario.workspace, now()) == 0 and store.exists(gone)
    assert sweep(scenario.workspace, now() + timedelta(days=3)) == 1 and not store.exists(gone)
    assert store.exists(blob_key(kept.files[0]["digest"]))
    put_file(scenario.context, "workspaceblobstore", "a.csv", io.BytesIO(b"x"), overwrite=False)
    roots = storage.workspace_roots(scenario.workspace.pk)
    assert all(any(root.walk()) for root in roots)
    removal.delete(scenario.context, "lab")
    assert workspace_removal.finish(scenario.workspace.pk)
    assert not any(any(root.walk()) for root in roots) and own_folder("store/another").exists("blobs/a")


def test_one_studio_has_one_mark_wherever_its_processes_are(own: None, tmp_path: Path) -> None:
    first = hosts.installation(tmp_path)
    assert first == hosts.installation(tmp_path if not storage.is_own_far() else tmp_path / "elsewhere")
    assert len(first) == 32


# --- what goes wrong ---


def test_a_store_that_is_away_is_told_and_logs_go_on(
    between: Between, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(spools, "PACKED", 10)
    assert artifact_store.fault() == ""
    root = own_folder("store/one")
    write(root, "a", b"a")
    between.is_away = True
    with django_capture_on_commit_callbacks(execute=True):
        append("log", 0, b"while it is away\n")
    assert read("log") == b"while it is away\n"
    spools.close("log", 17, "store/one", "logs/log")
    for ask in (lambda: root.read("a"), spools.move_closed, own_store.check):
        with pytest.raises(StoreAway):
            cast(Callable[[], object], ask)()
    assert read("log") == b"while it is away\n"
    assert "does not answer" in artifact_store.fault()
    between.is_away = False
    assert spools.move_closed() == 1 and root.read("logs/log") == b"while it is away\n" and root.read("a") == b"a"


def test_what_is_wrong_with_a_store_is_said_at_the_start(own: None, server: StoreServer | None, settings: Any) -> None:
    if server is None:
        return
    good = own_stores.variables(server)
    lacking = good["DUTO_ARTIFACT_STORE"].replace("/some/studio", "").replace("://t", "://x")
    own_stores.use(settings, {**good, "DUTO_ARTIFACT_STORE": lacking})
    with pytest.raises(StoreError) as caught:
        own_store.check()
    assert caught.value.facts["stage"] == "container" and "is not there. Make it" in artifact_store.fault()
    with pytest.raises(SystemExit, match="cannot keep its files"):
        artifact_store.require()
    if server.wrong:
        own_stores.use(settings, {**good, "DUTO_ARTIFACT_STORE_KEY": next(iter(server.wrong.values()))})
        with pytest.raises(StoreRefused):
            own_store.check()
        said = artifact_store.fault()
        assert "credentials" in said and next(iter(server.wrong.values())) not in said


REFUSED = {
    "ftp://a": "must start with",
    "s3://": "names no bucket",
    "s3://id:secret@bucket": "has no credentials in it",
    "s3://bucket?colour=red": "'colour'",
    "s3://bucket/../a": "plain names",
    "s3://bucket?endpoint=here:9000": "http://",
    "s3://bucket?endpoint=http://ana:c2VjcmV0@here": "no credentials in its endpoint",
    "s3://bucket?endpoint=http://": "endpoint without a host",
    "s3://bucket?endpoint=http://one&endpoint=http://two": "names 'endpoint' twice",
    "s3://bucket?region=one&region=": "names 'region' twice",
    "s3://bucket?endpoint=http://here:99999": "from 1 to 65535",
    "s3://bucket?endpoint=http://here:0": "from 1 to 65535",
    "s3://bucket?endpoint=http://here:port": "from 1 to 65535",
    "s3://here:9000/bucket": "a bucket without a port",
    "s3://bucket?path_style=path": "neither true nor false",
    "azure://box": "names no account",
    "azure://box?account=a&endpoint=ftp://a": "http://",
}


@pytest.mark.parametrize("text", REFUSED)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    keys = {"DUTO_ARTIFACT_STORE_KEY_ID": "ana", "DUTO_ARTIFACT_STORE_KEY": "c2VjcmV0"}
    with pytest.raises(ConfigError) as caught:
        load({"DUTO_ARTIFACT_STORE": text, **keys})
    assert REFUSED[text] in str(caught.value) and "c2VjcmV0" not in str(caught.value)


def test_credentials_come_by_own_or_by_known_variables() -> None:
    s3 = {"DUTO_ARTIFACT_STORE": "s3://bucket/a//b?region=eu-west-1&path_style=true"}
    found = load({**s3, "AWS_ACCESS_KEY_ID": "ana", "AWS_SECRET_ACCESS_KEY": "s", "DUTO_ARTIFACT_STORE_KEY": "own"})
    assert found.own_store.prefix == "a/b"
    assert found.own_store.options == {"bucket": "bucket", "region": "eu-west-1", "path_style": "true"}
    assert found.own_store.credentials == {"access_key_id": "ana", "secret_access_key": "own", "session_token": ""}
    assert "own" not in repr(found.own_store) and "ana" not in repr(found), "an error's page shows what it has at hand"
    azure = load({"DUTO_ARTIFACT_STORE": "azure://box?account=acc", "AZURE_STORAGE_SAS_TOKEN": "sv=1"}).own_store
    assert azure.credentials == {"account_key": "", "sas_token": "sv=1"} and azure.prefix == ""
    for lacking in (s3, {**s3, "AWS_ACCESS_KEY_ID": "ana"}, {"DUTO_ARTIFACT_STORE": "azure://box?account=acc"}):
        with pytest.raises(ConfigError, match="needs"):
            load(lacking)
    with pytest.raises(ConfigError, match="DUTO_SECRET_KEY"):
        load(
            {**s3, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "DUTO_DATABASE_URL": "postgresql://u@h/n",
             "DUTO_REDIS_URL": "redis://h"}
        )  # fmt: skip
