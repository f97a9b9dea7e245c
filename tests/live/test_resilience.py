"""Parts are killed while steps run: the steps run on, once, and nothing of what they said is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.testing.live import eventually
from tests.live.studio import LiveRun, Studio, is_alive

pytestmark = [pytest.mark.slow]

# A step that counts its starts, says where it is, and ends when it is told to.
STEP = """
import os, pathlib, time
place = pathlib.Path({place!r})
with (place / "starts").open("a") as starts:
    starts.write("x")
for number in range(100_000):
    print(f"line {{number}}", flush=True)
    if (place / "go").exists():
        break
    time.sleep(0.02)
print("the end")
"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One of its own: what happens here must not disturb the others."""
    folders = str(tmp_path_factory.getbasetemp())  # steps leave marks there, as users of their own
    Path(folders).chmod(0o711)
    made = Studio(tmp_path_factory.mktemp("resilience"), DUTO_LEASE_SECONDS="60", DUTO_STEP_FOLDERS=folders)
    try:
        made.start()
        made.ensure_cluster()
        made.submit({"warm": "print(1)"}).wait()
        yield made
    finally:
        made.stop()


class Going:
    """A run whose only step goes on until `finish`."""

    def __init__(self, studio: Studio, place: Path) -> None:
        place.chmod(0o777)  # steps are other users
        self.place, self.run = place, studio.submit({"step": STEP.format(place=str(place))})
        self.run.until("step", b"line 3\n")

    def finish(self) -> LiveRun:
        """Let it end, and see that it ran once and that every line arrived."""
        (self.place / "go").touch()
        self.run.wait()
        assert (self.place / "starts").read_text() == "x"
        lines = self.run.log("step").decode().splitlines()
        assert lines == [*(f"line {number}" for number in range(len(lines) - 1)), "the end"]
        (attempt,) = self.run.step("step")["step"]["attempts"]
        assert attempt["status"] == "completed"
        return self.run


@pytest.fixture
def going(studio: Studio, tmp_path: Path) -> Going:
    return Going(studio, tmp_path)


def grows(run: LiveRun, beyond: int) -> Callable[[], bool]:
    return lambda: len(run.log("step")) > beyond


@pytest.mark.parametrize("part", ["agent", "web", "worker"])
def test_a_step_outlives_the_death_of_a_part(studio: Studio, going: Going, part: str) -> None:
    studio.strike(part)
    eventually(grows(going.run, len(going.run.log("step"))), what="more of the log")
    going.finish()


def test_a_run_completes_while_the_broker_is_away(studio: Studio, tmp_path: Path) -> None:
    valkey = studio.parts["valkey"]
    os.kill(valkey, signal.SIGSTOP)
    try:
        done = studio.submit({"one": "print(1)", "two": "print(2)"}, {"two": ["one"]})
        done.wait(seconds=150)
        assert done.log("two") == b"2\n"
    finally:
        os.kill(valkey, signal.SIGCONT)
    going = Going(studio, tmp_path)
    studio.strike("valkey")
    going.finish()


def test_the_studio_stops_and_starts_while_a_step_runs(studio: Studio, going: Going) -> None:
    before = len(going.run.log("step"))
    code, output = studio.live.stop()
    assert code == 0, output
    # Nobody looks after it, and it goes on.
    time.sleep(1)
    studio.again()
    eventually(grows(going.run, before), what="more of the log")
    going.finish()


def test_a_step_that_ends_while_the_studio_is_down_is_told_afterwards(studio: Studio, going: Going) -> None:
    studio.live.stop()
    (going.place / "go").touch()
    time.sleep(1)
    studio.again()
    going.finish()


def test_a_killed_supervisor_leaves_the_step_to_the_next_one(studio: Studio, going: Going) -> None:
    parts = studio.parts
    studio.live.kill()
    eventually(lambda: not [pid for pid in parts.values() if is_alive(pid)], what="the end of the parts")
    studio.again()
    eventually(grows(going.run, 0), what="the log")
    going.finish()


def test_a_cancel_that_nobody_heard_is_carried_out_afterwards(studio: Studio, going: Going) -> None:
    os.kill(studio.parts["agent"], signal.SIGSTOP)
    studio.post(f"runs/{going.run.id}/cancel/")
    studio.strike("agent")
    going.run.wait("Canceled")
    assert (going.place / "starts").read_text() == "x"
    lines = going.run.log("step").decode().splitlines()
    assert lines == [f"line {number}" for number in range(len(lines))]
