"""How long things take by how long they took, and when a graph of steps would be over. Pure; all times in seconds."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from runs.critical_path import Span

ONE_EACH: Mapping[str, int] = {}


@dataclass(frozen=True)
class Estimate:
    """The 10th percentile, the median and the 90th percentile of earlier times, and of how many; one alone is all three."""

    low: float
    median: float
    high: float
    count: int

    def as_document(self) -> dict[str, Any]:
        return {name: round(value, 3) for name, value in asdict(self).items()}

    def left_after(self, seconds: float) -> Estimate:
        """Of what has gone on for so long already."""
        low, middle, high = (max(0.0, value - seconds) for value in (self.low, self.median, self.high))
        return Estimate(low, middle, high, self.count)


def estimate(seconds: Sequence[float]) -> Estimate | None:
    """None where nothing is known of earlier times."""
    if not seconds:
        return None
    if len(seconds) == 1:
        return Estimate(seconds[0], seconds[0], seconds[0], 1)
    tenths = quantiles(seconds, n=10, method="inclusive")
    return Estimate(tenths[0], median(seconds), tenths[-1], len(seconds))


def timeline(
    needs: Mapping[str, Collection[str]],
    takes: Mapping[str, float],
    places: Mapping[str, Hashable],
    room: Mapping[Any, int],
    ready: Mapping[str, float],
    widths: Mapping[str, int] = ONE_EACH,
) -> dict[str, Span]:
    """When each step would begin and end, counted from now.

    `needs` maps steps, in the order in which they are served, to those they wait for; `takes` to how long they run. A step is
    at one of `places`, which has `room` for so many at once, at least for one; a step without a place waits for none.
    `ready`: not before that. `widths`: of so many of these at once a step takes the room, as far as there is any.
    """
    turn = {step: number for number, step in enumerate(needs)}
    open_ = {step: set(parents) & turn.keys() for step, parents in needs.items()}
    followers: dict[str, list[str]] = {step: [] for step in needs}
    for step, parents in open_.items():
        for parent in parents:
            followers[parent].append(step)
    # By when they may begin, then by their turn; and for each place the times at which it has room again.
    waiting = [(ready.get(step, 0.0), turn[step], step) for step, parents in open_.items() if not parents]
    heapq.heapify(waiting)
    free: dict[Any, list[float]] = {place: [0.0] * max(1, count) for place, count in room.items()}
    spans: dict[str, Span] = {}
    while waiting:
        may, _, step = heapq.heappop(waiting)
        line = free.get(places.get(step), []) if takes[step] > 0 else []
        room_again = [heapq.heappop(line) for _ in range(min(widths.get(step, 1), len(line)))]
        begins = max([may, *room_again])
        ends = begins + takes[step]
        for _ in room_again:
            heapq.heappush(line, ends)
        spans[step] = Span(begins, ends)
        for other in followers[step]:
            open_[other].discard(step)
            if not open_[other]:
                after = max(spans[parent].until for parent in needs[other] if parent in spans)
                heapq.heappush(waiting, (max(after, ready.get(other, 0.0)), turn[other], other))
    return spans
