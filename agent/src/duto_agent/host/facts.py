"""What the studio should know of this host."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil  # type: ignore[import-untyped]
from msgspec import UNSET

from duto_agent import __version__
from duto_agent.environments.pythons import Pythons
from duto_agent.host.gpus import Gpus
from duto_agent.host.housekeeping import Housekeeper, storage_report
from duto_agent.studio.held_inputs import HeldInputs
from duto_protocol import messages
from duto_protocol.reading import builtins_of, of_document
from duto_protocol.values import Moment

if TYPE_CHECKING:  # the library behind it takes long to load; hosts of processes do without
    from duto_agent.host.containers import Containers
    from duto_agent.host.slurm import SlurmHost

Launcher = Literal["process", "docker", "slurm"]
# Of containers no two reach each other but in a network of their own; of Slurm's nodes this host knows no addresses.
ABILITIES: Mapping[Launcher, list[str]] = {
    "process": ["members", "rendezvous"], "docker": ["members"], "slurm": ["members"]
}  # fmt: skip
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
        isolation: messages.Isolation,
        launcher: Launcher = "process",
    ) -> None:
        self.home, self.pythons, self.store_marker = home, pythons, store_marker
        self.gpus, self.isolation, self.launcher = gpus, isolation, launcher
        self.storage: Housekeeper | None = None
        self.containers: Containers | None = None
        self.slurm: SlurmHost | None = None
        self.held_inputs: HeldInputs | None = None
        self.r = ""
        self.javas: list[int] = []
        self.started_at = Moment.present()
        self.cores, self.memory = len(os.sched_getaffinity(0)), _memory()
        self._sample: messages.HostSample | None = None
        self._sampled_at = 0.0
        psutil.cpu_percent(None)  # the first call only starts the clock of the next

    def message(self) -> messages.HostFacts:
        """The facts within the protocol's bounds. What of them it has no room for is not told."""
        return of_document(builtins_of(self._found()), messages.HostFacts).message

    def _found(self) -> messages.HostFacts:
        disk = shutil.disk_usage(self.home)
        # A host of Slurm tells of the nodes behind it.
        has, gpus = (self, self.gpus.devices) if self.slurm is None else (self.slurm.largest, self.slurm.devices)
        containers, held, storage = self.containers, self.held_inputs, self.storage.storage if self.storage else {}
        return messages.HostFacts(
            cores=has.cores,
            memory=has.memory,
            disk_free=disk.free,
            gpus=gpus,
            pythons=self.pythons.versions,
            agent=__version__,
            environments=[item["key"] for item in storage["environments"]] if storage else UNSET,
            cached_inputs=UNSET if held is None else held.by_source(),
            launcher=self.launcher,
            started_at=self.started_at,
            store_marker=self.store_marker,
            facts=messages.MoreFacts(
                disk_total=disk.total,
                engine=containers.facts if containers is not None else None,
                storage=storage_report(storage),
                isolation=self.isolation,
                sample=self.sample(disk.free),
                slurm=self.slurm.facts or UNSET if self.slurm is not None else UNSET,
                r=self.r if self.launcher == "process" else "",
                abilities=ABILITIES[self.launcher],
                java=self.javas if self.launcher == "process" else [],
                conda=(containers.images.micromamba if containers is not None else None) or "",
            ),
        )

    def sample(self, disk_free: int) -> messages.HostSample:
        """What the host uses now: measured every few seconds, told as often as anybody asks."""
        moment = time.monotonic()
        if self._sample is None or moment - self._sampled_at >= SAMPLE_S:
            self._sampled_at = moment
            memory = psutil.virtual_memory()
            self._sample = messages.HostSample(
                at=Moment.present(),
                cpu=round(psutil.cpu_percent(None) / 100, 3),
                memory=int(memory.total - memory.available),
                disk_free=disk_free,
                gpus=self.gpus.readings(),
            )
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
