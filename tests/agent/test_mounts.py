"""Data that lie elsewhere, mounted by FUSE: what is read, how much of it comes, and that no dead mount stays."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from duto.spec.sentences import Said, said
from duto_agent.attempt.staging import launch_of, stage
from duto_agent.engine.client import Engine
from duto_agent.host.launching import Unprotected, mounts_by_fuse
from duto_agent.launchers.base import AttemptKey, Bind
from duto_agent.mounts import supervision
from duto_agent.mounts.blocks import BLOCK, IN_MEMORY, Blocks, InMemory, OnDisk
from duto_agent.mounts.lazy_file import RUN, LazyFile, Source, Unreadable
from duto_agent.mounts.lazy_files import LazyFiles
from duto_agent.mounts.listing import Listing
from duto_agent.mounts.places import Places, mounted
from duto_agent.mounts.supervision import Mounts, NotMounted, lacks
from duto_agent.mounts.tally import Tally, transfer_in
from duto_agent.paths import BadPath
from duto_agent.studio.client import StudioClient
from duto_agent.studio.file_cache import FileCache
from duto_agent.studio.transfers import Store, StoreRefused, Transfers
from duto_protocol.messages import InputFile, InputSpec
from duto_protocol.reading import of_document
from studio.testing.engine import IMAGE
from studio.testing.plugin import lacking
from tests.agent.containers import Boxes
from tests.agent.ranges import RangeServer
from tests.agent.specs import step_of
from tests.agent.steps import Steps, until
from tests.agent.studio import Studio, digest
from tests.agent.test_agent import Host
from tests.agent.test_container_host import environment

LARGE = random.Random(1).randbytes(40 * BLOCK + 12345)
READ = """
import pathlib, sys
place = pathlib.Path(sys.argv[1])
print(sorted(f"{path.relative_to(place)} {path.read_text()}" for path in place.rglob("*") if path.is_file()))
"""


@pytest.fixture
def store() -> Iterator[RangeServer]:
    made = RangeServer()
    yield made
    made.close()


@pytest.fixture
def fuse() -> None:
    """This machine mounts."""
    if (why := lacks()) is not None:
        lacking(str(why), "DUTO_REQUIRE_FUSE")


class Room:
    """A home with one attempt in it."""

    def __init__(self, home: Path, store: RangeServer) -> None:
        self.home, self.store = home, store
        home.mkdir(exist_ok=True)
        (home / "host.json").write_text(json.dumps({"studio": store.url, "name": "here", "key": "key"}))
        self.client = StudioClient(store.url, "key")
        self.transfers = Transfers(Store(None, None), home / "cache" / "blobs", self.client)
        self.mounts = Mounts(home, store.url, self.transfers.cache, is_off=False)
        self.directory = home / "steps" / "a-1"
        self.directory.mkdir(parents=True)

    def start(self, *files: dict[str, Any]) -> Path:
        given = {"name": "data", "mode": "mount", "files": list(files)}
        self.mounts.start(self.directory, [of_document(given, InputSpec).message])
        return self.mounts.folder(self.directory, "data")

    @property
    def places(self) -> Places:
        return self.mounts.places(self.directory)

    @property
    def pid(self) -> int:
        return int(json.loads(self.places.process.read_text())["pid"])

    def news(self) -> list[Said]:
        return self.mounts.news(self.directory, 0)[0]

    def again(self) -> Mounts:
        """Those of an agent that starts anew."""
        return Mounts(self.home, self.store.url, FileCache(self.home / "cache" / "blobs"), is_off=False)

    def is_clean(self) -> bool:
        return str(self.places.root) not in mounted() and not list(self.places.root.parent.glob("a-1*"))


@pytest.fixture
def room(tmp_path: Path, store: RangeServer, fuse: None) -> Iterator[Room]:
    made = Room(tmp_path / "home", store)
    yield made
    made.mounts.release(made.directory)
    made.client.close()
    assert made.is_clean()


# --- files by ranges, without a kernel ---


class Opened:
    """Files of the store as a mount has them."""

    def __init__(self, root: Path, store: RangeServer, *files: dict[str, Any], most: int = 1 << 30) -> None:
        self.client, self.threads = StudioClient(store.url, "key"), ThreadPoolExecutor(8)
        self.cache, self.heard = FileCache(root / "cache", most), list[Said]()
        self.source = Source(self.client, self.threads)
        listed = [of_document(each, InputFile).message for each in files]
        self.files = LazyFiles(listed, self.cache, self.source, self.heard.append)

    def rest(self) -> None:
        """Until nothing is on its way."""
        self.threads.shutdown()
        self.client.close()


def test_a_jump_brings_one_block_and_reading_on_more_and_more_in_few_requests(
    tmp_path: Path, store: RangeServer
) -> None:
    opened = Opened(tmp_path, store, store.put("large", LARGE))
    handle = opened.files.open(0)
    assert opened.files.read(handle, len(LARGE) - 100, 200) == LARGE[-100:]
    assert opened.files.read(handle, 20 * BLOCK + 5, 10) == LARGE[20 * BLOCK + 5 :][:10]
    assert store.sent() == 12345 + BLOCK
    step = 1 << 17
    found = b"".join(opened.files.read(handle, at, step) for at in range(0, len(LARGE), step))
    opened.rest()
    assert found == LARGE
    assert store.sent() == len(LARGE), "no byte comes twice"
    assert len(store.asked) < 20 and max(end - start for _path, start, end in store.asked) == RUN * BLOCK
    opened.files.release(handle)
    assert [path.read_bytes() for path in (tmp_path / "cache").glob("*/*")] == [LARGE], "what was read whole is kept"
    again = Opened(tmp_path, store, store.put("large", LARGE))
    assert again.files.read(again.files.open(0), 5, 7) == LARGE[5:12] and store.sent() == len(LARGE)


def test_small_files_that_are_read_one_after_the_other_come_ahead(tmp_path: Path, store: RangeServer) -> None:
    opened = Opened(tmp_path, store, *(store.put(f"{number:02}", b"%d" % number) for number in range(30)))
    opened.files.release(opened.files.open(20))
    assert store.asked == [], "opening brings nothing"
    for number in range(2):
        handle = opened.files.open(number)
        assert opened.files.read(handle, 0, 100) == b"%d" % number
        opened.files.release(handle)
    until(lambda: len(store.asked) == 10)
    assert sorted(path for path, _start, _end in store.asked) == [f"{number:02}" for number in range(10)]
    opened.rest()


def test_many_threads_read_what_is_there_and_each_block_comes_once(tmp_path: Path, store: RangeServer) -> None:
    opened = Opened(tmp_path, store, store.put("large", LARGE))
    handle = opened.files.open(0)

    def read(seed: int) -> None:
        chosen = random.Random(seed)
        for _ in range(40):
            at, size = chosen.randrange(len(LARGE)), chosen.randrange(1, 3 * BLOCK)
            assert opened.files.read(handle, at, size) == LARGE[at : at + size]

    with ThreadPoolExecutor(6) as readers:
        list(readers.map(read, range(6)))
    opened.rest()
    assert store.sent() <= len(LARGE)


def test_what_is_too_large_to_be_kept_goes_through_memory(tmp_path: Path, store: RangeServer) -> None:
    data = LARGE * 2
    opened = Opened(tmp_path, store, store.put("large", data), most=20 * BLOCK)
    handle = opened.files.open(0)
    step = 1 << 19
    assert b"".join(opened.files.read(handle, at, step) for at in range(0, len(data), step)) == data
    file = opened.files._known[0]
    opened.rest()
    assert isinstance(file.blocks, InMemory) and sum(map(file.blocks.has, range(90))) <= IN_MEMORY
    assert not list((tmp_path / "cache").glob("*/*"))


@pytest.mark.parametrize("fault", ["half", 429])
def test_a_store_that_stumbles_costs_nothing(tmp_path: Path, store: RangeServer, fault: int | str) -> None:
    opened = Opened(tmp_path, store, store.put("a", LARGE[: 3 * BLOCK]))
    store.faults = [fault, fault]
    assert opened.files.read(opened.files.open(0), 0, BLOCK) == LARGE[:BLOCK] and opened.heard == []
    opened.rest()


def test_a_file_that_has_changed_is_never_read_again(tmp_path: Path, store: RangeServer) -> None:
    opened = Opened(tmp_path, store, store.put("a", LARGE), store.put("b", b"same"))
    handle = opened.files.open(0)
    opened.files.read(handle, 0, 10)
    before = store.files["a"]
    store.put("a", LARGE[::-1])
    for _ in range(2):
        with pytest.raises(Unreadable, match="'a' has changed"):
            opened.files.read(handle, 30 * BLOCK, 10)
    store.files["a"] = before
    with pytest.raises(Unreadable):
        opened.files.read(handle, 35 * BLOCK, 10)
    assert [heard.code for heard in opened.heard] == ["changed_meanwhile"], "heard once"
    assert opened.files.read(opened.files.open(1), 0, 10) == b"same"
    opened.rest()


@pytest.mark.parametrize("size", [100, 2 * BLOCK + 7])
def test_bytes_that_are_not_those_of_the_digest_are_not_kept(tmp_path: Path, store: RangeServer, size: int) -> None:
    name, kept = digest(b"others"), LARGE[:size]
    opened = Opened(tmp_path, store, {**store.put("a", kept), "digest": name, "cache_key": name})
    handle = opened.files.open(0)
    with contextlib.suppress(Unreadable):  # as soon as all of it is there
        for at in range(0, len(kept), BLOCK):
            opened.files.read(handle, at, BLOCK)
    opened.rest()
    with pytest.raises(Unreadable, match="other bytes"):
        opened.files.read(handle, 0, 10)
    assert not list((tmp_path / "cache").glob("*/*"))


def test_a_disk_that_fills_up_costs_no_read(tmp_path: Path, store: RangeServer) -> None:
    class Full(OnDisk):
        def put(self, block: int, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    opened, kept = Opened(tmp_path, store, store.put("a", LARGE)), list[Blocks]()
    blocks = Full(opened.cache.unnamed(), len(LARGE))
    file = LazyFile(opened.files.files[0], blocks, opened.source, kept.append)
    assert file.read(BLOCK, 3 * BLOCK) == LARGE[BLOCK : 4 * BLOCK]
    opened.rest()
    assert isinstance(file.blocks, InMemory) and kept == []


def test_what_was_read_in_part_takes_no_more_than_the_cache_may(tmp_path: Path, store: RangeServer) -> None:
    listed = [store.put(f"{number}", LARGE[: 8 * BLOCK]) for number in range(6)]
    opened = Opened(tmp_path, store, *listed, most=20 * BLOCK)
    handles = [opened.files.open(number) for number in (0, 2, 4)]
    for handle in handles:
        assert opened.files.read(handle, 0, 10) == LARGE[:10]
    opened.rest()
    kinds = [type(opened.files._known[number].blocks) for number in (0, 2, 4)]
    assert kinds == [OnDisk, OnDisk, InMemory]


@pytest.mark.parametrize(
    "paths", [["../a"], ["a/../../b"], ["/etc/passwd"], ["a", "a/b"], ["a/b", "a"], ["a", "a"], [""]]
)
def test_a_listing_that_is_no_tree_is_refused(paths: list[str]) -> None:
    with pytest.raises(BadPath):
        Listing({"data": [InputFile(path=path) for path in paths]})


def test_a_listing_has_names_of_any_bytes() -> None:
    listing = Listing({"data": [InputFile(path="a%FF/b%25FF.txt"), InputFile(path="50%.csv")]})
    assert listing.find("/data/a\udcff/b%FF.txt") == 0 and listing.find("/data/50%.csv") == 1
    assert listing.find("/data/50%.csv/x") is None and listing.find("/") is listing.root


@pytest.mark.parametrize(("word", "expected"), [("", True), ("auto", True), ("off", False)])
def test_an_owner_turns_mounts_off(word: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUTO_FUSE", raising=False)
    assert mounts_by_fuse(word) is expected
    monkeypatch.setenv("DUTO_FUSE", "yes")
    with pytest.raises(Unprotected, match="DUTO_FUSE"):
        mounts_by_fuse(word)


# --- what the kernel shows ---


def test_a_mount_is_the_listing_and_nothing_of_it_can_be_written(room: Room) -> None:
    listed = [room.store.put(path, path.encode() * 3) for path in ("b/c/d.txt", "a.txt", "b/e", "empty")]
    room.store.files["not-listed"] = b"x"
    listed[3] = room.store.put("empty", b"")
    place = room.start(*listed)
    assert room.store.asked == [], "nothing comes before it is read"
    found = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert found == {each["path"]: room.store.files[each["path"]] for each in listed}
    assert (place / "b/c/d.txt").stat().st_size == 27 and not (place / "not-listed").exists()
    for action in (
        lambda: (place / "new").write_text("x"),
        lambda: (place / "a.txt").open("r+"),
        (place / "a.txt").unlink,
        lambda: (place / "a.txt").chmod(0o777),
        lambda: (place / "b").rename(place / "z"),
    ):
        with pytest.raises(OSError, match="Read-only file system"):
            action()
    asked = len(room.store.asked)
    room.mounts.release(room.directory)
    assert room.start(*listed).joinpath("a.txt").read_bytes() == b"a.txt" * 3
    assert len(room.store.asked) == asked, "it was kept on this host"


def test_a_changed_file_is_an_error_that_says_why(room: Room) -> None:
    place = room.start(room.store.put("a", LARGE[: 20 * BLOCK]), room.store.put("gone", b"x"))
    with (place / "a").open("rb") as file:
        assert file.read(10) == LARGE[:10]
        room.store.put("a", LARGE[5 : 5 + 20 * BLOCK])
        del room.store.files["gone"]
        file.seek(15 * BLOCK)
        with pytest.raises(OSError) as raised:
            file.read(10)
    assert raised.value.errno == errno.EIO
    with pytest.raises(OSError):
        (place / "gone").read_bytes()
    assert [heard.code for heard in room.news()] == ["changed_meanwhile", "data_refused"]


def test_what_came_is_counted_also_when_its_process_is_killed(room: Room) -> None:
    listed = [room.store.put("large", LARGE), room.store.put("small", b"x" * 100), room.store.put("other", b"y")]
    place = room.start(*listed)
    assert transfer_in(room.places.tally).files_total == 0
    for _ in range(2):
        assert (place / "large").read_bytes() == LARGE and (place / "small").read_bytes() == b"x" * 100
    os.kill(room.pid, signal.SIGKILL)
    until(lambda: not room.mounts.is_alive(room.directory))
    found = transfer_in(room.places.tally)
    assert (found.files, found.files_cached, found.cached) == (2, 0, 0) and found.seconds > 0
    assert found.done == found.total == sum(room.store.sent(each) for each in ("large", "small", "other"))
    room.mounts.release(room.directory)
    place = room.start(*listed)
    assert (place / "large").read_bytes() == LARGE
    found = transfer_in(room.places.tally)
    assert (found.done, found.cached, found.files, found.files_cached) == (len(LARGE), len(LARGE), 1, 1)


def test_what_comes_ahead_of_its_reader_is_not_counted_as_kept(tmp_path: Path, store: RangeServer) -> None:
    opened = Opened(tmp_path, store, *(store.put(f"{number:02}", b"%02d" % number) for number in range(12)))
    opened.source.tally = Tally(tmp_path / "tally")
    for number in range(12):
        handle = opened.files.open(number)
        assert opened.files.read(handle, 0, 100) == b"%02d" % number
        opened.files.release(handle)
        time.sleep(0.02)  # so that those ahead are whole, and taken from the disk
    found = transfer_in(tmp_path / "tally")
    assert (found.done, found.files, found.cached) == (24, 12, 0)
    opened.rest()


def test_a_store_that_refuses_is_told_from_one_that_is_away(tmp_path: Path) -> None:
    class Refusing:
        def download(self, url: str, start: int = 0, tag: str | None = None, length: int | None = None) -> Any:
            raise StoreRefused(said("store_refuses", error="403"))

    heard: list[Said] = []
    with ThreadPoolExecutor(2) as threads:
        listed = [of_document({"path": "a", "size": 3, "get": "x"}, InputFile).message]
        files = LazyFiles(listed, FileCache(tmp_path / "cache"), Source(Refusing(), threads), heard.append)
        with pytest.raises(Unreadable):
            files.read(files.open(0), 0, 3)
    assert [each.code for each in heard] == ["store_refuses"]


def test_a_killed_process_leaves_errors_and_no_dead_mount(room: Room) -> None:
    place = room.start(room.store.put("a", b"x"))
    os.kill(room.pid, signal.SIGKILL)
    until(lambda: not room.mounts.is_alive(room.directory))
    with pytest.raises(OSError) as raised:
        (place / "a").read_bytes()
    assert raised.value.errno == errno.ENOTCONN
    room.again().tidy({"a-1"})  # its attempt is still held: it goes on without
    assert str(room.places.root) not in mounted()
    assert room.start(room.store.put("a", b"x")).joinpath("a").read_bytes() == b"x", "and may be mounted anew"


def test_a_new_agent_keeps_what_is_held_and_takes_away_the_rest(room: Room) -> None:
    place = room.start(room.store.put("a", b"x"), room.store.put("b", b"y"))
    again = room.again()
    again.tidy({"a-1"})
    assert (place / "a").read_bytes() == b"x"
    with (place / "b").open("rb") as file:
        again.tidy(set())
        with pytest.raises(OSError):
            file.read()
    assert room.is_clean()


def test_what_a_restart_of_the_machine_left_is_put_away(room: Room) -> None:
    room.start(room.store.put("a", b"x"))
    kept = room.places.plan.read_bytes(), room.places.process.read_bytes()
    room.mounts.release(room.directory)
    room.places.root.mkdir()
    room.places.plan.write_bytes(kept[0])
    room.places.process.write_bytes(kept[1].replace(b'"boot":"', b'"boot":"0'))  # the number is another's by now
    room.again().tidy(set())
    assert room.is_clean()


def test_a_process_ends_with_its_attempts_directory(room: Room) -> None:
    place = room.start(room.store.put("a", b"x"))
    room.directory.rmdir()
    until(lambda: str(place.parent) not in mounted() and not room.mounts.is_alive(room.directory))


def test_whoever_waits_for_a_silent_store_gets_an_error_once_the_step_is_to_end(room: Room) -> None:
    place = room.start(room.store.put("a", b"x"))
    room.store.held.clear()
    errors: list[OSError] = []

    def read() -> None:
        try:
            (place / "a").read_bytes()
        except OSError as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    reader.join(0.5)
    assert reader.is_alive()
    (room.directory / "cancel").write_text("{}")
    reader.join(15)
    assert [each.errno for each in errors] == [errno.EIO]


def test_a_process_that_answers_nobody_is_ended(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    place = room.start(room.store.put("a", b"x"))
    until(lambda: room.places.silent_for() > 0)
    os.kill(room.pid, signal.SIGSTOP)
    assert not room.mounts.end_silent(room.directory)
    monkeypatch.setattr(supervision, "SILENT_S", 0.5)
    until(lambda: room.mounts.end_silent(room.directory))
    with pytest.raises(OSError):
        (place / "a").read_bytes()


# --- what a step has of it ---


def staged(room: Room, mounts: Mounts | None = None, **more: Any) -> Any:
    given = {"name": "data", "mode": "mount", **more}
    return stage(room.directory, step_of({"inputs": [given]}), room.transfers, mounts=mounts or room.mounts)


def test_a_step_gets_the_mount_and_its_launch_shows_it(room: Room) -> None:
    bound = staged(room, files=[room.store.put("sub/a.txt", b"1")])
    place = Path(bound.inputs["data"])
    assert place == room.mounts.folder(room.directory, "data") and bound.warnings == []
    assert (place / "sub/a.txt").read_bytes() == b"1"
    (room.directory / "work/x.py").touch()
    spec = step_of({"script": "x.py"})
    launch = launch_of(AttemptKey("a", 1), room.directory, spec, bound, "python3", Path("/sdk"), "http://studio")
    assert Bind(place, place) in launch.binds
    os.kill(room.pid, signal.SIGKILL)
    until(lambda: not room.mounts.is_alive(room.directory))
    assert stage(room.directory, step_of({}), room.transfers).inputs == bound.inputs, "a step that runs is as it was"
    assert (Path(staged(room, files=[room.store.put("sub/a.txt", b"1")]).inputs["data"]) / "sub/a.txt").exists()


def test_one_file_and_a_path_of_its_own_choice(room: Room) -> None:
    file = room.store.put("a.csv", b"1")
    bound = staged(room, files=[file], is_file=True, file_name="a.csv", path_on_compute="in/here")
    place = Path(bound.inputs["data"])
    assert place == room.directory / "work/in/here/a.csv" and place.is_symlink() and place.read_bytes() == b"1"
    room.mounts.release(room.directory)
    (room.directory / "staged.json").unlink()
    bound = staged(room, files=[file], is_file=True, file_name="a.csv")
    assert Path(bound.inputs["data"]).name == "a.csv" and Path(bound.inputs["data"]).read_bytes() == b"1"


@pytest.mark.parametrize("why", ["mount_off", "mount_no_device", "mount_failed", "mount_unversioned"])
def test_what_cannot_be_mounted_is_brought_and_says_why(
    tmp_path: Path, store: RangeServer, why: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    room, file = Room(tmp_path / "home", store), store.put("a.txt", b"1")
    mounts = room.mounts
    if why == "mount_off":
        mounts = Mounts(room.home, store.url, room.transfers.cache, is_off=True)
    elif why == "mount_no_device":
        monkeypatch.setattr(supervision, "DEVICE", tmp_path / "none")
        mounts = room.again()
    elif why == "mount_failed":
        request.getfixturevalue("fuse")
        (room.home / "host.json").write_text("{}")  # its process ends at once
    else:
        del file["tag"]
    bound = staged(room, mounts, files=[file])
    assert (Path(bound.inputs["data"]) / "a.txt").read_bytes() == b"1" and bound.mounted == {}
    (warning,) = bound.warnings
    assert warning.code == "two" and warning.facts["second"].code == why
    assert not mounted() & {str(room.places.root)} and not room.places.plan.exists()
    if why == "mount_failed":
        with pytest.raises(NotMounted, match="KeyError"):
            room.start(file)


def test_a_step_behind_walls_reads_it(room: Room, guarded: Steps) -> None:
    """As another user, where the agent is root."""
    place = room.start(room.store.put("sub/a.txt", b"1"), room.store.put("b.txt", b"2"))
    launch = guarded.launch(READ, binds=(Bind(place, place),))
    guarded.launcher.ensure(replace(launch, argv=(*launch.argv, str(place))))
    verdict = guarded.wait(launch.key).verdict
    log = (guarded.launcher.directory(launch.key) / "log.data").read_text()
    assert verdict and verdict["exit_code"] == 0 and log == "['b.txt 2', 'sub/a.txt 1']\n", (verdict, log)


# --- a whole agent ---

SLOWLY = """
import pathlib, sys, time
place = pathlib.Path(sys.argv[1])
print((place / "a.txt").read_text(), flush=True)
while not pathlib.Path("/proc/self/cwd/go").exists():
    time.sleep(0.05)
