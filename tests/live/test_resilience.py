"""Parts are killed while steps run: the steps run on, once, and nothing of what they said is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.testing.live import eventually
from tests.live.parallel import NAMES, scoring, taken_over
from tests.live.studio import LiveRun, Studio, is_alive

pytestmark = [pytest.mark.slow]
# All calls are counted. In a sandbox process ids are others, so whoever finds the mark kills itself, or its driver.
SCORE = """
import os, pathlib, time
place = pathlib.Path({place!r})
def run(batch):
    name = os.path.basename(batch[0])
    with (place / "calls").open("a") as calls:
        calls.write(name + chr(10))
    for mark, pid in (("process", os.getpid()), ("driver", os.getppid())):
        try:
            (place / mark).rmdir()
        except OSError:
            continue
        os.kill(pid, 9)
    time.sleep(0.05)
    return [name]
"""
TRAIN = """
import pathlib, sys, time
from azureml.core import Run
value, run = sys.argv[sys.argv.index("--x") + 1], Run.get_context()
with (pathlib.Path({place!r}) / "starts").open("a") as starts:
    starts.write(value + chr(10))
for number in range(1, 4):
    run.log("loss", int(value) / number)
    time.sleep(0.3)
"""

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


def test_the_studio_stops_and_starts_while_a_step_runs_and_hears_of_one_that_ended_meanwhile(
    studio: Studio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    going, ending = (Going(studio, tmp_path_factory.mktemp(name)) for name in ("going", "ending"))
    before = len(going.run.log("step"))
    code, output = studio.live.stop()
    assert code == 0, output
    # Nobody looks after them, and they go on.
    (ending.place / "go").touch()
    time.sleep(1)
    studio.again()
    eventually(grows(going.run, before), what="more of the log")
    going.finish()
    ending.finish()


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


def test_a_parallel_step_outlives_its_processes_its_driver_and_its_agent(studio: Studio, tmp_path: Path) -> None:
    """Each death costs the mini-batches that were under way, and no row is there twice."""
    tmp_path.chmod(0o777)
    run = studio.submit_graph(scoring(studio, SCORE.format(place=str(tmp_path))))

    def calls() -> list[str]:
        file = tmp_path / "calls"
        return file.read_text().splitlines() if file.exists() else []

    eventually(lambda: len(calls()) >= 10, what="the first calls")
    (tmp_path / "process").mkdir()
    eventually(lambda: not (tmp_path / "process").exists(), what="the end of a process")
    studio.strike("agent")
    (tmp_path / "driver").mkdir()
    run.wait()
    assert taken_over(studio, run) > 0 and set(calls()) == set(NAMES)
    # One that the process was at, two that the driver's were at, and those whose answers it had not read.
    assert len(NAMES) + 1 < len(calls()) <= len(NAMES) + 5
    assert [each["status"] for each in run.step("score")["step"]["attempts"]] == ["failed", "completed"]


def test_a_sweep_loses_no_trial_and_doubles_none_whoever_dies(studio: Studio, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    graph = studio.graph({"train": TRAIN.format(place=str(tmp_path))})
    sweep = {"sampling": "grid", "space": [{"name": "x", "expression": "choice", "values": [*range(1, 9)]}]}
    bounds = {"max_total": 20, "max_concurrent": 2, "max_minutes": 60, "policy": {"kind": "none"}}
    graph["steps"][0] |= {"kind": "sweep", "settings": {**sweep, **bounds, "metric": "loss", "goal": "minimize"}}
    run = studio.submit_graph(graph, kind="sweep")
    starts = tmp_path / "starts"
    for count, part in ((1, "agent"), (3, "web"), (5, "worker")):
        eventually(
            lambda least=count: starts.exists() and len(starts.read_text().split()) >= least,  # type: ignore[misc]
            what="the next trial",
        )
        studio.strike(part)
    run.wait()
    assert sorted(starts.read_text().split()) == [*map(str, range(1, 9))]
    trials = studio.get(f"runs/{run.id}/trials/")["items"]
    assert [each["hyperparameters"] for each in trials] == [{"x": value} for value in range(1, 9)]
    assert [(each["best_primary_metric"], each["logged"]) for each in trials] == [(v / 3, 3) for v in range(1, 9)]
    assert {studio.get(f"runs/{each['run']}/")["status"] for each in trials} == {"Completed"}
