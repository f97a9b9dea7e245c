"""What the studio should know of this host."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from duto_agent import __version__
from duto_agent.files import now
from duto_agent.pythons import Pythons

CGROUP_MEMORY = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class HostFacts:
    """Told with every exchange: placement on the other side is only as good as this."""

    def __init__(self, home: Path, pythons: Pythons, store_marker: str | None) -> None:
        self.home, self.pythons, self.store_marker = home, pythons, store_marker
        self.started_at = now()
        self.cores, self.memory = len(os.sched_getaffinity(0)), _memory()

    def document(self) -> dict[str, Any]:
        return {
            "cores": self.cores,
            "memory": self.memory,
            "disk_free": shutil.disk_usage(self.home).free,
            "gpus": [],
            "pythons": self.pythons.versions,
            "agent": __version__,
            "started_at": self.started_at,
            "store_marker": self.store_marker,
        }


def _memory() -> int:
    """What there is, or what the group of this process may use of it."""
    total = int(psutil.virtual_memory().total)
    for name in CGROUP_MEMORY:
        try:
            return min(total, int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return total
