"""What the samples of a host say: series over the last hour or day, the highest of each span. Touches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.series import Points, Series

# A host tells what it uses with each of its words; so often one is kept, and for so long.
EVERY = timedelta(seconds=30)
KEEP = timedelta(days=2)
UNITS = {
    "cpu": "cores",
    "memory": "bytes",
    "disk": "bytes",
    "gpu": "share",
    "gpu_memory": "bytes",
    "gpu_temperature": "celsius",
}
Row = tuple[datetime, Mapping[str, Any]]
Key = tuple[str, str | None]


@dataclass(frozen=True)
class Window:
    """How far back a chart goes, and what one of its points spans: always longer than two samples are apart."""

    lasts: timedelta
    span: timedelta


WINDOWS = {
    "hour": Window(timedelta(hours=1), timedelta(minutes=1)),
    "day": Window(timedelta(days=1), timedelta(minutes=5)),
}


@dataclass(frozen=True)
class Whole:
    """What its host has in all: a sample tells a share of the cores and what of the disk is free."""

    cores: float
    disk: int
    devices: Sequence[str] = ()


def begin_of(until: datetime, window: Window) -> datetime:
    """Where the window begins: at a whole span, so that a point stays the same however often it is asked for."""
    span = window.span.total_seconds()
    return datetime.fromtimestamp((until - window.lasts).timestamp() // span * span, until.tzinfo)


def series(rows: Iterable[Row], whole: Whole, until: datetime, window: Window) -> list[Series]:
    """Cores in use, memory, disk, and each device in the order of the host's, over the whole window.

    Points are [seconds since 1970, the highest of the span, or None where nothing was heard].
    """
    span, first = window.span.total_seconds(), begin_of(until, window).timestamp()
    count = int((until.timestamp() - first) // span) + 1
    highest: dict[Key, dict[int, float]] = {}
    for at, data in rows:
        place = int((at.timestamp() - first) // span)
        for key, value in _readings(data, whole):
            own = highest.setdefault(key, {})
            own[place] = max(value, own.get(place, value))
    order = {uuid: number for number, uuid in enumerate(whole.devices)}

    def rank(key: Key) -> tuple[int, int, str]:
        return list(UNITS).index(key[0]), order.get(key[1] or "", len(order)), key[1] or ""

    def points(own: Mapping[int, float]) -> Points:
        return [[first + place * span, own.get(place)] for place in range(count)]

    return [Series(name, UNITS[name], points(highest[name, uuid]), uuid) for name, uuid in sorted(highest, key=rank)]


def _readings(data: Mapping[str, Any], whole: Whole) -> Iterator[tuple[Key, float]]:
    if (share := data.get("cpu")) is not None:
        yield ("cpu", None), round(share * whole.cores, 3)
    if (memory := data.get("memory")) is not None:
        yield ("memory", None), memory
    if (free := data.get("disk_free")) is not None and whole.disk:
        yield ("disk", None), max(0, whole.disk - free)
    for device in data.get("gpus") or ():
        uuid = device["uuid"]
        for name, key in (("gpu", "utilization"), ("gpu_memory", "memory"), ("gpu_temperature", "temperature")):
            if (value := device.get(key)) is not None:  # shares of a card (MIG) tell less
                yield (name, uuid), value
