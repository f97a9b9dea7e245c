"""The supervisor where its data directory's disk is full: it says so, waits for room, and ends nothing for it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from studio.config import load
from studio.supervisor import broker, parts
from studio.supervisor.layout import Layout
from studio.supervisor.parts import Part
from studio.supervisor.running import read_state
from studio.supervisor.supervisor import Supervisor
from tests.agent.test_full_disk import fill, mounted, unmount


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Layout]:
    """A data directory on a disk of sixteen megabytes."""
    layout = Layout(mounted(tmp_path / "small", "16m"))
    for folder in (layout.run, layout.valkey):
        folder.mkdir()
    yield layout
    unmount(layout.home)


@pytest.fixture
def supervisor(small: Layout, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(parts, "LONGEST_PAUSE", 0.01)
    for name in ("DUTO_DATA_DIR", "DUTO_HOST", "DUTO_PORT", "DUTO_EMBEDDED"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # the supervisor sets them for its parts
    said: list[str] = []
    made = Supervisor(dataclasses.replace(load(), port=0), small, said.append)
    made.said = said  # type: ignore[attr-defined]
    yield made
    for part in made.parts.values():
        part.kill()
    made.socket.close()


def looked(supervisor: Supervisor, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        supervisor.look()
        time.sleep(0.005)


def test_a_part_that_dies_of_a_full_disk_is_started_again_until_there_is_room(supervisor: Supervisor) -> None:
    others = fill(supervisor.layout.home)
    supervisor._run("worker", ("sh", "-c", "exit 1"))
    starts: list[int] = []

    def died_often() -> bool:
        pid = supervisor.parts["worker"].pid
        starts.extend([pid] if starts[-1:] != [pid] else [])
        return len(starts) > 12

    looked(supervisor, died_often)
    assert not supervisor.stopping and not supervisor.failed and not supervisor.is_state_written
    found = " ".join(supervisor.said)  # type: ignore[attr-defined]
    assert found.count("No space left on device") == 1 and found.count("Make room there") == 1
    others.unlink()
    supervisor.parts["worker"].command = ["sleep", "600"]
    looked(supervisor, lambda: supervisor.parts["worker"].is_up and supervisor.is_state_written)
    assert read_state(supervisor.layout)["parts"] == {"worker": supervisor.parts["worker"].pid}
    assert not supervisor.stopping


def test_a_part_that_dies_for_another_reason_ends_the_studio(supervisor: Supervisor) -> None:
    supervisor._run("worker", ("sh", "-c", "exit 1"))
    looked(supervisor, lambda: supervisor.stopping)
    assert supervisor.failed and "died 5 times" in supervisor.said[-1]  # type: ignore[attr-defined]


def test_a_state_that_cannot_be_written_leaves_the_old_one_and_no_half(supervisor: Supervisor) -> None:
    supervisor._write_state()
    fill(supervisor.layout.home)
    before = supervisor.layout.state.read_bytes()
    supervisor.parts = {f"part-{number}": Part("x", ["true"], {}, supervisor.layout.log("x")) for number in range(1000)}
    supervisor._write_state()
    assert supervisor.layout.state.read_bytes() == before and json.loads(before)
    assert [path.name for path in supervisor.layout.run.iterdir()] == ["state.json"]


def test_a_part_is_started_where_there_is_no_room_for_its_log(small: Layout) -> None:
    fill(small.home)
    for number in range(100_000):  # neither data nor another name fits
        try:
            (small.run / f"{number}").touch()
        except OSError:
            break
    part = Part("worker", ["true"], dict(os.environ), small.log("worker"))
    part.start()
    assert part.wait(time.monotonic() + 60) and part.process is not None and part.process.returncode == 0


def test_the_broker_takes_wakeups_where_its_disk_is_full(small: Layout) -> None:
    made = broker.plan(small, "", "")
    fill(small.home)
    running = subprocess.Popen(made.command, stdout=subprocess.DEVNULL)
    try:
        assert broker.wait_for(made.port, 60)
        with redis.Redis.from_url(made.url) as client:
            for number in range(50):
                assert client.lpush("studio", b"x" * 100_000) == number + 1
    finally:
        running.kill()
        running.wait()