print((place / "b.txt").read_text(), flush=True)
"""


_numbers = itertools.count(1)


class Mounted:
    """A step of a whole agent, which waits between two files of its mount."""

    def __init__(self, home: Path) -> None:
        self.store, self.studio = RangeServer(), Studio()
        self.host = Host(home, self.studio)
        self.host.start()

    def begin(self) -> AttemptKey:
        self.second = f"second {next(_numbers)}".encode()  # which this host has not kept
        files = [self.store.put("a.txt", b"first"), self.store.put("b.txt", self.second)]
        given = {"name": "data", "mode": "mount", "kind": "path", "files": files}
        key = self.host.give(SLOWLY, inputs=[given], arguments=[{"input": "data"}])
        until(lambda: b"first" in self.log(key))
        return key

    def log(self, key: AttemptKey) -> bytes:
        return bytes(self.studio.logs.get(key.attempt, b""))

    def go(self, key: AttemptKey) -> dict[str, Any]:
        (self.host.directory(key) / "work/go").touch()
        return self.studio.wait("finished", key.attempt, 60)

    def pid(self, key: AttemptKey) -> int:
        return int(json.loads(Places(self.host.home, key.folder).process.read_text())["pid"])

    def is_clean(self) -> bool:
        folder = self.host.home / "mounts"
        return not any(place.startswith(str(folder)) for place in mounted()) and not list(folder.glob("*"))


@pytest.fixture(scope="module")
def one_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    made = Mounted(tmp_path_factory.mktemp("mounted") / "home")
    yield made
    made.host.close()
    made.studio.close()
    made.store.close()


@pytest.fixture
def agent(one_agent: Mounted, fuse: None) -> Iterator[Mounted]:
    yield one_agent
    print((one_agent.host.home / "agent.out").read_text())
    one_agent.store.held.set()


def test_a_step_keeps_its_mount_while_its_agent_is_killed(agent: Mounted) -> None:
    key = agent.begin()
    agent.host.end(signal.SIGKILL)
    agent.host.start()
    until(lambda: "1 attempts adopted" in (agent.host.home / "agent.out").read_text())
    report = agent.go(key)
    assert report["cause"] is None and agent.second in agent.log(key), report
    until(agent.is_clean)


def test_a_step_whose_mount_is_killed_fails_as_its_store_were_away(agent: Mounted) -> None:
    key = agent.begin()
    os.kill(agent.pid(key), signal.SIGKILL)
    report = agent.go(key)
    assert report["cause"] == "store_away" and "served the mounted inputs" in report["message"], report
    assert b"\nduto: The process that served the mounted inputs" in agent.log(key)
    until(agent.is_clean)


def test_a_file_that_changed_is_told_in_the_log_and_the_step_is_tried_again(agent: Mounted) -> None:
    key = agent.begin()
    agent.store.files["b.txt"] = b"another"
    report = agent.go(key)
    assert report["cause"] == "store_away" and "'b.txt' has changed" in report["message"], report
    assert b"\nduto: 'b.txt' has changed" in agent.log(key)
    until(agent.is_clean)


def test_a_cancel_ends_a_step_that_waits_for_its_store(agent: Mounted) -> None:
    key = agent.begin()
    agent.store.held.clear()
    (agent.host.directory(key) / "work/go").touch()
    agent.studio.ask_cancel(key, 0.5)
    report = agent.studio.wait("finished", key.attempt, 30)
    assert report["cause"] == "canceled" and report["left_over"] == 0
    until(agent.is_clean)


# --- containers ---


@pytest.mark.docker
def test_a_container_reads_it(room: Room, boxes: Boxes) -> None:
    """As a user of its own, where the agent is root."""
    place = room.start(room.store.put("sub/a.txt", b"1"), room.store.put("b.txt", b"2"))
    launch = boxes.launch(READ, binds=(Bind(place, place),))
    boxes.launcher.ensure(replace(launch, argv=(*launch.argv, str(place))))
    verdict = boxes.wait(launch.key).verdict
    log = (boxes.launcher.directory(launch.key) / "log.data").read_text()
    assert verdict and verdict["exit_code"] == 0 and log == "['b.txt 2', 'sub/a.txt 1']\n", (verdict, log)


@pytest.mark.docker
def test_what_the_engine_does_not_see_is_brought(
    engine_socket: str, tmp_path: Path, store: RangeServer, fuse: None
) -> None:
    """An agent with mounts of its own: as one in a container, or beside an engine that is elsewhere."""
    if os.geteuid() != 0:
        pytest.skip("only root may part the mounts of an agent from those of its engine")
    studio = Studio()
    config = {"launcher": "docker", "engine": engine_socket, "base_image": IMAGE, "store_marker": tmp_path.name[-8:]}
    with tempfile.TemporaryDirectory(prefix="duto-host-", ignore_cleanup_errors=True) as folder:
        host = Host(Path(folder) / "home", studio, **config)
        host.before = ("unshare", "--mount", "--propagation", "private")
        host.start()
        try:
            given = {"name": "data", "mode": "mount", "kind": "path", "files": [store.put("a.txt", b"1")]}
            key = host.give(READ, inputs=[given], arguments=[{"input": "data"}], environment=environment())
            report = studio.wait("finished", key.attempt)
            assert report["cause"] is None and bytes(studio.logs[key.attempt]) == b"['a.txt 1']\n", report
            assert any("does not see what its agent mounts" in each for each in report["warnings"]), report
            until(lambda: not list((host.home / "mounts").glob("*")))
        finally:
            print((host.home / "agent.out").read_text())
            host.close()
            studio.close()
            engine = Engine(engine_socket)
            for each in engine.containers({"duto.installation": config["store_marker"]}):
                engine.remove(each["Id"])
