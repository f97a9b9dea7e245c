"""Moments as values of parameters: ISO 8601, in UTC. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

# Python reads all of this by itself only since 3.11.
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def moment_of(text: Any) -> datetime:
    """The moment that a text spells, in UTC; one that says no zone is in UTC, a day alone is its midnight.

    Raises `ValueError` for any other text, for days that there are not, and for more digits than microseconds, which would
    be lost.
    """
    found = _ISO.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r:.80} is no moment.")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    fraction = fraction or ""
    if fraction[6:].strip("0"):
        raise ValueError(f"{text!r:.80} says more than microseconds.")
    plain = datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int(fraction[:6].ljust(6, "0")),
    )
    return plain.replace(tzinfo=_zone(zone)).astimezone(timezone.utc)


def spelt(moment: datetime) -> str:
    """A moment as scripts get it, such as `2024-05-31T12:30:00+00:00`: Python reads that since 3.7. Without a zone it is
    in UTC. Raises `OverflowError` for one that has no year in UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).isoformat()


def _zone(text: Any) -> timezone:
    if not text or text in "Zz":
        return timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    if int(digits[2:]) > 59:
        raise ValueError(f"{text} is no zone.")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-away if text[0] == "-" else away)
