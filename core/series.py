"""Series of numbers as charts get them: named points with their highest value. Touches nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# More points than a chart has pixels say nothing more; the highest of each bucket stays.
MOST = 600
# [where, value]; a value that is not known is None, and the line has a gap there.
Points = list[list[float | None]]


@dataclass(frozen=True)
class Series:
    """Points are [seconds, value]."""

    name: str
    unit: str
    points: Points
    device: str | None = None

    def as_document(self) -> dict[str, Any]:
        peak = max((value for _, value in self.points if value is not None), default=None)
        document = {"name": self.name, "unit": self.unit, "peak": peak, "points": thinned(self.points)}
        return document if self.device is None else {**document, "device": self.device}


def thinned(points: Points) -> Points:
    """The highest point of each of some buckets: no peak is lost."""
    if len(points) <= MOST:
        return points
    size = -(-len(points) // MOST)
    return [max(points[at : at + size], key=_height) for at in range(0, len(points), size)]


def _height(point: list[float | None]) -> float:
    return float("-inf") if point[1] is None else point[1]
