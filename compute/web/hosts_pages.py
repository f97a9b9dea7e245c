"""What the page of one host may show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from compute.models import Host, Node
from compute.samples import WINDOWS
from compute.services.host_summary import HOLDING, Card, card_of, devices_of, disk_of, known_host, part_of
from compute.web import machines
from compute.web.gauges import Gauge, gauges
from workspaces.models import Workspace


@dataclass(frozen=True)
class DeviceRow:
    """A GPU with its last reading, and the node that has it: empty if none has, or one of another workspace."""

    index: Any
    uuid: str
    name: str
    memory: int
    use: float | None
    memory_used: float | None
    temperature: float | None
    node: Node | None

    @property
    def percent(self) -> int | None:
        return None if self.use is None else round(100 * self.use)


@dataclass(frozen=True)
class Store:
    """What the agent keeps of one kind: how many, and how large."""

    name: str
    count: int
    size: int


@dataclass(frozen=True)
class HostPage(machines.Described):
    """What compute/host.html may show."""

    host: Host
    card: Card
    window: str
    windows: list[tuple[str, str]]
    gauges: list[Gauge]
    devices: list[DeviceRow]
    stores: list[Store]
    topic: str

    @property
    def engine(self) -> dict[str, Any]:
        return part_of(self.host, "engine")

    @property
    def sample(self) -> dict[str, Any]:
        return part_of(self.host, "sample")

    @property
    def disk_total(self) -> int:
        return disk_of(self.host)

    @property
    def disk_used(self) -> int:
        return max(0, self.disk_total - self.host.disk_free)


def host_page(workspace: Workspace, name: str, window: str) -> HostPage:
    """The same queries with one node and with many. Raises NotFound."""
    host = known_host(workspace, name)
    card = card_of(workspace, host)
    return HostPage(
        host=host,
        card=card,
        window=window if window in WINDOWS else "hour",
        windows=[("hour", _("Hour")), ("day", _("Day"))],
        gauges=gauges([host], card.mine, card.others),
        devices=_devices(host, card.nodes),
        stores=_stores(host),
        topic=f"list:{workspace.name}:compute",
    )


def _devices(host: Host, nodes: list[Node]) -> list[DeviceRow]:
    told = part_of(host, "sample").get("gpus")
    readings = {str(each.get("uuid")): each for each in told or () if isinstance(each, dict)}
    holders = {uuid: node for node in nodes if node.status in HOLDING for uuid in node.gpus}
    return [_device(each, place, readings, holders) for place, each in enumerate(devices_of(host))]


def _device(told: dict[str, Any], place: int, readings: dict[str, Any], holders: dict[str, Node]) -> DeviceRow:
    uuid = str(told.get("uuid", ""))
    reading = readings.get(uuid, {})
    return DeviceRow(
        index=told.get("index", place),
        uuid=uuid,
        name=str(told.get("name") or "GPU"),
        memory=machines.whole(told.get("memory")),
        use=machines.number(reading.get("utilization")),
        memory_used=machines.number(reading.get("memory")),
        temperature=machines.number(reading.get("temperature")),
        node=holders.get(uuid),
    )


def _stores(host: Host) -> list[Store]:
    told = part_of(host, "storage")
    names = {"attempts": _("folders of attempts"), "environments": _("environments"), "images": _("images")}
    found = {key: [each for each in told.get(key) or () if isinstance(each, dict)] for key in names}
    return [
        Store(names[key], len(rows), sum(machines.whole(each.get("bytes")) for each in rows))
        for key, rows in found.items()
        if rows
    ]
