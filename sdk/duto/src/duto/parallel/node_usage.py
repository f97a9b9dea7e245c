"""What a parallel step uses of its machine: the tables in `logs/perf/`, a line at the start, every ten minutes and at the end.

They are read from `/proc`; where there is none (no Linux), there are no such files.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Tuple

EVERY_S = 600.0
MIB = 1 << 20
_NODE = (
    "time",
    "cpu_percent",
    "load_1_minute",
    "memory_used_mib",
    "memory_total_mib",
    "disk_used_mib",
    "disk_total_mib",
)
_PROCESSES = ("time", "process", "pid", "cpu_seconds", "memory_mib", "threads")


class NodeUsage:
    """Adds lines to the tables of the nodes. A disk that is full costs these files, not the step."""

    def __init__(self, logs: Path, nodes: Iterable[int], proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._folders = {node: logs / f"perf/node{node}" for node in sorted(set(nodes))}
        self._at = -EVERY_S
        self._ticks: Tuple[int, int] = (0, 0)

    def sample(self, processes: Mapping[str, int], force: bool = False) -> None:
        """A line for each node and each process (`node0/process000`: its pid), if it is time for that."""
        if not force and time.monotonic() - self._at < EVERY_S:
            return
        self._at = time.monotonic()
        moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        with contextlib.suppress(OSError, ValueError, KeyError):
            node = [moment, *self._node()]
            for number, folder in self._folders.items():
                folder.mkdir(parents=True, exist_ok=True)
                _add(folder / "node_resource_usage.csv", _NODE, [node])
                own = {name: pid for name, pid in processes.items() if name.startswith(f"node{number}/")}
                rows = [[moment, *row] for row in self._rows({"driver": os.getpid(), **own} if not number else own)]
                _add(folder / "processes_resource_usage.csv", _PROCESSES, rows)

    def _node(self) -> List[object]:
        fields = [int(each) for each in (self._proc / "stat").read_text().splitlines()[0].split()[1:9]]
        idle, total = fields[3] + fields[4], sum(fields)
        before, self._ticks = self._ticks, (idle, total)
        busy = 100.0 * (1 - (idle - before[0]) / max(1, total - before[1]))
        memory: Dict[str, int] = {}
        for each in (self._proc / "meminfo").read_text().splitlines():
            name, _, value = each.partition(":")
            memory[name] = int(value.split()[0]) // 1024
        disk = shutil.disk_usage(str(Path.cwd()))
        load = (self._proc / "loadavg").read_text().split()[0]
        used = memory["MemTotal"] - memory["MemAvailable"]
        return [f"{busy:.1f}", load, used, memory["MemTotal"], disk.used // MIB, disk.total // MIB]

    def _rows(self, processes: Mapping[str, int]) -> Iterable[List[object]]:
        for name, pid in sorted(processes.items()):
            with contextlib.suppress(OSError):  # it is gone by now
                # What follows the name, in which anything may stand.
                fields = (self._proc / f"{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
                seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                memory = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") // MIB
                yield [name, pid, f"{seconds:.2f}", memory, int(fields[17])]


def _add(file: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    is_new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        if is_new:
            writer.writerow(header)
        writer.writerows(rows)
