"""Downloads of pages, REST and agents: in pieces, by range, and nothing left behind by who reads slowly or leaves."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import io
import os
import threading
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import RequestFactory

from core import serving
from core.clock import now
from core.storage import Root, artifact_store, blob_key, data_dir
from datasets.services.datastores import put_file
from datasets.services.versions import save
from duto.spec import canonical
from registry.models import ModelVersion, RegisteredModel
from runs.models import Artifact, MetricPoint, Output, Snapshot, StepRun
from runs.queries import metrics
from tests.asgi import Visit, visit
from tests.runs.conftest import KEY
from tests.web.conftest import Site
from workspaces.models import Role
from workspaces.services import tokens

pytestmark = [pytest.mark.django_db(transaction=True)]

# Twice what one request may hold.
SIZE = 12 << 20
# What one request may hold of it: a piece being read, one being sent, and the answer's own.
HELD = 6 << 20


class Downloads:
    """One large file of each kind that can be downloaded, and who may read it."""

    def __init__(self) -> None:
        site = Site()
        path = Path(data_dir()) / "large.bin"
        with path.open("wb") as file:
            for _ in range(SIZE >> 20):
                file.write(os.urandom(1 << 20))  # an archive of it is as large
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        store = artifact_store(site.workspace.pk)

        def put(root: Root, key: str) -> None:
            target = Path(root.full(key))
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)

        run = site.step(site.pipeline("a", status="Completed"), "a")
        attempt = site.attempt(run, status="completed", log_size=SIZE, log_sealed_at=now())
        going = site.attempt(site.step(site.pipeline("b"), "b"))
        put(store, f"logs/{attempt.pk}")
        put(store, f"artifacts/{run.pk}/large.bin")
        put(store, f"artifacts/{run.pk}/page.html")
        for name in ("large.bin", "page.html"):
            Artifact.objects.create(run=run, path=name, size=SIZE)
        site.put_store("large.bin", path)
        files = [{"path": "large.bin", "size": SIZE, "digest": digest}]
        Output.objects.create(
            run=run, name="out", datastore="workspaceblobstore", path="kept", digest="0", files=files, file_count=1, size=SIZE
        )  # fmt: skip
        site.put_store("kept/large.bin", path)
        put(store, blob_key(digest))
        entries = [{"path": "large.bin", "digest": digest, "size": SIZE, "executable": False}]
        key = canonical.digest({"schema": 1, "files": entries})
        Snapshot.objects.create(workspace=site.workspace, digest=key, files=entries, file_count=1, size=SIZE)
        StepRun.objects.filter(run=run).update(snapshot_digest=key)
        model = RegisteredModel.objects.create(workspace=site.workspace, name="forest", latest_version=1)
        held = ModelVersion.objects.create(model=model, version=1, run_id=run.pk, file_count=1, size=SIZE)
        put(store, f"{held.prefix}/large.bin")
        sources = {"sources": [{"datastore": "workspaceblobstore", "path": "large.bin"}]}
        version = save(site.context, "large", "file", sources)
        path.unlink()

        page, rest = "/w/lab", "/api/v1/workspaces/lab"
        self.ranged = {
            "page of a datastore": f"{page}/data/stores/workspaceblobstore/file/?path=large.bin",
            "page of an artifact": f"{page}/runs/{run.pk}/artifacts/large.bin",
            "framed page": f"{page}/runs/{run.pk}/framed/page.html",
            "page of an output": f"{page}/runs/{run.pk}/outputs/out/large.bin",
            "page of a model": f"{page}/models/files/{held.pk}/large.bin",
            "file": f"{rest}/datastores/workspaceblobstore/files/large.bin",
            "artifact": f"{rest}/runs/{run.pk}/artifacts/large.bin",
            "output": f"{rest}/runs/{run.pk}/outputs/out/files/large.bin",
            "snapshot's file": f"{rest}/snapshots/{key}/files/large.bin",
            "model": f"{rest}/models/forest/versions/1/content/?path=large.bin",
            "dataset": f"{rest}/dataset-versions/{version.pk}/content/?path=large.bin",
            "log": f"{rest}/runs/{run.pk}/log/?download=1",
            "agent's blob": f"/agent/v1/attempts/{going.pk}/1/files/blob/{digest}",
            "agent's data": f"/agent/v1/attempts/{going.pk}/1/files/data/workspaceblobstore/large.bin",
        }
        self.made = {
            "page of code": f"{page}/runs/{run.pk}/snapshot.zip",
            "archive of code": f"{rest}/snapshots/{key}/archive/",
        }
        self.all = {**self.ranged, **self.made}
        self.run, self.metrics = run, f"{rest}/runs/{run.pk}/metrics/"
        self.site = site
        reader = site.person("a-reader")
        self.token = tokens.mint(reader, site.workspace, Role.READER, "tests").text
        self.cookie = site.people["reader"].cookies[settings.SESSION_COOKIE_NAME].value

    def headers(self, name: str) -> dict[str, str]:
        if "page" in name:
            return {"cookie": f"{settings.SESSION_COOKIE_NAME}={self.cookie}"}
        return {"authorization": f"Bearer {KEY if 'agent' in name else self.token}"}


class Counted(io.BufferedReader):
    """A reader that counts what is read from it, by all of them."""

    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        Counted.read_bytes += len(data)
        return data


@pytest.fixture
def downloads(transactional_db: None) -> Downloads:
    # What earlier tests of this worker have left need not be looked through for each download.
    gc.freeze()
    return Downloads()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counted]:
    monkeypatch.setattr(Root, "open", lambda root, key: Counted(io.FileIO(root.full(key))))
    Counted.read_bytes = 0
    return Counted


def open_files() -> int:
    """How many descriptors of the data directory this process holds."""
    held = 0
    for each in Path("/proc/self/fd").iterdir():
        try:
            target = str(each.readlink())
        except FileNotFoundError:
            continue
        held += target.startswith(f"{data_dir()}/") and "sqlite3" not in target
    return held


async def settled(is_so: Callable[[], bool]) -> None:
    """Until it is so; a hang guard, no measure."""
    async with asyncio.timeout(60):
        while not is_so():
            gc.collect()
            await asyncio.sleep(0.02)


async def peak_of(action: Callable[[], Awaitable[Any]]) -> int:
    """The most bytes that Python held more than before."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await action()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


