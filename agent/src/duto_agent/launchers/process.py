"""Runs a step as a local process behind the shim, in a control group and in a sandbox where this host has them."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from typing import Any, Protocol

from duto.spec.sentences import said
from duto_agent.files import put_away, read_json, write_json
from duto_agent.launchers.base import AttemptKey, Launch, LaunchFailed, Probe
from duto_agent.launchers.bubblewrap import STATUS, name_user, outer
from duto_agent.launchers.cgroups import PIDS, Cgroups
from duto_agent.launchers.ownership import hand_over_work, undo_swaps
from duto_agent.launchers.resource_usage import Processes, Sample
from duto_agent.launchers.shim_state import ask_to_end, order_of, probe_files
from duto_agent.launchers.users import StepUsers
from duto_agent.launchers.zygote import Zygote
from duto_agent.shim.tree import boot_id, start_ticks

log = logging.getLogger("duto.agent")


class Sandbox(Protocol):
    """Puts a sandbox around a command."""

    users: StepUsers | None

    def command(self, launch: Launch, processes: int | None = None) -> list[str]:
        """The same command behind them, with at most so many processes, where nothing else counts them."""


class ProcessLauncher:
    """Implements Launcher with one shim process per attempt."""

    def __init__(
        self,
        attempts: Path,
        zygote: Zygote,
        notify_address: str | None = None,
        cgroups: Cgroups | None = None,
        sandbox: Sandbox | None = None,
        limits_required: bool = False,
    ) -> None:
        self.attempts, self.zygote, self.notify_address = attempts, zygote, notify_address
        self.cgroups, self.sandbox, self.limits_required = cgroups, sandbox, limits_required

    def directory(self, key: AttemptKey) -> Path:
        return self.attempts / key.folder

    def ensure(self, launch: Launch) -> None:
        directory = self.directory(launch.key)
        if self.probe(launch.key).state != "none":
            return
        write_json(directory / "launch.json", self._order(launch))
        self.zygote.spawn(directory)

    def studio_for(self, network: str, studio: str) -> str:
        return studio

    def probe(self, key: AttemptKey) -> Probe:
        return probe_files(self.directory(key))

    def signal(self, key: AttemptKey, grace_seconds: float) -> None:
        ask_to_end(self.directory(key), grace_seconds)

    def stats(self, key: AttemptKey, processes: Processes) -> Sample | None:
        shim = self._shim(key)
        return processes.sample(shim, key.folder) if shim is not None else None

    def collect(self, key: AttemptKey) -> Probe:
        probe = self.probe(key)
        if probe.state == "lost":
            self._kill_orphans(key)
        if probe.state != "none":
            undo_swaps(self.directory(key))
        return probe

    def cleanup(self, key: AttemptKey) -> None:
        try:
            put_away(self.directory(key))
        finally:
            if self.cgroups is not None:
                self.cgroups.remove(key.folder)

    def discover(self) -> list[AttemptKey]:
        if not self.attempts.is_dir():
            return []
        keys = (AttemptKey.of_folder(path.name) for path in sorted(self.attempts.iterdir()))
        return [key for key in keys if key is not None]

    def _order(self, launch: Launch) -> dict[str, Any]:
        pids = int(launch.options.get("pids_limit") or PIDS)
        limits = self._limits(launch, pids)
        order = order_of(launch, self.notify_address) | limits
        if self.sandbox is None:
            return order
        if (users := self.sandbox.users) is not None:
            directory = self.directory(launch.key)
            user = users.of(directory)
            hand_over_work(directory, user, users.group)
            name_user(directory, user, users.group)
            order |= {"user": user, "limits": {**order["limits"], "processes": pids}}
        argv = self.sandbox.command(launch, pids if "cgroup" not in limits else None)
        place = {"status_at": argv.index(STATUS)}
        return order | {"argv": argv, "env": outer(order["env"]), "wrapped": True} | place

    def _limits(self, launch: Launch, pids: int) -> dict[str, Any]:
        """A control group where this agent may make one; without it the shim weighs the step's processes.

        Raises LaunchFailed where a group is a condition and cannot be made.
        """
        reserved = launch.reserved
        if self.cgroups is None:
            return {"memory_watch": reserved.memory}
        try:
            group = self.cgroups.make(launch.key.folder, reserved, pids)
        except OSError as error:
            if self.limits_required:
                raise LaunchFailed(said("limits_missing", error=str(error)), "studio_fault") from error
            log.warning("no control group for %s: %s", launch.key.folder, error)
            return {"memory_watch": reserved.memory}
        return {"cgroup": group.document()}

    def _shim(self, key: AttemptKey) -> int | None:
        known = read_json(self.directory(key) / "pid.json")
        if not known or known["boot"] != boot_id() or start_ticks(known["pid"]) != known["start"]:
            return None
        return int(known["pid"])

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
