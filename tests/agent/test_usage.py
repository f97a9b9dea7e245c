"""What running steps use, sampled on real processes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from duto_agent.host.gpus import Gpus
from duto_agent.host.usage import FILE, Sampler, SampleShipment, of_devices, pause, write
from duto_agent.launchers.base import AttemptKey
from duto_agent.launchers.resource_usage import Processes
from duto_agent.studio.client import Refused
from duto_protocol.messages import DeviceReading
from tests.agent.nvml import RECORDED, StandIn
from tests.agent.steps import Steps, until

MIB = 1 << 20
FIRST, SECOND = (device["uuid"] for device in RECORDED["devices"])


class SteppedSampler:
    """A sampler whose clock the test holds."""

    def __init__(self, steps: Steps, *keys: AttemptKey, devices: tuple[str, ...] = ()) -> None:
        self.steps, self.keys, self.devices, self.clock = steps, list(keys), devices, 0.0
        self.sampler = Sampler(steps.launcher, lambda: dict.fromkeys(self.keys, self.devices), Gpus(StandIn))

    def round(self, seconds: float) -> None:
        self.clock += seconds
        self.sampler.look(self.clock)

    def lines(self, key: AttemptKey) -> list[dict[str, Any]]:
        path = self.steps.launcher.directory(key) / FILE
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(("age", "seconds"), [(0, 1), (14.9, 1), (15, 5), (599, 5), (600, 15), (90_000, 15)])
def test_young_steps_are_looked_at_often_and_old_ones_seldom(age: float, seconds: float) -> None:
    assert pause(age) == seconds


def test_a_step_is_sampled_from_its_first_second_on_until_it_ends(steps: Steps) -> None:
    code = "import time\nheld = bytearray(60 << 20)\nopen('ready', 'w').close()\ntime.sleep(60)"
    launch = steps.launch(code)
    steps.launcher.ensure(launch)
    until((launch.cwd / "ready").exists)
    sampler = SteppedSampler(steps, launch.key)
    sampler.round(0)
    assert sampler.lines(launch.key) == []  # most short steps are over before the first look
    for _ in range(4):
        sampler.round(0.5)
    first, second = sampler.lines(launch.key)
    assert 60 * MIB < first["memory"] < 200 * MIB and first["processes"] == 1
    assert first["gpus"] == [] and first["at"] < second["at"] and second["cpu"] >= first["cpu"] > 0
    steps.launcher.signal(launch.key, 0)
    steps.wait(launch.key)
    until(lambda: steps.launcher._shim(launch.key) is None)
    sampler.round(30)
    assert len(sampler.lines(launch.key)) == 2
    sampler.keys.clear()
    sampler.round(1)
    assert (sampler.sampler._due, sampler.sampler._begun) == ({}, {})


def test_the_time_of_processes_that_are_gone_still_counts(steps: Steps) -> None:
    burn = "import time\\nuntil = time.process_time() + 0.5\\nwhile time.process_time() < until: pass"
    code = f"""
import os, subprocess, sys, time
subprocess.run([sys.executable, '-c', "{burn}"])
if os.fork() == 0:  # one that nobody waits for: the shim buries it
    subprocess.Popen([sys.executable, '-c', "{burn}"], start_new_session=True)
    os._exit(0)
os.wait()
time.sleep(60)
"""
    key = steps.start(code)
    until(lambda: (found := steps.launcher.stats(key, Processes.now())) and found.cpu_seconds >= 1.0)
    until(lambda: (found := steps.launcher.stats(key, Processes.now())) and found.processes == 1)
    found = steps.launcher.stats(key, Processes.now())
    assert found is not None and 1.0 <= found.cpu_seconds < 4


def test_what_processes_share_is_counted_once(steps: Steps) -> None:
    code = """
import mmap, os, time
shared = mmap.mmap(-1, 80 << 20)
shared.write(b'x' * (80 << 20))
for _ in range(3):
    if os.fork() == 0:
        for at in range(0, len(shared), 4096): shared[at]  # a copy would be memory of its own
        time.sleep(60)
open('ready', 'w').close()
time.sleep(60)
"""
    launch = steps.launch(code)
    steps.launcher.ensure(launch)
    until((launch.cwd / "ready").exists)
    until(lambda: (found := steps.launcher.stats(launch.key, Processes.now())) and found.memory > 80 * MIB)
    found = steps.launcher.stats(launch.key, Processes.now())
    assert found is not None and found.processes == 4 and found.memory < 200 * MIB


def test_bytes_of_disks_are_those_of_the_whole_tree(steps: Steps) -> None:
    write_it = "import os; f = open('big', 'wb'); f.write(os.urandom(8 << 20)); f.flush(); os.fsync(f.fileno())"
    key = steps.start(
        f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {write_it!r}])\ntime.sleep(60)"
    )
    until(lambda: (found := steps.launcher.stats(key, Processes.now())) and found.written >= 8 * MIB)


def test_a_step_with_a_control_group_is_weighed_by_it(guarded: Steps) -> None:
    if guarded.launcher.cgroups is None:
        pytest.skip("no control groups may be made here")
    key = guarded.start("import time\nheld = bytearray(40 << 20)\ntime.sleep(60)")
    until(lambda: (found := guarded.launcher.stats(key, Processes.now())) and found.memory > 40 * MIB)
    pids = guarded.launcher.stats(key, Processes.now())
    assert pids is not None
    assert key.folder in Path(f"/proc/{pids.pids[-1]}/cgroup").read_text()


def test_devices_are_told_of_the_steps_that_hold_them(steps: Steps) -> None:
    key = steps.start("import time; time.sleep(60)")
    sampler = SteppedSampler(steps, key, devices=(SECOND,))
    until(lambda: steps.launcher.stats(key, Processes.now()))
    sampler.round(0)
    sampler.round(1)
    reading = RECORDED["readings"][1]
    facts = {"uuid": SECOND, "utilization": reading["utilization"], "memory": reading["memory"]}
    assert sampler.lines(key)[0]["gpus"] == [facts]


def test_the_memory_of_a_device_is_that_of_the_step_where_the_driver_names_processes() -> None:
    readings = {each["uuid"]: DeviceReading(**each) for each in RECORDED["readings"]}
    held = {FIRST: {10: 5, 11: 7, 99: 1000}, SECOND: {}}
    (first,) = of_devices((FIRST,), (10, 11), readings, held)
    assert first.memory == 12
    assert of_devices(("GPU-fell-off",), (10,), readings, held) == []


def test_nothing_is_written_where_a_script_has_put_something_else(tmp_path: Path) -> None:
    victim, place = tmp_path / "victim", tmp_path / FILE
    victim.write_bytes(b"kept")
    for lay in (lambda: place.symlink_to(victim), lambda: os.link(victim, place), lambda: os.mkfifo(place)):
        lay()
        write(place, b"line\n")
        place.unlink()
    assert victim.read_bytes() == b"kept"
    write(place, b"line\n")
    assert place.read_bytes() == b"line\n"


@pytest.mark.parametrize("status", [404, 409, 413, 422])
def test_a_studio_that_wants_no_samples_ends_no_step(tmp_path: Path, status: int) -> None:
    class Client:
        def put_samples(self, *_: object) -> int:
            raise Refused(status, {"error": {"code": "stale_epoch", "message": ""}})

    (tmp_path / FILE).write_bytes(b"{}\n")
    shipment = SampleShipment(tmp_path, AttemptKey("a", 1), Client())  # type: ignore[arg-type]
    assert shipment.ship() is False and shipment.full