async def test_no_download_passes_through_memory_as_a_whole(downloads: Downloads) -> None:
    await visit(
        "GET", downloads.all["file"], downloads.headers("file")
    )  # what is imported at the first is not what is measured
    for name, url in downloads.all.items():
        got = Visit("GET", url, downloads.headers(name))
        assert await peak_of(got.run) < HELD, name
        assert got.answer.status == 200, (name, got.answer)
        assert got.answer.size >= SIZE and got.answer.pieces > 20, name
    assert open_files() == 0


async def test_a_table_becomes_csv_in_pieces(downloads: Downloads) -> None:
    def table() -> str:
        lines = ("a,b\n" + "".join(f"{number},{os.urandom(50).hex()}\n" for number in range(SIZE // 100))).encode()
        put_file(downloads.site.context, "workspaceblobstore", "t.csv", io.BytesIO(lines), overwrite=True)
        sources = {"sources": [{"datastore": "workspaceblobstore", "path": "t.csv"}]}
        known = {"file_count": 1, "size": len(lines)}
        version = save(
            downloads.site.context, "table", "tabular", {**sources, "format": {"type": "delimited"}}, known=known
        )
        return f"/api/v1/workspaces/lab/dataset-versions/{version.pk}/content/"

    got = Visit("GET", await sync_to_async(table)(), downloads.headers("dataset"))
    assert await peak_of(got.run) < HELD
    assert got.answer.status == 200 and got.answer.size >= SIZE and got.answer.pieces > 20, got.answer


async def test_metrics_take_no_more_than_an_answer_may_hold(
    downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was logged: of many long series each comes thinner, of many short ones some come thinned."""
    for name in ("POINTS_MAX", "PAGE_POINTS"):
        monkeypatch.setattr(metrics, name, 3_000)
    monkeypatch.setattr(metrics, "TEXT_MAX", 4 << 20)

    def log(prefix: str, series: int, length: int, **more: Any) -> None:
        MetricPoint.objects.bulk_create(
            [
                MetricPoint(
                    run=downloads.run, name=f"{prefix}{which}", kind="scalar", index=index, at=now(),
                    **(more or {"value": 1 / (index + 1)}),
                )
                for which in range(series) for index in range(length)
            ],
            batch_size=5000,
        )  # fmt: skip

    await sync_to_async(log)("long", 12, 1500)
    await sync_to_async(log)("short", 12, 500)
    await sync_to_async(log)("text", 8, 2, data="x" * (1 << 20))
    answer = await sync_to_async(metrics.metric_documents)(downloads.run, whole=metrics.WHOLE_MAX)
    found = answer.series
    assert len(found) == 32 and sum(len(each["points"]) for each in found) <= 2 * metrics.POINTS_MAX
    for address in ("?whole=1", "?recursive=1", "points/", "?name=long1"):
        got = Visit("GET", downloads.metrics + address, downloads.headers("rest"))
        await visit("GET", downloads.metrics + "?name=none", downloads.headers("rest"))
        peak = await peak_of(got.run)
        assert peak < 12 << 20, address
        assert got.answer.status == 200 and got.answer.size < 10 << 20, (address, got.answer)


async def test_head_and_a_range_read_what_they_send(downloads: Downloads, counted: type[Counted]) -> None:
    for name, url in downloads.all.items():
        counted.read_bytes = 0
        head = await visit("HEAD", url, downloads.headers(name))
        if "agent" in name:
            assert head.status == 405
        else:
            assert (head.status, head.size) == (200, 0), name
            assert counted.read_bytes == 0 or (name in downloads.made and counted.read_bytes <= 2 << 20), name
            assert head.headers["content-length"] == ("0" if name in downloads.made else str(SIZE))
    for name, url in downloads.ranged.items():
        counted.read_bytes = 0
        part = await visit("GET", url, {**downloads.headers(name), "range": "bytes=0-0"})
        assert (part.status, part.size, counted.read_bytes) == (206, 1, 1), name
        assert part.headers["content-range"] == f"bytes 0-0/{SIZE}"
        end = await visit("GET", url, {**downloads.headers(name), "range": f"bytes={SIZE - 3}-{'9' * 5000}"})
        assert (end.status, end.size) == (206, 3), name
        beyond = await visit("GET", url, {**downloads.headers(name), "range": f"bytes={'9' * 5000}-"})
        assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{SIZE}"), name
    assert open_files() == 0


async def test_slow_readers_cost_a_piece_each_and_leave_nothing(downloads: Downloads) -> None:
    many = [Visit("GET", url, downloads.headers(name)) for name, url in downloads.all.items() for _ in range(4)]
    before = threading.active_count()
    for each in many:
        each.reading.clear()

    async def hold_then_leave() -> None:
        going = [asyncio.create_task(each.run()) for each in many]
        await asyncio.gather(*(asyncio.wait_for(each.begun.wait(), 60) for each in many))
        assert open_files() >= len(downloads.ranged) * 4
        for each in many:
            each.leave()
        await asyncio.gather(*going)

    assert await peak_of(hold_then_leave) < len(many) * (1 << 20)
    await settled(lambda: open_files() == 0)
    # Those of the pool for pieces stay: as many as the loop has, however many read.
    await settled(lambda: threading.active_count() <= before + 40)


async def test_slow_readers_keep_no_connection_from_others(downloads: Downloads) -> None:
    readers = [
        Visit("GET", downloads.all["file"], downloads.headers("file")) for _ in range(settings.DUTO.database_pool + 2)
    ]
    for each in readers:
        each.reading.clear()
    going = [asyncio.create_task(each.run()) for each in readers]
    await asyncio.gather(*(asyncio.wait_for(each.begun.wait(), 60) for each in readers))
    assert (await visit("GET", "/api/v1/me/", downloads.headers("file"))).status == 200
    for each in readers:
        each.leave()
    await asyncio.gather(*going)


async def test_who_leaves_while_a_piece_is_made_ends_its_making() -> None:
    made, may_go, closed = threading.Event(), threading.Event(), threading.Event()

    def slowly() -> Any:
        try:
            while True:
                made.set()
                may_go.wait(60)
                yield b"x"
        finally:
            closed.set()

    pieces = slowly()
    iterator = serving.one_by_one(pieces)
    taking: asyncio.Future[bytes] = asyncio.ensure_future(anext(iterator))
    await sync_to_async(made.wait, thread_sensitive=False)(30)
    taking.cancel()
    await asyncio.sleep(0)
    may_go.set()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert closed.is_set()


@pytest.mark.parametrize(
    ("header", "status", "content"),
    [
        ("bytes=0-1", 206, b"01"), ("bytes=8-", 206, b"89"), ("bytes=-2", 206, b"89"), ("bytes=-99", 200, None),
        ("bytes=3-99", 206, b"3456789"), ("bytes=10-", 416, b""), ("bytes=-0", 416, b""), (f"bytes=-{'0' * 5000}1", 206, b"9"),
        (f"bytes={'9' * 5000}-{'9' * 5001}", 416, b""), (f"bytes=0-{'9' * 5000}", 200, None), (f"bytes=-{'9' * 5000}", 200, None),
        ("bytes=5-2", 200, None), ("bytes=0-1,3-4", 200, None), ("bytes=-", 200, None), ("bytes=a-b", 200, None),
        ("lines=0-1", 200, None), ("bytes=\u0661-\u0662", 200, None), ("bytes=1-2\n", 206, b"12"), ("bytes=--5", 200, None),
    ],
)  # fmt: skip
def test_a_range_is_met_refused_or_not_one(header: str, status: int, content: bytes | None) -> None:
    whole = b"0123456789"
    request = RequestFactory().get("/", headers={"Range": header})
    answer: Any = serving.serve(request, io.BytesIO(whole), len(whole), "a.bin")
    assert (answer.status_code, answer.content) == (status, whole if content is None else content)
