"""How many steps are at something over a time: the most at once in each of its spans. Touches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from core.series import Points

# From when to when; None is still.
Stay = tuple[datetime, datetime | None]


def most_at_once(stays: Iterable[Stay], since: datetime, until: datetime, span: float) -> Points:
    """Points are [seconds since 1970 at which the span begins, the most at once in it]."""
    first, last = since.timestamp(), until.timestamp()
    highest = [0] * (int((last - first) // span) + 1)
    level, reached = 0, 0
    for moment, step in _changes(stays, first, last):
        place = int((moment - first) // span)
        highest[reached + 1 : place + 1] = [level] * (place - reached)
        reached, level = place, level + step
        highest[place] = max(highest[place], level)
    highest[reached + 1 :] = [level] * (len(highest) - reached - 1)
    return [[first + place * span, value] for place, value in enumerate(highest)]


def seconds_within(stays: Iterable[Stay], since: datetime, until: datetime) -> float:
    """How long all of them lasted together."""
    return sum(max(0.0, (min(end or until, until) - max(begin, since)).total_seconds()) for begin, end in stays)


def _changes(stays: Iterable[Stay], first: float, last: float) -> Sequence[tuple[float, int]]:
    """Who comes and who goes, in order; of one moment those who go are first."""
    found: list[tuple[float, int]] = []
    for begin, end in stays:
        begins, ends = begin.timestamp(), end.timestamp() if end else None
        if begins > last or (ends is not None and ends < first):
            continue
        found.append((max(begins, first), 1))
        if ends is not None and ends <= last:
            found.append((ends, -1))
    return sorted(found)
