"""Steps whose data lie on Azure Blob, S3 and SFTP: real servers, a real studio, and what goes wrong between them."""

from __future__ import annotations

import hashlib
import io
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.objects import ObjectRoot
from datasets.kinds import KINDS
from datasets.kinds.base import Connection
from duto_agent.mounts.supervision import lacks
from studio.bootstrap import ROOT
from studio.testing.live import eventually
from studio.testing.plugin import lacking
from tests.datasets import store_servers as servers
from tests.datasets.store_servers import Between, StoreServer
from tests.live.studio import ENDS, LiveRun, Studio

pytestmark = [pytest.mark.slow]
PROGRAM = ROOT / "tests/live/programs/far_stores"
KINDS_HERE = ("azure_blob", "s3", "sftp")
AGAIN = {"retries": 2, "retry_delay_seconds": 1}
# Fewer than a person may have, as many as the suite bears.
MANY = 150


@pytest.fixture(autouse=True)
def near(settings: Any) -> None:
    """The tests themselves look into stores on this very machine."""
    settings.DUTO = replace(settings.DUTO, fetch_private=True)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(tmp_path_factory.mktemp("far"), DUTO_FETCH_PRIVATE="true")
    try:
        made.start()
        made.ensure_cluster()
        yield made
    finally:
        made.stop()


@dataclass
class Far:
    """A datastore of the studio, what stands before it, and its files as nobody in the way sees them."""

    studio: Studio
    name: str
    server: StoreServer
    options: dict[str, Any]
    between: Between | None

    @property
    def root(self) -> ObjectRoot:
        files = KINDS[self.server.kind].files
        assert files is not None
        options = {**self.options, **({"endpoint": self.server.options["endpoint"]} if self.between else {})}
        return ObjectRoot(
            files(Connection(self.name, {key: str(value) for key, value in options.items()}, self.server.credentials))
        )

    def put(self, key: str, data: bytes) -> None:
        self.root.write(key, io.BytesIO(data))

    def keys(self, folder: str = "") -> set[str]:
        return {each.path for each in self.root.walk(folder)}

    def credentials(self, credentials: dict[str, str]) -> None:
        path = f"datastores/{self.name}/credentials/"
        answer = self.studio.rest("PUT", path, role="owner", json={"credentials": credentials, "check": False})
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def stores(studio: Studio) -> Iterator[dict[str, Far]]:
    with ExitStack() as stack:
        found: dict[str, Far] = {}
        for start in (servers.azurite, servers.moto, servers.sshd):
            server = stack.enter_context(start())
            between = None
            options = dict(server.options)
            if "endpoint" in options:
                between = Between(options["endpoint"])
                stack.callback(between.close)
                options["endpoint"] = between.url
            if server.kind == "sftp":
                options["path"] = f"{options['path']}/far"
            else:
                options["container" if server.kind == "azure_blob" else "bucket"] = "far"
            name = f"far_{server.kind}"
            body = {"name": name, "kind": server.kind, "options": {k: str(v) for k, v in options.items()}}
            answer = studio.rest(
                "POST", "datastores/", json={**body, "credentials": server.credentials, "create_if_missing": True}
            )
            assert answer.status_code == 201, answer.text
            found[server.kind] = Far(studio, name, server, options, between)
        yield found


@pytest.fixture(autouse=True)
def well(stores: dict[str, Far]) -> Iterator[None]:
    yield
    for far in stores.values():
        if far.between is not None:
            far.between.well()


@pytest.fixture
def blob(stores: dict[str, Far]) -> Far:
    return stores["azure_blob"]


def path(far: Far, key: str, name: str = "data", mode: str = "download") -> dict[str, Any]:
    return {"name": name, "mode": mode, "from": {"datastore": far.name, "path": key}}


def step(studio: Studio, script: str, **more: Any) -> dict[str, Any]:
    """A graph of one step whose arguments are its inputs, then its outputs."""
    inputs, outputs = more.get("inputs", ()), more.get("outputs", ())
    arguments = [{"input": each["name"]} for each in inputs] + [{"output": each["name"]} for each in outputs]
    return studio.graph({"step": script}, arguments=arguments, **more)


def attempts_of(run: LiveRun) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.step("step")["step"]["attempts"]
    return found


