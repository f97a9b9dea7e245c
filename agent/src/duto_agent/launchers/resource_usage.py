"""What the tree of a step uses at this moment, from /proc alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from duto_agent.launchers.cgroup_tree import ROOT, folders_of

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


@dataclass(frozen=True)
class Sample:
    """What the whole tree of a step uses: seconds of all cores so far, bytes of memory now, bytes of disks so far."""

    cpu_seconds: float
    memory: int
    processes: int
    read: int = 0
    written: int = 0
    pids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Row:
    """One process: its parent, its own processor time and that of the children it has buried, in ticks."""

    parent: int
    own: int
    buried: int


class Processes:
    """All processes of this host, by one walk, however many steps are weighed with it."""

    def __init__(self, rows: dict[int, Row]) -> None:
        self.rows = rows
        self.children: dict[int, list[int]] = {}
        for pid, row in rows.items():
            self.children.setdefault(row.parent, []).append(pid)

    @classmethod
    def now(cls) -> Processes:
        return cls(dict(_walk()))

    def below(self, pid: int) -> list[int]:
        """Everything that this process started, and what that started."""
        found: list[int] = []
        todo = [pid]
        while todo:
            below = self.children.get(todo.pop(), [])
            found += below
            todo += below
        return found

    def sample(self, shim: int, mark: str) -> Sample | None:
        """Of everything below this shim, or None when it is gone. `mark` is in the name of the step's control group.

        Processor time of those that are gone already is that of whoever buried them, the shim at last.
        """
        known = self.rows.get(shim)
        if known is None:
            return None
        pids = self.below(shim)
        ticks = known.buried + sum(self.rows[pid].own + self.rows[pid].buried for pid in pids)
        read, written = map(sum, zip((0, 0), *map(_moved, pids), strict=True))
        memory = _of_group(pids[0], mark) if pids else 0
        if memory is None:
            memory = _of_processes(pids)
        return Sample(ticks / TICK, memory, len(pids), read, written, tuple(pids))


def is_in_group(pid: int, mark: str) -> bool:
    """Whether a control group of this process has the mark in its name."""
    try:
        return mark in (PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return False


def _walk() -> Iterator[tuple[int, Row]]:
    for name in os.listdir(PROC):  # noqa: PTH208 (names are enough, and there may be thousands)
        if not name.isdigit():
            continue
        try:
            fields = (PROC / name / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # it ended between the two looks
            continue
        if fields[0] != b"Z":
            own, buried = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
            yield int(name), Row(int(fields[1]), own, buried)


def _moved(pid: int) -> tuple[int, int]:
    """Bytes that it and the children it has buried read from disks and wrote to them."""
    try:
        lines = (PROC / str(pid) / "io").read_text().splitlines()
    except OSError:  # gone, or another user's
        return 0, 0
    found = {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}
    return found.get("read_bytes", 0), found.get("write_bytes", 0)


def _of_processes(pids: list[int]) -> int:
    """What they hold, where no control group tells it: what they share with each other is counted once."""
    alone, shared = 0, 0
    for pid in pids:
        try:
            _, resident, common, *_ = map(int, (PROC / str(pid) / "statm").read_bytes().split())
        except (OSError, ValueError):
            continue
        alone += resident - common
        shared = max(shared, common)
    return (alone + shared) * PAGE


def _of_group(pid: int, mark: str) -> int | None:
    """What the step's own control group holds, without files that the kernel keeps only while there is room."""
    try:
        version, folders = folders_of(ROOT, (PROC / str(pid) / "cgroup").read_text())
        folder = folders.get("memory")
        if folder is None or mark not in folder.as_posix():
            return None
        used = int((folder / ("memory.usage_in_bytes" if version == 1 else "memory.current")).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return max(0, used - int(stat.get("total_inactive_file" if version == 1 else "inactive_file", 0)))
