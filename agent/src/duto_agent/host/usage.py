"""Samples of what each running step uses, one JSON line each, in its attempt's directory.

One thread for all steps: a walk over /proc costs the same for one of them as for sixty. A step is looked at often while
it is young and seldom when it is old, so that a day of work stays a small file.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from duto_agent.host.gpus import Gpus
from duto_agent.launchers.base import AttemptKey, Launcher
from duto_agent.launchers.resource_usage import Processes, Sample
from duto_agent.loops import start_loop, succeeds
from duto_agent.studio.client import StudioClient
from duto_agent.studio.shipments import LineShipment, Stale
from duto_protocol.messages import DeviceReading, StepSample
from duto_protocol.reading import written
from duto_protocol.values import Moment

FILE = "samples.jsonl"
TICK_S = 0.5
# Until this age (seconds) a sample this often (seconds).
RHYTHM = ((15.0, 1.0), (600.0, 5.0), (float("inf"), 15.0))
Devices = Mapping[AttemptKey, tuple[str, ...]]


class Sampler:
    """`held` tells the attempts of this host, each with the devices that its node holds."""

    def __init__(self, launcher: Launcher, held: Callable[[], Devices], gpus: Gpus) -> None:
        self.launcher, self.held, self.gpus = launcher, held, gpus
        self._begun: dict[AttemptKey, float] = {}
        self._due: dict[AttemptKey, float] = {}
        self._stop = threading.Event()

    def start(self) -> None:
        start_loop("usage", self._turn, self._stop)

    def stop(self) -> None:
        self._stop.set()

    def _turn(self) -> None:
        if not self._stop.wait(TICK_S):
            self.look(time.monotonic())

    def look(self, moment: float) -> None:
        """One round: weigh those whose time has come."""
        held = self.held()
        self._due = {key: due for key, due in self._due.items() if key in held}
        self._begun = {key: begun for key, begun in self._begun.items() if key in held}
        for key in held:  # the first look comes a moment later: most short steps need none
            self._due.setdefault(key, moment + RHYTHM[0][1])
        due = [key for key in held if self._due[key] <= moment]
        if not due:
            return
        processes = Processes.now()
        for key in due:  # whatever comes of it: a step that cannot be weighed now is weighed again in its time
            self._due[key] = moment + pause(moment - self._begun.get(key, moment))
        samples: dict[AttemptKey, Sample] = {}
        for key in due:
            succeeds(f"weighing of {key.folder}", partial(self._measure, key, processes, samples))
        devices = self._devices({key: held[key] for key in samples})
        for key, sample in samples.items():
            self._begun.setdefault(key, moment)
            write(self.launcher.directory(key) / FILE, line(sample, devices(key, sample)))

    def _measure(self, key: AttemptKey, processes: Processes, samples: dict[AttemptKey, Sample]) -> None:
        if (sample := self.launcher.stats(key, processes)) is not None:
            samples[key] = sample

    def _devices(self, holders: Devices) -> Callable[[AttemptKey, Sample], list[DeviceReading]]:
        """Asks the driver once for all of them, and not at all where nobody holds a device."""
        readings: dict[str, DeviceReading] = {}
        by_process: dict[str, Mapping[int, int]] = {}
        if any(holders.values()):
            readings = {each.uuid: each for each in self.gpus.readings()}
            by_process = self.gpus.memory_by_process()
        return lambda key, sample: of_devices(holders[key], sample.pids, readings, by_process)


def pause(age: float) -> float:
    """Seconds until the next sample of a step of this age."""
    return next(every for until, every in RHYTHM if age < until)


def of_devices(
    uuids: tuple[str, ...],
    pids: tuple[int, ...],
    readings: Mapping[str, DeviceReading],
    by_process: Mapping[str, Mapping[int, int]],
) -> list[DeviceReading]:
    """What the step makes of the devices that it holds. A driver that names no process tells of the whole device."""
    samples = []
    for uuid in uuids:
        reading = readings.get(uuid)
        if reading is None:
            continue
        processes = by_process.get(uuid) or {}
        memory = sum(processes.get(pid, 0) for pid in pids) if processes else reading.memory
        samples.append(DeviceReading(uuid, reading.utilization, memory))
    return samples


def line(sample: Sample, gpus: list[DeviceReading]) -> bytes:
    """One sample as the protocol writes it."""
    cpu = round(sample.cpu_seconds, 2)
    return (
        written(StepSample(Moment.present(), cpu, sample.memory, sample.read, sample.written, sample.processes, gpus))
        + b"\n"
    )


def write(path: Path, data: bytes) -> None:
    """Append, to a file of our own only: a script may have put something else in its place. A full disk costs samples."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    except OSError:
        return
    try:
        facts = os.fstat(number)
        if stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and facts.st_nlink == 1:
            os.write(number, data)
    except OSError:
        pass
    finally:
        os.close(number)


class SampleShipment(LineShipment):
    """Samples on their way to the studio. They promise nothing: a studio that refuses them gets no more, and no attempt ends for it."""

    def __init__(self, directory: Path, key: AttemptKey, client: StudioClient) -> None:
        put: Callable[[int, bytes], int] = lambda at, data: client.put_samples(key.attempt, key.epoch, at, data)  # noqa: E731
        super().__init__(directory / FILE, put)

    def ship(self) -> bool:
        try:
            return super().ship()
        except Stale:  # the log's own way tells whether the attempt is still wanted
            self.full = True
            return False
