"""Where the marks of the charts of monitors stand. Pure: from what was found to coordinates; their size is the page's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    has_drifted: bool


@dataclass(frozen=True)
class Trend:
    """The magnitudes of windows over time, with the threshold."""

    width: float
    height: float
    edge: float
    floor: float
    threshold: float
    lines: list[str]
    marks: list[Mark]
    days: list[tuple[float, str]]
    levels: list[tuple[float, str]]


def trend(windows: Sequence[tuple[Any, str, float | None, bool, str]], threshold: float) -> Trend:
    """Windows as (key, first day, magnitude, has drifted, title), the oldest first."""
    step = (WIDTH - EDGE - 12) / max(1, len(windows))
    marks: list[Mark] = []
    lines: list[list[str]] = []
    line: list[str] = []
    for place, (key, _day, magnitude, has_drifted, title) in enumerate(windows):
        x = EDGE + step * (place + 0.5)
        marks.append(Mark(key, x, None if magnitude is None else _height(magnitude), title, has_drifted))
        if magnitude is None:  # a gap, not a line over it
            lines, line = [*lines, line], []
        else:
            line = [*line, f"{x:.1f},{_height(magnitude):.1f}"]
    every = max(1, -(-len(windows) // DAYS))
    days = [(marks[place].x, windows[place][1]) for place in range(0, len(windows), every)]
    levels = [(_height(share), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    kept = [" ".join(each) for each in (*lines, line) if len(each) > 1]
    return Trend(WIDTH, HEIGHT, EDGE, FLOOR, _height(threshold), kept, marks, days, levels)


def _height(share: float) -> float:
    return FLOOR - share * (FLOOR - 12)


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
            f"{low:.4g} – {high:.4g}: {share:.1%} → {now:.1%}",
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
            f"{name if name is not None else others}: {share:.1%} → {now:.1%}")
        for place, ((name, _count, _now), share, now) in enumerate(zip(shown, before, after, strict=True))
    ]  # fmt: skip
    return Bars(PART_WIDTH, ROW * len(rows), LABEL, BAR, rows)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [each / total for each in counts]
