"""What the studio should know of this host."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]

from duto_agent import __version__
from duto_agent.environments.pythons import Pythons
from duto_agent.files import now
from duto_agent.host.gpus import Gpus
from duto_agent.host.housekeeping import Housekeeper, told

if TYPE_CHECKING:  # the library behind it takes long to load; hosts of processes do without
    from duto_agent.host.containers import Containers

SAMPLE_S = 10.0
CGROUP_MEMORY = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class HostFacts:
    """Told with every exchange: placement on the other side is only as good as this."""

    def __init__(
        self,
        home: Path,
        pythons: Pythons,
        store_marker: str | None,
        gpus: Gpus,
        facts: dict[str, Any],
        launcher: str = "process",
    ) -> None:
        self.home, self.pythons, self.store_marker = home, pythons, store_marker
        self.gpus, self.facts, self.launcher = gpus, facts, launcher
        self.storage: Housekeeper | None = None
        self.containers: Containers | None = None
        self.started_at = now()
        self.cores, self.memory = len(os.sched_getaffinity(0)), _memory()
        self._sample: dict[str, Any] = {}
        self._sampled_at = 0.0
        psutil.cpu_percent(None)  # the first call only starts the clock of the next

    def document(self) -> dict[str, Any]:
        disk = shutil.disk_usage(self.home)
        storage = told(self.storage.storage) if self.storage is not None else {}
        more = {"disk_total": disk.total, "storage": storage, "sample": self.sample(disk.free)}
        engine = self.containers.facts if self.containers is not None else None
        more["conda"] = (self.containers.images.micromamba if self.containers is not None else None) or ""
        return {
            "cores": self.cores,
            "memory": self.memory,
            "disk_free": disk.free,
            "gpus": self.gpus.devices,
            "pythons": self.pythons.versions,
            "agent": __version__,
            "launcher": self.launcher,
            "started_at": self.started_at,
            "store_marker": self.store_marker,
            "facts": {**self.facts, "engine": engine, **more},
        }

    def sample(self, disk_free: int) -> dict[str, Any]:
        """What the host uses now: measured every few seconds, told as often as anybody asks."""
        moment = time.monotonic()
        if not self._sample or moment - self._sampled_at >= SAMPLE_S:
            self._sampled_at = moment
            memory = psutil.virtual_memory()
            self._sample = {
                "at": now(),
                "cpu": round(psutil.cpu_percent(None) / 100, 3),
                "memory": int(memory.total - memory.available),
                "disk_free": disk_free,
                "gpus": self.gpus.readings(),
            }
        return self._sample


def _memory() -> int:
    """What there is, or what the group of this process may use of it."""
    total = int(psutil.virtual_memory().total)
    for name in CGROUP_MEMORY:
        try:
            return min(total, int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return total
