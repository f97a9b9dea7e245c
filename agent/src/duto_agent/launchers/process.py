"""Runs a step as a local process behind the shim, in a control group and behind walls where this host has them."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
from pathlib import Path
from typing import Any, Protocol

import psutil  # type: ignore[import-untyped]

from duto_agent.files import read_json, remove_tree, write_json
from duto_agent.launchers.base import AttemptKey, Launch, Probe, Sample
from duto_agent.launchers.cgroups import PIDS, Cgroups
from duto_agent.launchers.zygote import Zygote
from duto_agent.shim.tree import boot_id, start_ticks

say = logging.getLogger("duto.agent")
DEFAULT_LIMITS = {"core": 0}


class Walls(Protocol):
    """Puts walls around a command."""

    def command(self, launch: Launch) -> list[str]:
        """The same command behind them."""


class ProcessLauncher:
    """Implements Launcher with one shim process per attempt."""

    def __init__(
        self,
        attempts: Path,
        zygote: Zygote,
        bell: str | None = None,
        cgroups: Cgroups | None = None,
        walls: Walls | None = None,
    ) -> None:
        self.attempts, self.zygote, self.bell = attempts, zygote, bell
        self.cgroups, self.walls = cgroups, walls

    def directory(self, key: AttemptKey) -> Path:
        return self.attempts / key.folder

    def ensure(self, launch: Launch) -> None:
        directory = self.directory(launch.key)
        if self.probe(launch.key).state != "none":
            return
        write_json(directory / "launch.json", self._command(launch))
        self.zygote.spawn(directory)

    def probe(self, key: AttemptKey) -> Probe:
        directory = self.directory(key)
        # The lock first: a shim that ends between the two looks has then left its verdict.
        held = _is_locked(directory / "runner.lock")
        verdict = read_json(directory / "status.json")
        if verdict is not None:
            return Probe("exited", verdict)
        if held:
            return Probe("running")
        if not (directory / "pid.json").exists():
            return Probe("none")
        # It may have begun, or even ended, since the first look: only a lock that is free again tells of an end.
        if _is_locked(directory / "runner.lock"):
            return Probe("running")
        verdict = read_json(directory / "status.json")
        return Probe("lost") if verdict is None else Probe("exited", verdict)

    def signal(self, key: AttemptKey, grace_seconds: float) -> None:
        write_json(self.directory(key) / "cancel", {"grace_seconds": grace_seconds})

    def stats(self, key: AttemptKey) -> Sample | None:
        process = self._shim(key)
        if process is None:
            return None
        cpu, rss, count = 0.0, 0, 0
        try:
            children = process.children(recursive=True)
        except psutil.Error:  # it ended between the two looks
            return None
        for child in children:
            with contextlib.suppress(psutil.Error), child.oneshot():
                times = child.cpu_times()
                cpu += times.user + times.system
                rss += child.memory_info().rss
                count += 1
        return Sample(cpu, rss, count)

    def collect(self, key: AttemptKey) -> Probe:
        probe = self.probe(key)
        if probe.state == "lost":
            self._kill_orphans(key)
        return probe

    def cleanup(self, key: AttemptKey) -> None:
        remove_tree(self.directory(key))
        if self.cgroups is not None:
            self.cgroups.remove(key.folder)

    def discover(self) -> list[AttemptKey]:
        if not self.attempts.is_dir():
            return []
        keys = (AttemptKey.of_folder(path.name) for path in sorted(self.attempts.iterdir()))
        return [key for key in keys if key is not None]

    def _command(self, launch: Launch) -> dict[str, Any]:
        return {
            "argv": list(launch.argv) if self.walls is None else self.walls.command(launch),
            "wrapped": self.walls is not None,
            "cwd": str(launch.cwd),
            "env": launch.env | visible_devices(launch.reserved.gpus),
            **self._limits(launch),
            "bell": self.bell,
            "grace_seconds": launch.grace_seconds,
            "timeout_seconds": launch.timeout_seconds,
            "log_cap": launch.log_cap,
            "limits": {**DEFAULT_LIMITS, **launch.limits},
        }

    def _limits(self, launch: Launch) -> dict[str, Any]:
        """A control group where this agent may make one; without it the shim weighs the step's processes."""
        reserved = launch.reserved
        if self.cgroups is None:
            return {"memory_watch": reserved.memory}
        pids = int(launch.options.get("pids_limit") or PIDS)
        try:
            group = self.cgroups.make(launch.key.folder, reserved, pids)
        except OSError as error:
            say.warning("no control group for %s: %s", launch.key.folder, error)
            return {"memory_watch": reserved.memory}
        return {"cgroup": group.document()}

    def _shim(self, key: AttemptKey) -> psutil.Process | None:
        known = read_json(self.directory(key) / "pid.json")
        if not known or known["boot"] != boot_id() or start_ticks(known["pid"]) != known["start"]:
            return None
        try:
            return psutil.Process(known["pid"])
        except psutil.Error:
            return None

    def _kill_orphans(self, key: AttemptKey) -> None:
        """End what a killed shim left running: the child it wrote down, and all that carry our mark."""
        known = read_json(self.directory(key) / "pid.json") or {}
        if known.get("boot") != boot_id():
            return
        if known.get("child"):
            _kill_exactly(known["child"], known.get("child_start"))
        mark = f"DUTO_STUDIO_FILE={self.directory(key) / 'studio.json'}".encode()
        for _ in range(20):
            marked = _processes_with(mark)
            if not marked:
                return
            for pid, start in marked:
                _kill_exactly(pid, start)


def visible_devices(gpus: tuple[str, ...]) -> dict[str, str]:
    """A step sees the devices that its node holds, in the order of their places on the bus; others' it does not see."""
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def _is_locked(path: Path) -> bool:
    try:
        number = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(number)
    return False


def _kill_exactly(pid: int, start: int | None) -> None:
    """Kill through a pidfd, so that a pid which was given out again is never hit."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if start is not None and start_ticks(pid) == start:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(handle)


def _processes_with(mark: bytes) -> list[tuple[int, int | None]]:
    """Processes whose environment names the attempt: its script, and what that started."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            try:
                variables = (path / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark in variables:
                found.append((int(path.name), start_ticks(int(path.name))))
    return found
