"""An engine that is killed, or has a fault of its own, at any moment: its steps wait, run once, and end as they end."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos import engines
from duto_agent.engine import client
from duto_agent.engine.client import EngineRefused, is_passing, refusal
from duto_agent.engine.errors import EngineAway
from duto_agent.launchers.base import Launch, LaunchFailed
from studio.testing.engine import NoEngine, answers
from studio.testing.plugin import lacking
from tests.agent.containers import Boxes
from tests.agent.steps import until

docker = [pytest.mark.docker]
RUNS_ONCE = "open('ran', 'a').write('x')"


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        ('connection error: desc = "transport: Error while dialing dial unix /x/containerd.sock: connect: refused": unavailable', True),
        ("transport is closing: unavailable", True),
        ("connection closed: unavailable", True),
        ("failed to solve: rpc error: code = Unavailable desc = error reading from server", True),
        ("failed to solve: rpc error: code = Canceled desc = context canceled", True),
        ("received unexpected HTTP status: 503 Service Unavailable", False),
        ("The version 2.0 is unavailable for this Python", False),
        ("OCI runtime create failed: container_linux.go: starting container process caused", False),
    ],
)  # fmt: skip
def test_an_engine_that_lacks_a_part_of_itself_is_away(words: str, passes: bool) -> None:
    assert is_passing(words) is passes
    assert isinstance(refusal(500, words), EngineAway if passes else EngineRefused)
    assert isinstance(refusal(409, words), EngineRefused)


def run(boxes: Boxes, launch: Launch) -> Any:
    """As the agent does it: whoever hears that the engine is away asks again."""
    while True:
        try:
            boxes.launcher.ensure(launch)
            break
        except EngineAway:
            time.sleep(0.1)
    boxes.wait(launch.key, 120)
    return boxes.launcher.collect(launch.key)


class TestFaults:
    """One fault at one call, on a real engine."""

    pytestmark = docker

    @pytest.mark.parametrize("call", ["create", "inspect", "start", "ended_within", "image", "info"])
    def test_a_fault_at_any_call_does_not_become_the_end_of_the_step(
        self, boxes: Boxes, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        true, asked = getattr(boxes.engine, call), []

        def faulty(*given: Any) -> Any:
            asked.append(given)
            if len(asked) in (1, 3):
                raise EngineRefused(500, "the engine stumbled")
            return true(*given)

        monkeypatch.setattr(boxes.engine, call, faulty)
        monkeypatch.setattr("duto_agent.launchers.docker.BEGINS_S", 0.2)
        monkeypatch.setattr("duto_agent.launchers.docker.ExitEvents.within", lambda *_: None)
        launch = boxes.launch(RUNS_ONCE)
        probe = run(boxes, launch)
        assert probe.verdict["exit_code"] == 0 and asked
        assert (launch.cwd / "ran").read_text() == "x"

    def test_an_engine_that_never_gets_well_is_told_at_last(
        self, boxes: Boxes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: Any) -> Any:
            raise EngineRefused(500, "the engine is broken")

        monkeypatch.setattr(boxes.engine, "create", broken)
        monkeypatch.setattr("duto_agent.launchers.docker.FAULTY_S", 0.3)
        launch = boxes.launch(RUNS_ONCE)
        with pytest.raises(LaunchFailed, match="could not be started: the engine is broken"):
            run(boxes, launch)

    def test_a_verdict_is_believed_where_the_engine_never_gets_well(
        self, boxes: Boxes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = boxes.start(RUNS_ONCE)
        boxes.wait(key)

        def broken(*_: Any) -> Any:
            raise EngineRefused(500, "the engine is broken")

        monkeypatch.setattr(boxes.engine, "inspect", broken)
        monkeypatch.setattr("duto_agent.launchers.docker.FAULTY_S", 0.3)
        assert boxes.launcher.collect(key).verdict["exit_code"] == 0  # type: ignore[index]


class TestKills:
    """Real faults to a real engine of our own."""

    pytestmark = docker

    @pytest.fixture
    def engine(self) -> Iterator[engines.OwnEngine]:
        if why := engines.missing():
            lacking(why, "DUTO_REQUIRE_DOCKER")
        with tempfile.TemporaryDirectory(prefix="duto-faults-", ignore_cleanup_errors=True) as folder:
            name = f"bl{os.getpid()}"
            made = engines.OwnEngine(Path(folder) / "engine", engines.Namespace(name, os.getpid() % engines.PLACES))
            try:
                made.start()
            except NoEngine as error:
                lacking(str(error), "DUTO_REQUIRE_DOCKER")
            yield made
            made.stop()

    def test_steps_outlive_faults_to_their_engine_at_any_moment(
        self, engine: engines.OwnEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("duto_agent.launchers.docker.BEGINS_S", 0.2)
        boxes = Boxes(engine.socket)
        launches = [boxes.launch(f"import time\n{RUNS_ONCE}\ntime.sleep({place % 3 / 5})") for place in range(6)]
        over = threading.Event()
        with ThreadPoolExecutor(len(launches) + 1) as pool:
            faults = pool.submit(strike, engine, over)
            probes = list(pool.map(lambda launch: run(boxes, launch), launches))
            over.set()
            faults.result()
        assert [probe.verdict["exit_code"] for probe in probes] == [0] * len(launches)
        assert [(launch.cwd / "ran").read_text() for launch in launches] == ["x"] * len(launches)
        for launch in launches:
            boxes.launcher.cleanup(launch.key)
        boxes.launcher.tidy()
        assert engine_has(boxes, "step") == []
        # Its network stays: an engine that was killed may have left a mount behind, and then removes a container never.
        boxes.launcher.networks.stop()
        boxes.shim_notifications.close()


def engine_has(boxes: Boxes, kind: str) -> list[str]:
    return [each["Names"][0] for each in boxes.engine.containers({**boxes.launcher.labels, "duto.kind": kind})]


def strike(engine: engines.OwnEngine, over: threading.Event) -> None:
    """Its containerd alone for a while, an orderly end, and a kill, each soon after it has answered; then it has peace."""
    for pause, action in ((0.0, _containerd), (0.7, _ending), (1.0, _killing)):
        until(lambda: answers(engine.socket))
        over.wait(pause)
        action(engine)
    until(lambda: answers(engine.socket))


def _containerd(engine: engines.OwnEngine) -> None:
    """The engine starts it again by itself, and is refused for as long."""
    peace = time.monotonic() + 3
    while time.monotonic() < peace:
        if pid := engine.containerd:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _ending(engine: engines.OwnEngine) -> None:
    _again(engine, lambda: engine.signal(signal.SIGTERM))


def _killing(engine: engines.OwnEngine) -> None:
    _again(engine, lambda: engine.signal(signal.SIGKILL, whole=True))


def _again(engine: engines.OwnEngine, end: Callable[[], object]) -> None:
    """Its containerd goes with it; a number that is still known would be taken for one that runs, for a quarter minute."""
    assert engine.process is not None
    end()
    engine.process.wait(60)
    (engine.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)
    engine.launch()


def test_a_file_of_a_container_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FILE_MAX", 20_000)

    def read(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            entry = tarfile.TarInfo("f")
            entry.size, entry.type = size if kind == tarfile.REGTYPE else 0, kind
            tar.addfile(entry, io.BytesIO(b"x" * size))
        sent: list[bytes] = []

        class Api:
            def get_archive(self, name: str, path: str) -> tuple[Iterator[bytes], dict[str, Any]]:
                data = packed.getvalue()
                return (sent.append(data[at : at + 512]) or data[at : at + 512] for at in range(0, len(data), 512)), {}

        try:
            return client._file_of(Api(), "c", "/f")
        finally:
            assert sum(map(len, sent)) <= 21_000

    assert read(5) == b"xxxxx"
    assert read(5, tarfile.DIRTYPE) == b""
    with pytest.raises(client.EngineRefused, match="larger than 20000 bytes"):
        read(1_000_000)