@pytest.mark.parametrize("kind", KINDS_HERE)
def test_a_program_reads_and_writes_in_every_way(
    studio: Studio, stores: dict[str, Far], tmp_path: Path, kind: str
) -> None:
    studio.live.take_over()
    folder = shutil.copytree(PROGRAM, tmp_path / "program")
    shutil.copy(ROOT / "examples/hello/config.json", folder)
    done = studio.program(folder, "program.py", stores[kind].name)
    assert done.returncode == 0 and "ok: far stores" in done.stdout, done.stdout[-6000:] + done.stderr[-6000:]


@pytest.mark.parametrize("kind", ["s3", "sftp"])
def test_reuse_follows_the_far_file(studio: Studio, stores: dict[str, Far], kind: str) -> None:
    far = stores[kind]
    # Whole seconds are what it tells: a file of a moment ago is not known yet.
    until_known = 2.1 if kind == "sftp" else 0.0
    far.put("reuse/a.txt", b"one")
    time.sleep(until_known)
    graph = step(studio, READ, inputs=[path(far, "reuse")], allow_reuse=True)

    def again() -> tuple[bool, bytes]:
        run = studio.submit_graph(graph).wait()
        return bool(run.step("step")["is_reused"]), run.log("step")

    is_reused, log = again()
    assert not is_reused and b"a.txt one" in log
    assert again()[0]
    far.put("reuse/a.txt", b"two")
    time.sleep(until_known)
    is_reused, log = again()
    assert not is_reused and b"a.txt two" in log, "the host gave what it had kept of before"
    far.put("reuse/b.txt", b"")
    assert not again()[0]
    far.root.remove("reuse/b.txt")
    assert again()[0], "it is as it was"


READ = """
import pathlib, sys
place = pathlib.Path(sys.argv[1])
for file in sorted(place.rglob("*") if place.is_dir() else [place]):
    if file.is_file():
        print(file.name, file.read_text()[:100])
"""
COUNT = """
import hashlib, pathlib, sys
files = sorted(path for path in pathlib.Path(sys.argv[1]).rglob("*") if path.is_file())
print("found", len(files), hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest())
"""
WRITE = """
import pathlib, sys
out = pathlib.Path(sys.argv[1])
for number in range(20):
    (out / f"{number:02}.txt").write_text("x" * 1000)
print("written", flush=True)
"""


def test_many_small_files(studio: Studio, stores: dict[str, Far]) -> None:
    far = stores["s3"]
    with ThreadPoolExecutor(8) as threads:
        root = far.root
        list(threads.map(lambda n: root.write(f"many/{n:05}", io.BytesIO(b"%d" % n)), range(MANY)))
    run = studio.submit_graph(step(studio, COUNT, inputs=[path(far, "many")])).wait()
    assert f"found {MANY}".encode() in run.log("step")


@pytest.mark.parametrize("faults", [[500, "half", 429], ["cut", 503]])
def test_a_store_that_stumbles_costs_no_attempt(studio: Studio, blob: Far, faults: list[int | str]) -> None:
    blob.put("stumbling/a.bin", b"0123456789" * 300_000)
    assert blob.between is not None
    blob.between.matches = lambda method, where: method == "GET" and "stumbling" in where
    blob.between.faults = [*faults]
    run = studio.submit_graph(step(studio, COUNT, inputs=[path(blob, "stumbling")])).wait()
    assert len(attempts_of(run)) == 1 and blob.between.faults == []
    assert b"found 1 " in run.log("step")


@pytest.mark.parametrize("moment", ["listing", "reading"])
def test_a_store_that_is_away_before_the_script_begins_is_tried_again(studio: Studio, blob: Far, moment: str) -> None:
    blob.put(f"away/{moment}/a.txt", b"there")
    between = blob.between
    assert between is not None
    graph = step(studio, READ, inputs=[path(blob, f"away/{moment}")], **AGAIN)
    seen: list[str] = []

    def cut(method: str, where: str) -> None:
        # A submit looks at the data, the start for reuse, the claim lists: then it goes away.
        if method == "GET" and (("comp=list" in where) == (moment == "listing")) and moment in where:
            seen.append(where)
            between.is_away = moment == "reading" or len(seen) > 2

    between.before = cut
    run = studio.submit_graph(graph)
    first = None
    for _ in range(600):
        attempts = attempts_of(run)
        if attempts and attempts[0]["status"] in ("failed", "lost"):
            first = attempts[0]
            break
        time.sleep(0.3)
        assert run.status not in ("Failed", "Completed"), run.why()
    assert first is not None and first["cause"] == "store_away", f"{first} {run.why()}"
    between.well()
    run.wait()
    assert b"a.txt there" in run.log("step")


