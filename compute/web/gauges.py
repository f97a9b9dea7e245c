"""How much of some machines is reserved, as tiles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from compute.models import Host
from compute.placement_types import Size
from compute.services.host_summary import devices_of


@dataclass(frozen=True)
class Gauge:
    """How much of something is held by the one whose page it is, by others, and there at all."""

    name: str
    kind: str
    mine: float
    others: float
    all: float

    @property
    def held(self) -> float:
        return self.mine + self.others

    @property
    def left(self) -> float:
        return max(0.0, self.all - self.held)


def gauges(hosts: Iterable[Host], mine: Size, others: Size) -> list[Gauge]:
    """Cores, memory and devices of these hosts; what they have none of is left out."""
    all_ = sum((Size(host.cores, host.memory, len(devices_of(host))) for host in hosts), Size())
    rows = [
        Gauge(_("Cores held"), "number", mine.cores, others.cores, all_.cores),
        Gauge(_("Memory held"), "bytes", mine.memory, others.memory, all_.memory),
        Gauge(_("GPUs held"), "number", mine.gpus, others.gpus, all_.gpus),
    ]
    return [row for row in rows if row.all]
