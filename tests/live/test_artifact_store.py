"""A studio whose files lie on an object store: two web processes that share no folder, over one database."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from studio.bootstrap import ROOT
from studio.supervisor.broker import free_port
from studio.testing.live import LiveStudio, eventually
from tests.datasets import own_stores
from tests.datasets import store_servers as servers
from tests.datasets.store_servers import Between
from tests.live.studio import LiveRun, Studio

pytestmark = [pytest.mark.slow]
SECRET = "of-two-processes-that-share-no-folder-0123456789"


class Front:
    """What a proxy does: each connection goes to the next web process, or to one that takes it."""

    def __init__(self, *ports: int) -> None:
        self.ports, self._turn = list(ports), 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(near,), daemon=True).start()

    def _pass_on(self, near: socket.socket) -> None:
        self._turn += 1
        for at in range(len(self.ports)):
            try:
                far = socket.create_connection(("127.0.0.1", self.ports[(self._turn + at) % len(self.ports)]), 5)
                break
            except OSError:
                continue
        else:
            near.close()
            return
        far.settimeout(None)
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
        except OSError:
            pass
        finally:
            for each in (source, target):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class Two:
    """`up`, and one more web process on a data directory of its own."""

    def __init__(self, base: Path, database: str, between: Between, own: dict[str, str]) -> None:
        self.base, self.between = base, between
        first, self.port = free_port(), free_port()
        self.front = Front(first, self.port)
        shared = {
            "DUTO_DATABASE_URL": database, "DUTO_SECRET_KEY": SECRET, "DUTO_PUBLIC_URL": self.front.url,
            "DUTO_LEASE_SECONDS": "20", **own,
        }  # fmt: skip
        self.studio = Studio(base, **shared)
        self.studio.live = LiveStudio(self.studio.data_dir, "up", "--port", str(first), env=self.studio.env)
        self.first, self.second = f"http://127.0.0.1:{first}", f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def data_dirs(self) -> tuple[Path, Path]:
        return self.studio.data_dir, self.base / "second"

    def start(self) -> None:
        self.studio.start()
        self.start_second()
        self.studio.ensure_cluster()

    def start_second(self) -> None:
        broker = (self.studio.data_dir / "run/broker").read_text().strip()
        self.data_dirs[1].mkdir(exist_ok=True)
        env = {**self.studio.live.env, "DUTO_DATA_DIR": str(self.data_dirs[1]), "DUTO_REDIS_URL": broker}
        command = [sys.executable, "-m", "studio.server", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.base / "second.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        eventually(lambda: self._answers(self.second), 120, "the second web process")

    def kill_second(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            return httpx.get(f"{url}/healthz", timeout=5).status_code < 500
        except httpx.HTTPError:
            return False

    def get(self, web: str, path: str) -> httpx.Response:
        """From one of the two."""
        headers = {"Authorization": f"Bearer {self.studio.token()}", "Host": self.front.url.removeprefix("http://")}
        return httpx.get(f"{web}/api/v1/workspaces/main/{path}", headers=headers, timeout=60)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill_second()
        self.studio.stop()
        self.front.close()


@contextlib.contextmanager
def fresh_database() -> Iterator[str]:
    """A fresh database of the suite's server."""
    server, name = os.environ.get("DUTO_DATABASE_URL", ""), f"own_{os.getpid()}_{time.monotonic_ns()}"
    if not server.startswith("postgres"):
        pytest.skip("SQLite is a file of one machine")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module", params=["s3", "azure"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    base = tmp_path_factory.mktemp("own")
    with {"s3": servers.moto, "azure": servers.azurite}[request.param]() as server, fresh_database() as database:
        between = Between(server.options["endpoint"])
        made = None
        try:
            made = Two(base, database, between, own_stores.variables(server, between.url))
            made.start()
            yield made
        finally:
            if made is not None:
                made.stop()
            between.close()


WRITE = """
import os, pathlib, sys, time
out = pathlib.Path(sys.argv[1])
for number in range(3):
    (out / f"{number}.txt").write_text(f"part {number}\\n" * 1000)
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs/metrics.json").write_text('{"auc": 0.9}')
told = [name for name, value in os.environ.items() if "ARTIFACT_STORE" in name or value == SECRET]
print("told:", told, flush=True)
print("written", flush=True)
for number in range(WAIT):
    print("line", number, flush=True)
    time.sleep(0.25)
"""
READ = """
import pathlib, sys
for file in sorted(pathlib.Path(sys.argv[1]).rglob("*.txt")):
    print(file.name, len(file.read_text()))
"""