def test_a_store_that_is_away_at_the_end_gets_nothing_half(studio: Studio, stores: dict[str, Far]) -> None:
    far = stores["s3"]
    between = far.between
    assert between is not None
    place = "ends/result"
    output = {"name": "made", "kind": "file_dataset", "datastore": far.name, "destination": place}

    def cut(method: str, where: str) -> None:
        if method == "PUT" and "07.txt" in where:
            between.is_away = True

    between.before = cut
    run = studio.submit_graph(step(studio, WRITE, outputs=[output], **AGAIN))
    run.until("step", b"written")
    for _ in range(600):
        if (first := attempts_of(run)[0])["status"] in ("failed", "completed", "lost"):
            break
        time.sleep(0.3)
    assert first["cause"] == "store_away", run.why()
    between.well()
    left = far.keys("ends")
    run.wait()
    assert far.keys(place) == {f"{place}/{number:02}.txt" for number in range(20)}
    assert {far.root.size(key) for key in far.keys(place)} == {1000}
    assert left == set() or all(far.root.size(key) == 1000 for key in left), "half a file was to be seen"


def test_outputs_that_take_longer_than_an_agent_waits_are_sent_once(studio: Studio, blob: Far) -> None:
    """What else its host has to tell does not wait for them."""
    between = blob.between
    assert between is not None
    output = {"name": "made", "kind": "file_dataset", "datastore": blob.name, "destination": "slow/{run-id}"}
    sent: list[str] = []

    def wait(method: str, where: str) -> None:
        if method == "PUT" and "slow/" in where and "comp=blocklist" in where:  # by which the studio commits
            sent.append(where)
            time.sleep(9)  # in three rounds of eight: 27 seconds

    between.before = wait
    run = studio.submit_graph(step(studio, WRITE, outputs=[output]))
    run.until("step", b"written")
    while not sent:
        time.sleep(0.05)
    began = time.monotonic()
    studio.submit({"quick": "print('done')"}).wait()
    assert time.monotonic() - began < 15 and run.status != "Completed"
    run.wait()
    assert len(attempts_of(run)) == 1 and len(sent) == len(set(sent)) == 20
    found = attempts_of(run)[0]["transfers"]["outputs"]
    assert (found["done"], found["files"], found["cached"]) == (20_000, 20, 0)
    (place,) = {key.rpartition("/")[0] for key in blob.keys("slow")}
    assert blob.keys("slow") == {f"{place}/{number:02}.txt" for number in range(20)}


# Bytes of the first file, which has several parts, and its content at each place.
LARGE = """
import pathlib, sys
out, size = pathlib.Path(sys.argv[1]), int(sys.argv[2])
with (out / "large.bin").open("wb") as file:
    for number in range(size >> 20):
        file.write(bytes([number % 251]) * (1 << 20))
    file.write(b"end")
(out / "empty").touch()
(out / "ünder" / "deep").mkdir(parents=True)
for number in range(30):
    (out / "ünder" / "deep" / f"{number} a+b%.txt").write_text(f"file {number}")
print("written", flush=True)
"""


def writes(studio: Studio, far: Far, destination: str, mib: int = 20, **more: Any) -> dict[str, Any]:
    """A graph of one step that writes a large file and many small ones."""
    output = {"name": "made", "kind": "file_dataset", "datastore": far.name, "destination": destination}
    output |= more.pop("output", {})
    return studio.graph(
        {"step": LARGE}, arguments=[{"output": "made"}, mib << 20], outputs=[output], **{**AGAIN, **more}
    )


def is_part(method: str, where: str) -> bool:
    """Whether a host sends a part, by an address that was signed for it."""
    return method == "PUT" and ("comp=block&" in where or "partNumber=" in where) and "ig" in where


