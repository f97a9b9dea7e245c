"""Where the marks of the charts of monitors stand. Pure: from what was found to coordinates; their size is the page's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.words import percent_text

# The charts' own coordinates.
WIDTH, HEIGHT, EDGE, FLOOR = 720.0, 220.0, 34.0, 190.0
PART_WIDTH, PART_FLOOR = 420.0, 130.0
ROW, BAR, LABEL = 26.0, 9.0, 150.0
LONGEST_LABEL = 24
# Days that are written below the trend.
DAYS = 4


@dataclass(frozen=True)
class Mark:
    """A window in the trend. `y`: None where it has no magnitude."""

    key: Any
    x: float
    y: float | None
    title: str
    stands_out: bool
    is_partial: bool


@dataclass(frozen=True)
class Point:
    """What is drawn of a window: its key, its first day, its value or None, and what the mark says. `stands_out`: it has drifted or
    degraded; `is_partial`: more labels may come."""

    key: Any
    day: str
    value: float | None
    title: str
    stands_out: bool = False
    is_partial: bool = False


@dataclass(frozen=True)
class Trend:
    """One value of each window over time, with the threshold where there is one."""

    width: float
    height: float
    edge: float
    floor: float
    threshold: float | None
    lines: list[str]
    marks: list[Mark]
    days: list[tuple[float, str]]
    levels: list[tuple[float, str]]


def trend(points: Sequence[Point], threshold: float | None) -> Trend:
    """Magnitudes from 0 to 1, the oldest first."""
    return _trend(points, threshold, [(share, percent_text(share)) for share in (0, 0.25, 0.5, 0.75, 1)])


def metric_trend(points: Sequence[Point], threshold: float | None) -> Trend:
    """A metric, from 0 or the least value below it, to 1 or the greatest above it."""
    values = [each.value for each in points if each.value is not None] + ([] if threshold is None else [threshold])
    low, high = min([0.0, *values]), max([1.0, *values])
    if not math.isfinite(high - low):
        return _trend([replace(each, value=None) for each in points], None, [(0.0, "0"), (1.0, "1")])
    return _trend(points, threshold, [(low + (high - low) * share, "") for share in (0, 0.25, 0.5, 0.75, 1)])


def _trend(points: Sequence[Point], threshold: float | None, levels: Sequence[tuple[float, str]]) -> Trend:
    low, high = levels[0][0], levels[-1][0]

    def height(value: float) -> float:
        return FLOOR - (value - low) / (high - low) * (FLOOR - 12)

    step = (WIDTH - EDGE - 12) / max(1, len(points))
    marks: list[Mark] = []
    lines: list[list[str]] = []
    line: list[str] = []
    for place, each in enumerate(points):
        x = EDGE + step * (place + 0.5)
        y = None if each.value is None else height(each.value)
        marks.append(Mark(each.key, x, y, each.title, each.stands_out, each.is_partial))
        if y is None:  # a gap, not a line over it
            lines, line = [*lines, line], []
        else:
            line = [*line, f"{x:.1f},{y:.1f}"]
    every = max(1, -(-len(points) // DAYS))
    days = [(marks[place].x, points[place].day) for place in range(0, len(points), every)]
    kept = [" ".join(each) for each in (*lines, line) if len(each) > 1]
    drawn = [(height(value), text or f"{value:.3g}") for value, text in levels]
    at = None if threshold is None else height(threshold)
    return Trend(WIDTH, HEIGHT, EDGE, FLOOR, at, kept, marks, days, drawn)


@dataclass(frozen=True)
class Column:
    """One bin: its baseline as a column, and what it says."""

    x: float
    width: float
    y: float
    height: float
    title: str


@dataclass(frozen=True)
class Histogram:
    """Two distributions of numbers over the same bins."""

    width: float
    floor: float
    columns: list[Column]
    # The target as steps.
    line: str
    low: float
    high: float


def histogram(found: Mapping[str, Any]) -> Histogram | None:
    """Of a feature of numbers; None where its numbers could not be parted into bins."""
    drawn = found.get("histogram")
    if not drawn:
        return None
    before, after = (_shares(drawn[side]) for side in ("baseline", "target"))
    top = max(*before, *after) or 1
    step = PART_WIDTH / len(before)
    scale = (PART_FLOOR - 6) / top
    columns = [
        Column(
            step * place, step, PART_FLOOR - share * scale, share * scale,
            f"{low:.4g} – {high:.4g}: {percent_text(share)} → {percent_text(now)}",
        )
        for place, (share, now, low, high) in enumerate(
            zip(before, after, drawn["edges"][:-1], drawn["edges"][1:], strict=True)
        )
    ]  # fmt: skip
    points = [
        (step * (place + side), PART_FLOOR - share * scale) for place, share in enumerate(after) for side in (0, 1)
    ]
    ends = [(0.0, PART_FLOOR), *points, (PART_WIDTH, PART_FLOOR)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in ends)
    return Histogram(PART_WIDTH, PART_FLOOR, columns, line, drawn["edges"][0], drawn["edges"][-1])


@dataclass(frozen=True)
class Row:
    """One category with the shares of both."""

    name: str
    y: float
    before: float
    after: float
    title: str


@dataclass(frozen=True)
class Bars:
    """Two distributions over categories, one row each."""

    width: float
    height: float
    label: float
    bar: float
    rows: list[Row]


def bars(found: Mapping[str, Any], others: str) -> Bars | None:
    """Of a feature of categories; `others`: what the ones without a name are called."""
    shown = found.get("categories")
    if not shown:
        return None
    before, after = (_shares([each[side] for each in shown]) for side in (1, 2))
    scale = (PART_WIDTH - LABEL - 8) / (max(*before, *after) or 1)
    rows = [
        Row(_cut(name if name is not None else others), ROW * place, share * scale, now * scale,
            f"{name if name is not None else others}: {percent_text(share)} → {percent_text(now)}")
        for place, ((name, _count, _now), share, now) in enumerate(zip(shown, before, after, strict=True))
    ]  # fmt: skip
    return Bars(PART_WIDTH, ROW * len(rows), LABEL, BAR, rows)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [each / total for each in counts]
