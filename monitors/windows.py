"""Which windows of time a monitor looks at. Pure: from a frequency and a time zone to spans in UTC.

Windows are days, weeks that begin on Monday, and months of the zone's calendar; a day on which clocks change is as long as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

DAY, WEEK, MONTH = FREQUENCIES = ("Day", "Week", "Month")


@dataclass(frozen=True)
class Window:
    """From `start` to before `end`, both in UTC."""

    start: datetime
    end: datetime


def window_of(frequency: str, zone: ZoneInfo, at: datetime) -> Window:
    """The window that a moment lies in."""
    first = _first_day(frequency, at.astimezone(zone).date())
    return Window(_midnight(first, zone), _midnight(_next_day(frequency, first), zone))


def following(frequency: str, zone: ZoneInfo, start: datetime) -> Iterator[Window]:
    """The window of this moment, and all after it."""
    first = _first_day(frequency, start.astimezone(zone).date())
    while True:
        after = _next_day(frequency, first)
        yield Window(_midnight(first, zone), _midnight(after, zone))
        first = after


def due(
    frequency: str, zone: ZoneInfo, start: datetime, latency: timedelta, moment: datetime, most: int
) -> tuple[list[Window], datetime]:
    """The newest `most` windows from that of `start` on that are over for at least `latency`, and the start of the one after
    them. Rows may come late; latency is how long they are waited for."""
    found: list[Window] = []
    for window in following(frequency, zone, start):
        if window.end + latency > moment:
            return found, window.start
        found = [*found, window][-most:]
    raise AssertionError("windows have no end")


def between(frequency: str, zone: ZoneInfo, start: datetime, end: datetime, most: int) -> list[Window]:
    """The windows that lie at least in part between two moments, and at most one more than `most` of them."""
    found: list[Window] = []
    for window in following(frequency, zone, start):
        if window.start >= end or len(found) > most:
            break
        found.append(window)
    return found


def _first_day(frequency: str, day: date) -> date:
    if frequency == WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if frequency == MONTH else day


def _next_day(frequency: str, first: date) -> date:
    if frequency == MONTH:
        return (first + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=7 if frequency == WEEK else 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins: of a midnight that comes twice the first, of one that clocks leave out the moment at which they do."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