def assert_large(far: Far, place: str, mib: int = 20) -> None:
    root = far.root
    assert far.keys(place) == {f"{place}/{name}" for name in ("large.bin", "empty", *SMALL)}
    expected = b"".join(bytes([number % 251]) * (1 << 20) for number in range(mib)) + b"end"
    assert hashlib.sha256(root.read(f"{place}/large.bin")).digest() == hashlib.sha256(expected).digest()
    assert root.read(f"{place}/empty") == b""
    assert {name: root.read(f"{place}/{name}").decode() for name in SMALL} == SMALL


SMALL = {f"ünder/deep/{number} a+b%.txt": f"file {number}" for number in range(30)}


@pytest.mark.parametrize("kind", ["azure_blob", "s3"])
def test_outputs_go_from_the_host_to_the_store_in_parts(studio: Studio, stores: dict[str, Far], kind: str) -> None:
    """No byte of a file is sent by the studio, and nothing is seen before it commits; a second run replaces it, or is refused."""
    far = stores[kind]
    between, place = far.between, f"direct/{kind}"
    assert between is not None
    between.asked.clear()
    seen: list[set[str]] = []
    between.before = lambda method, where: seen.append(far.keys(place)) if is_part(method, where) else None
    run = studio.submit_graph(writes(studio, far, place, allow_reuse=True)).wait()
    between.before = lambda _method, _path: None
    assert_large(far, place)
    assert len(seen) == 3 + 30 and not any(seen)
    puts = [where for method, where in between.asked if method == "PUT"]
    others = [w for w in puts if not is_part("PUT", w) and "comp=blocklist" not in w]
    assert [w.partition("?")[0].rpartition("/")[2] for w in others] == ["empty"], others
    found = attempts_of(run)[0]["transfers"]["outputs"]
    assert (found["done"], found["files"], found["files_total"]) == (
        (20 << 20) + 3 + sum(map(len, SMALL.values())),
        32,
        32,
    )
    between.asked.clear()
    assert studio.submit_graph(writes(studio, far, place, allow_reuse=True)).wait().step("step")["is_reused"]
    assert not any(method == "GET" and "large.bin" in where for method, where in between.asked), "known by its tag"
    again = writes(studio, far, place, mib=17)
    studio.submit_graph(again).wait()
    assert_large(far, place, 17)
    refused = writes(studio, far, place, output={"mode": "upload", "overwrite": False}, retries=0)
    run = studio.submit_graph(refused).wait("Failed")
    assert "would replace" in run.why(), run.why()
    assert_large(far, place, 17)


def test_an_agent_that_is_killed_amid_sending_goes_on(studio: Studio, blob: Far) -> None:
    between, place, sent = blob.between, "killed", list[str]()
    assert between is not None
    go_on = threading.Event()

    def hold(method: str, where: str) -> None:
        if is_part(method, where) and place in where:
            sent.append(where)
            if len(sent) > 12:
                go_on.wait(60)

    between.before = hold
    run = studio.submit_graph(writes(studio, blob, place))
    eventually(lambda: len(sent) > 15, 120, "parts on their way")
    studio.strike("agent")
    first = set(sent[:12])
    go_on.set()
    run.wait()
    assert len(attempts_of(run)) == 1
    assert_large(blob, place)

    def name(where: str) -> tuple[str, str]:
        number = where.partition("partNumber=")[2].partition("&")[0]
        return where.partition("?")[0], number or where.partition("blockid=")[2]

    times = Counter(name(where) for where in sent)
    once = [where for where in first if times[name(where)] == 1]
    assert len(once) >= 8, f"the next agent sent again what was there: {times}"


def test_a_cancel_amid_sending_leaves_nothing(studio: Studio, stores: dict[str, Far]) -> None:
    far, sent = stores["s3"], list[str]()
    between, place = far.between, "canceled"
    assert between is not None

    def slow(method: str, where: str) -> None:
        if is_part(method, where) and place in where:
            sent.append(where)
            time.sleep(4)

    between.before = slow
    run = studio.submit_graph(writes(studio, far, place))
    eventually(lambda: len(sent) > 3, 120, "parts on their way")
    assert studio.rest("POST", f"runs/{run.id}/cancel/").status_code in (200, 202)
    run.wait("Canceled")
    assert far.keys(place) == set()
    eventually(lambda: not uploads_of(far), 60, "the end of what was begun")


