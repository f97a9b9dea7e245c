"""The studio's one clock: leases and times of record are compared with nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import timezone as django_timezone
from django.utils.dateparse import parse_datetime


def now() -> datetime:
    """The current time, aware, in UTC."""
    return django_timezone.now()


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 with microseconds and `Z`, as on the wire."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def format_utc(moment: datetime | None) -> str:
    """A moment inside a sentence for people."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else "no time known"


def parse(text: object) -> datetime | None:
    """The aware time in UTC that `text` spells, or None: also for the 31st of April, and for what UTC has no year for."""
    try:
        moment = parse_datetime(text) if isinstance(text, str) else None
        if moment is None:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def stamp() -> int:
    """The version of a list at this moment, in milliseconds: what a page has seen when it reads its rows after this.

    Not a count of events: whoever looks at one list learns nothing of how much happens in the others.
    """
    return int(now().timestamp() * 1000)
