"""A control group for each attempt, where this agent may make one: memory, processes and processor time with a limit.

Version 1 has a tree for each controller, version 2 one for all. Only the script joins the group: the shim, which
must live to tell how it ended, stays outside.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from duto_agent.launchers.base import Reservation
from duto_agent.launchers.cgroup_tree import CONTROLLERS, ROOT, folders_of

log = logging.getLogger("duto.agent")
PIDS = 4096
PERIOD_US = 100_000
FOLDER = "duto"
ENTER = ("/bin/sh", "-c", 'for each; do echo 0 >"$each" || exit 1; done', "trial")


@dataclass(frozen=True)
class Group:
    """What the shim needs: files to enter by before and after it starts the script, and files to read."""

    join: list[str]
    leave: list[str]
    oom: str
    peak: str
    limit: int | None

    def document(self) -> dict[str, Any]:
        return asdict(self)


class Cgroups:
    """The place of this agent's groups: one folder a controller (version 1), or one folder (version 2)."""

    def __init__(self, version: int, own: Mapping[str, Path], cores: int) -> None:
        self.version, self.own, self.cores = version, own, cores

    @classmethod
    def find(cls, root: Path = ROOT, memberships: str | None = None) -> Cgroups | None:
        """The groups that this process may make below its own, or None."""
        text = Path("/proc/self/cgroup").read_text() if memberships is None else memberships
        found = cls(*folders_of(root, text), len(os.sched_getaffinity(0)))
        try:
            found.prepare()
            found.try_out()
        except (OSError, subprocess.SubprocessError) as error:
            log.info(
                "no control groups here (%s); memory is watched instead", getattr(error, "strerror", None) or error
            )
            return None
        return found

    def prepare(self) -> None:
        """Make the folder that attempts' groups stand in. Raises OSError where this agent may not."""
        if not self.own:
            raise OSError("no controller is at hand")
        for folder in set(self.own.values()):
            (folder / FOLDER).mkdir(exist_ok=True)
            if self.version == 2:
                self._delegate(folder)

    def try_out(self) -> None:
        """Make a group with every limit, enter and leave it, and remove it: the folder may be another user's, or a process
        may not be moved. Raises OSError, SubprocessError."""
        name = f"trial-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            group = self.make(name, Reservation(cores=min(1.0, self.cores / 2), memory=1 << 30))
            subprocess.run([*ENTER, *group.join, *group.leave], check=True, capture_output=True, timeout=10)
        finally:
            self.remove(name)

    def make(self, name: str, reserved: Reservation, pids: int = PIDS) -> Group:
        """The group of one attempt, with its limits. May be repeated. Raises OSError."""
        for controller, folder in self._folders(name).items():
            folder.mkdir(exist_ok=True)
            for file, value in self._limits(controller, reserved, pids):
                _write(folder / file, value)
        folders = self._folders(name)
        memory = folders["memory"]
        # The shim has one thread. The kernel moves the thread that asks at once; for a process it waits milliseconds.
        file = "tasks" if self.version == 1 else "cgroup.procs"
        return Group(
            join=[str(folder / file) for folder in dict.fromkeys(folders.values())],
            leave=[str(self._home(folder) / file) for folder in dict.fromkeys(self.own.values())],
            oom=str(memory / ("memory.oom_control" if self.version == 1 else "memory.events")),
            peak=str(memory / ("memory.max_usage_in_bytes" if self.version == 1 else "memory.peak")),
            limit=reserved.memory,
        )

    def remove(self, name: str) -> None:
        """Nothing of the attempt runs any more: its group goes. The kernel may need a moment to empty it."""
        for folder in dict.fromkeys(self._folders(name).values()):
            for _ in range(20):
                try:
                    folder.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)

    def _folders(self, name: str) -> dict[str, Path]:
        return {controller: folder / FOLDER / name for controller, folder in self.own.items()}

    def _home(self, own: Path) -> Path:
        """Where the shim goes back to. In version 2 no process may stand in a group that has groups below."""
        return own / "agent" if self.version == 2 and (own / "agent").exists() else own

    def _limits(self, controller: str, reserved: Reservation, pids: int) -> list[tuple[str, str]]:
        first = self.version == 1
        if controller == "pids":
            return [("pids.max", str(pids))]
        if controller == "memory" and reserved.memory:
            value = str(reserved.memory)
            swap = [("memory.memsw.limit_in_bytes", value)] if first else [("memory.swap.max", "0")]
            return [("memory.limit_in_bytes" if first else "memory.max", value), *swap]
        if controller == "cpu" and reserved.cores and reserved.cores < self.cores:
            quota = int(reserved.cores * PERIOD_US)
            if first:
                return [("cpu.cfs_period_us", str(PERIOD_US)), ("cpu.cfs_quota_us", str(quota))]
            return [("cpu.max", f"{quota} {PERIOD_US}")]
        return []

    def _delegate(self, own: Path) -> None:
        """Version 2 hands controllers down only from a group without processes of its own: this agent steps aside."""
        wanted = "+" + " +".join(CONTROLLERS)
        with contextlib.suppress(OSError):  # the root group may keep its processes
            (own / "cgroup.subtree_control").write_text(wanted)
            (own / FOLDER / "cgroup.subtree_control").write_text(wanted)
            return
        aside = own / "agent"
        aside.mkdir(exist_ok=True)
        for pid in (own / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (aside / "cgroup.procs").write_text(pid)
        (own / "cgroup.subtree_control").write_text(wanted)
        (own / FOLDER / "cgroup.subtree_control").write_text(wanted)


def _write(path: Path, value: str) -> None:
    """Swap may not be accounted for on this kernel: then its file is missing, and memory alone is limited."""
    try:
        path.write_text(value)
    except FileNotFoundError:
        if "memsw" not in path.name and "swap" not in path.name:
            raise