def uploads_of(far: Far) -> list[str]:
    """What is begun on an S3 and neither complete nor given up."""
    client, bucket = far.root.objects.client, far.options["bucket"]  # type: ignore[attr-defined]
    return [each["Key"] for each in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


def test_outputs_go_through_the_studio_where_the_host_does_not_get_through(studio: Studio, blob: Far) -> None:
    between = blob.between
    assert between is not None
    between.matches, between.faults = is_part, [403] * 1000
    run = studio.submit_graph(writes(studio, blob, "walled")).wait()
    assert len(attempts_of(run)) == 1
    assert_large(blob, "walled")
    found = attempts_of(run)[0]["transfers"]["outputs"]
    assert (found["files"], found["files_total"]) == (32, 32)


def test_a_part_that_a_store_stumbles_over_is_sent_again(studio: Studio, blob: Far) -> None:
    between = blob.between
    assert between is not None
    between.matches, between.faults = is_part, [500, "cut", 403, 429, "half"]
    run = studio.submit_graph(writes(studio, blob, "stumbled")).wait()
    assert len(attempts_of(run)) == 1 and between.faults == []
    assert_large(blob, "stumbled")


def test_wrong_credentials_are_told_and_not_tried_again(studio: Studio, blob: Far) -> None:
    blob.put("rights/a.txt", b"mine")
    blob.credentials(blob.server.wrong)
    try:
        answer = studio.rest(
            "POST", "runs/", json={"experiment": "Lab", "kind": "pipeline", "graph": step(studio, READ, inputs=[path(blob, "rights")], **AGAIN)}
        )  # fmt: skip
        if answer.status_code == 201:
            run = LiveRun(studio, answer.json()["id"]).wait("Failed")
            assert "credentials" in run.why(), run.why()
            assert {each["cause"] for each in attempts_of(run)} <= {"store_refused"}, attempts_of(run)
        else:
            assert answer.status_code == 422 and "credentials" in answer.text, answer.text
    finally:
        blob.credentials(blob.server.credentials)
    run = studio.submit_graph(step(studio, READ, inputs=[path(blob, "rights")])).wait()
    assert b"a.txt mine" in run.log("step")


@pytest.mark.parametrize("mode", ["download", "mount"])
def test_credentials_that_are_revoked_while_data_are_read_are_told(studio: Studio, blob: Far, mode: str) -> None:
    blob.put("revoked/a.txt", b"mine")
    between = blob.between
    assert between is not None
    between.matches = lambda method, where: method == "GET" and "revoked/a.txt" in where and "comp=list" not in where
    between.faults = [403] * 20
    run = studio.submit_graph(step(studio, READ, inputs=[path(blob, "revoked", mode=mode)], **AGAIN)).wait("Failed")
    assert [each["cause"] for each in attempts_of(run)] == ["store_refused"], run.why()
    assert "credentials" in run.why(), run.why()


def test_credentials_may_be_rotated_while_a_step_runs(studio: Studio, stores: dict[str, Far], tmp_path: Path) -> None:
    """What it writes goes to the store with those of then."""
    far = stores["azure_blob"]
    far.put("rotated/a.txt", b"in")
    output = {"name": "made", "kind": "file_dataset", "datastore": far.name, "destination": "rotated/out"}
    script = "import time, sys, pathlib\nprint('running', flush=True)\ntime.sleep(6)\npathlib.Path(sys.argv[2], 'x').write_text('out')"
    far.credentials(far.server.credentials)
    run = studio.submit_graph(step(studio, script, inputs=[path(far, "rotated/a.txt")], outputs=[output], **AGAIN))
    run.until("step", b"running")
    far.credentials(far.server.wrong)
    far.credentials(far.server.credentials)
    run.wait()
    assert far.root.read("rotated/out/x") == b"out"


def test_a_file_that_changes_while_it_is_brought_is_brought_anew(studio: Studio, blob: Far) -> None:
    blob.put("changing/a.bin", b"1" * 9_000_000)
    between = blob.between
    assert between is not None

    def change(method: str, where: str) -> None:
        if method == "GET" and "comp=list" not in where and "changing/a.bin" in where:
            between.before = lambda _method, _path: None
            blob.put("changing/a.bin", b"2" * 9_000_000)

    between.before = change
    script = (
        "import sys, pathlib\ndata = (pathlib.Path(sys.argv[1]) / 'a.bin').read_bytes()\nprint(len(data), set(data))"
    )
    run = studio.submit_graph(step(studio, script, inputs=[path(blob, "changing")], **AGAIN)).wait()
    assert b"9000000 {50}" in run.log("step"), run.log("step")
    assert attempts_of(run)[0]["cause"] == "store_away", "told, and tried again"


@pytest.mark.parametrize("mode", ["mount", "download"])
def test_bytes_come_from_the_store_itself_and_once_for_a_host(studio: Studio, blob: Far, mode: str) -> None:
    """By signed addresses: no request for a file has a key of the account. The second step asks for none."""
    for number in range(10):
        blob.put(f"once/{mode}/{number}.txt", b"x" * 1000)
    between = blob.between
    assert between is not None
    graph = step(studio, COUNT, inputs=[path(blob, f"once/{mode}", mode=mode)])
    for expected in (10, 0):
        between.asked.clear()
        run = studio.submit_graph(graph).wait()
        assert b"found 10 " in run.log("step")
        read = [
            where for method, where in between.asked if method == "GET" and f"once/{mode}/" in where.partition("?")[0]
        ]
        assert len(read) == expected and all("sig=" in where for where in read), read
        found = attempts_of(run)[0]["transfers"]["inputs"]
        assert (found["done"], found["total"], found["files"]) == (10_000, 10_000, 10)
        assert (found["cached"], found["files_cached"]) == ((0, 0) if expected else (10_000, 10))


def test_a_large_file_comes_by_several_ranges_at_once(studio: Studio, blob: Far) -> None:
    """Two of them break in their middle, and go on from there."""
    data = hashlib.shake_128(b"large").digest(1 << 20) * 64
    blob.put("large/a.bin", data)
    between = blob.between
    assert between is not None
    is_range: Callable[[str, str], bool] = lambda method, where: method == "GET" and "large/a.bin" in where  # noqa: E731
    between.matches, between.faults = is_range, ["half", "half"]
    between.asked.clear()
    run = studio.submit_graph(step(studio, COUNT, inputs=[path(blob, "large")])).wait()
    assert f"found 1 {hashlib.sha256(data).hexdigest()}".encode() in run.log("step")
    assert sum(is_range(*each) for each in between.asked) == 4 and len(attempts_of(run)) == 1
    assert attempts_of(run)[0]["transfers"]["inputs"]["done"] == len(data)


LAST = """
import pathlib, sys
place = pathlib.Path(sys.argv[1])
with (place / "large.bin").open("rb") as file:
    file.seek(-100, 2)
    print(file.read().decode(), sorted(path.name for path in place.rglob("*")))
"""


@pytest.mark.parametrize("kind", ["azure_blob", "sftp"])
def test_a_mount_brings_what_is_read(studio: Studio, stores: dict[str, Far], kind: str) -> None:
    """From the store itself where addresses can be signed, through the studio where not."""
    if (why := lacks()) is not None:
        lacking(str(why), "DUTO_REQUIRE_FUSE")
    far = stores[kind]
    far.put("lazy/large.bin", bytes(12 << 20) + b"x" * 100)
    far.put("lazy/sub/a.txt", b"1")
    if far.between is not None:
        far.between.sent.clear()
    run = studio.submit_graph(step(studio, LAST, inputs=[path(far, "lazy", mode="mount")])).wait()
    assert b"x" * 100 in run.log("step") and b"['a.txt', 'large.bin', 'sub']" in run.log("step"), run.log("step")
    if far.between is not None:
        assert 100 <= sum(size for where, size in far.between.sent if "lazy/large.bin" in where) < 2 << 20


def test_a_mounted_file_that_changes_fails_the_step_which_is_tried_again(studio: Studio, blob: Far) -> None:
    if (why := lacks()) is not None:
        lacking(str(why), "DUTO_REQUIRE_FUSE")
    blob.put("moving/a.txt", b"first")
    blob.put("moving/b.txt", b"first")
    between = blob.between
    assert between is not None

    def change(method: str, where: str) -> None:
        if method == "GET" and "moving/a.txt" in where:
            between.before = lambda _method, _path: None
            blob.put("moving/b.txt", b"second")

    between.before = change
    script = """
import pathlib, sys
place = pathlib.Path(sys.argv[1])
print((place / "a.txt").read_text(), (place / "b.txt").read_text())
"""
    run = studio.submit_graph(step(studio, script, inputs=[path(blob, "moving", mode="mount")], **AGAIN)).wait()
    first, second = attempts_of(run)
    assert first["cause"] == "store_away" and "'b.txt' has changed" in first["message"], first
    assert second["cause"] is None and b"first second" in run.log("step")


def test_a_store_that_keeps_silent_holds_up_nobody_else(studio: Studio, blob: Far) -> None:
    """It is asked outside of the locks under which it decides: others submit, and the same run is canceled, meanwhile."""
    blob.put("silent/a.txt", b"late")
    between = blob.between
    assert between is not None
    graph = step(studio, READ, inputs=[path(blob, "silent")], allow_reuse=True)
    studio.submit_graph(graph).wait()
    asked: list[float] = []

    def wait(method: str, where: str) -> None:
        if "comp=list" in where and "silent" in where:
            asked.append(time.monotonic())
            if len(asked) > 1:  # the first is that of the submit, which whoever submits waits for
                time.sleep(6)

    between.before = wait
    with ThreadPoolExecutor(1) as thread:
        silent = thread.submit(studio.submit_graph, graph)
        while len(asked) < 2:
            time.sleep(0.05)
        began = time.monotonic()
        other = studio.submit({"quick": "print('done')"})
        took = time.monotonic() - began
        assert took < 5, f"a submit beside it took {took:.1f} s"
        other.wait()
        assert silent.result().wait().step("step")["is_reused"]


def test_a_host_goes_on_while_a_silent_store_is_asked_for_the_data_of_a_step(studio: Studio, blob: Far) -> None:
    """What its agent asks for work brings the reports, the leases and the cancels of its other steps too."""
    blob.put("listing/a.txt", b"there")
    between, asked, answers = blob.between, threading.Event(), threading.Event()
    assert between is not None
    graph, seen = step(studio, READ, inputs=[path(blob, "listing")]), list[str]()

    def wait(method: str, where: str) -> None:
        if "comp=list" in where and "listing" in where:
            seen.append(where)
            if len(seen) > 1:  # the first is that of the submit
                asked.set()
                answers.wait(25)

    between.before = wait
    try:
        run = studio.submit_graph(graph)
        assert asked.wait(60), run.why()
        quick, slow = (
            studio.submit({"quick": "print('done')"}),
            studio.submit({"slow": "import time; print('on', flush=True); time.sleep(600)"}),
        )
        quick.wait()
        slow.until("slow", b"on")
        assert studio.rest("POST", f"runs/{slow.id}/cancel/").status_code == 200
        slow.wait("Canceled")
        assert not answers.is_set() and run.status not in ENDS
    finally:
        answers.set()
    assert b"a.txt there" in run.wait().log("step") and len(attempts_of(run)) == 1


@pytest.mark.parametrize("example", ["batch-scoring", "data-references"])
def test_an_example_runs_on_a_far_default_datastore(
    studio: Studio, stores: dict[str, Far], tmp_path: Path, example: str
) -> None:
    """Nothing of the program differs from what it would be on Azure: the account's endpoint is the datastore's."""
    studio.live.take_over()
    far = stores["azure_blob"]
    assert studio.rest("PATCH", f"datastores/{far.name}/", role="owner", json={"is_default": True}).status_code == 200
    try:
        folder = shutil.copytree(ROOT / "examples" / example, tmp_path / example)
        words = ["pipeline.py"]
        if example == "data-references":
            words += ["--datastore", far.name, "--upload", "data", "--publish", "pipeline-id.txt"]
        done = studio.program(folder, *words)
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
        if example == "data-references":
            report = [file.read_text() for file in (folder / "downloaded").rglob("report.txt")]
            assert report == ["Mean error 11.31 minutes over 852 flights\n"]
            done = studio.program(folder, "trigger.py", "pipeline-id.txt")
            assert done.returncode == 0 and "register Finished" in done.stdout, done.stdout[-5000:]
        assert far.keys(example), "its data lie on the far store"
    finally:
        studio.rest("PATCH", "datastores/workspaceblobstore/", role="owner", json={"is_default": True})