def graph(studio: Studio, wait: int, *, reuse: bool = False) -> dict[str, Any]:
    scripts = {"write": WRITE.replace("WAIT", str(wait)).replace("SECRET", repr(SECRET)), "read": READ}
    made = studio.graph(scripts, allow_reuse=reuse)
    made["steps"][0].update(outputs=[{"name": "data", "is_directory": True}], arguments=[{"output": "data"}])
    read_it = {"name": "data", "mode": "download", "from": {"step": "write", "output": "data"}}
    made["steps"][1].update(inputs=[read_it], arguments=[{"input": "data"}])
    return made


def files_below(folder: Path) -> list[str]:
    return [str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()]


def assert_whole(two: Two, run: LiveRun, lines: int) -> None:
    """Both webs give the same: log, artifacts, outputs."""
    step = run.step("write")["id"]
    expected = b"told: []\nwritten\n" + b"".join(b"line %d\n" % number for number in range(lines))
    for web in (two.first, two.second):
        assert two.get(web, f"runs/{step}/log/").content == expected
        assert two.get(web, f"runs/{step}/artifacts/outputs/metrics.json").content == b'{"auc": 0.9}'
        (output,) = two.get(web, f"runs/{step}/outputs/").json()["items"]
        found = two.get(web, f"runs/{step}/outputs/{output['name']}/files/1.txt")
        assert found.content == b"part 1\n" * 1000, found.text
    assert run.log("read") == b"".join(b"%d.txt 7000\n" % number for number in range(3))


def test_a_pipeline_is_the_same_from_either_process(two: Two) -> None:
    studio = two.studio
    run = studio.submit_graph(graph(studio, 8, reuse=True))
    step = eventually(lambda: run.step("write")["step"]["attempts"] and run.step("write")["id"], 120, "its attempt")
    for web in (two.first, two.second):  # while it grows
        eventually(lambda web=web: b"written" in two.get(web, f"runs/{step}/log/").content, 120, "its live log")
    run.wait()
    assert_whole(two, run, 8)
    again = studio.submit_graph(graph(studio, 8, reuse=True)).wait()
    assert again.step("write")["is_reused"] and again.step("read")["is_reused"]
    assert_whole(two, again, 8)
    for folder in two.data_dirs:
        kept = [each for each in files_below(folder) if each.split("/")[0] in ("store", "datastores", "staging")]
        assert not [each for each in kept if not each.endswith(".sending")], kept
        assert not list(folder.glob("logs/*"))
    page = httpx.get(f"{two.second}/api/v1/workspaces/main/", headers={"Authorization": f"Bearer {studio.token()}"})
    assert page.status_code == 200


def test_a_web_that_is_killed_amid_a_run_loses_nothing(two: Two) -> None:
    studio = two.studio
    run = studio.submit_graph(graph(studio, 24))
    run.until("write", b"line 2\n")
    two.kill_second()
    run.until("write", b"line 8\n")
    two.start_second()
    studio.strike("web")
    run.wait()
    assert_whole(two, run, 24)
    assert len(run.step("write")["step"]["attempts"]) == 1


def test_a_store_that_is_away_amid_a_run_is_told_and_loses_nothing(two: Two) -> None:
    studio = two.studio
    run = studio.submit_graph(graph(studio, 16))
    run.until("write", b"line 2\n")
    two.between.is_away = True
    try:
        run.until("write", b"line 15\n")  # its log goes on
        answer = two.get(two.second, f"runs/{run.step('write')['id']}/outputs/data/files/1.txt")
        assert answer.status_code in (404, 503)
        time.sleep(6)
        assert run.step("write")["status"] not in ("Completed", "Failed"), run.why()
    finally:
        two.between.is_away = False
    run.wait()
    assert_whole(two, run, 16)
    assert len(run.step("write")["step"]["attempts"]) == 1


def test_keys_are_nowhere_in_logs(two: Two) -> None:
    keys = [value for name, value in two.studio.env.items() if name.startswith("DUTO_ARTIFACT_STORE_KEY")]
    said = "".join(two.studio.part_log(part) for part in ("web", "worker", "agent"))
    said += (two.base / "second.log").read_text(errors="replace")
    assert keys and not [each for each in keys if len(each) > 8 and each in said]
    assert "Traceback" not in said, said[said.index("Traceback") - 500 :][:4000]


def test_a_store_that_is_not_there_ends_the_start(two: Two, tmp_path: Path) -> None:
    env = {**two.studio.live.env, "DUTO_DATA_DIR": str(tmp_path), "DUTO_REDIS_URL": "redis://127.0.0.1:2/0"}
    name = env["DUTO_ARTIFACT_STORE"].partition("://")[2].partition("/")[0]
    env["DUTO_ARTIFACT_STORE"] = env["DUTO_ARTIFACT_STORE"].replace(name, "nowhere", 1)
    command = [sys.executable, "-m", "studio.server", "--port", str(free_port())]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, timeout=120)
    assert done.returncode and "'nowhere', which is not there" in done.stderr, done.stderr[-2000:]
