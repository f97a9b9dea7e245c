"""Times in texts. Every time that comes out is in UTC and without a zone; what has no zone counts as UTC."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from functools import reduce
from typing import Any, Optional, Sequence

from duto.spec.sentences import Said, foreign, said
from duto.tables.errors import Misfit

# Which of two numbers is the day, as a whole column shows it.
MONTH_FIRST, DAY_FIRST, BOTH = "month", "day", "both"
_ZONE = r"(?:[ ]?(Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?"
_CLOCK = (
    r"(?:(?:[T ]|,[ ])[ ]*([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?(?:[ ]?([AaPp])\.?[Mm]\.?)?"
    + _ZONE + ")?"
)  # fmt: skip
_ISO = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})" + _CLOCK)
_NUMBERS = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})" + _CLOCK)
_PLAIN = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})" + r"(?:[T ]?([0-9]{2})([0-9]{2})([0-9]{2})?" + _ZONE + ")?")
_DAY_NAME = re.compile(r"[A-Za-z]{3,9},? +(?=[0-9A-Za-z])")
_NAMED = re.compile(r"([0-9]{1,2})[- ]([A-Za-z]{3,9})\.?[-, ]+([0-9]{4})" + _CLOCK)
_NAMED_FIRST = re.compile(r"([A-Za-z]{3,9})\.? ([0-9]{1,2}),? +([0-9]{4})" + _CLOCK)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WHOLE_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december", "sept",
)  # fmt: skip


def in_utc(moment: datetime) -> datetime:
    """Without a zone, in UTC. Raises Misfit where that leaves the years 1 to 9999."""
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(timezone.utc).replace(tzinfo=None)
    except OverflowError as error:
        raise Misfit(said("outside_years", time=str(moment))) from error


def order_of(texts: Sequence[str]) -> Optional[str]:
    """What these texts show of a column's order, None when nothing: `25/12/2021` can only be day first."""
    is_day = is_month = False
    for text in texts:
        found = _NUMBERS.match(text.strip())
        if found is not None and found.group(2) != ".":
            first, second = int(found.group(1)), int(found.group(3))
            is_day = is_day or first > 12 >= second
            is_month = is_month or second > 12 >= first
    return BOTH if is_day and is_month else DAY_FIRST if is_day else MONTH_FIRST if is_month else None


def together(first: Optional[str], second: Optional[str]) -> Optional[str]:
    """What two parts of a column show together."""
    if first is None or second is None or first == second:
        return first or second
    return BOTH


def moment_of(text: str, order: Optional[str] = None) -> datetime:
    """The time that a text means, by its own look and its column's order. Raises Misfit."""
    clean = text.strip()
    found = _ISO.fullmatch(clean)
    if found is not None:
        return _made(found.group(1), found.group(3), found.group(4), found.groups()[4:])
    found = _NUMBERS.fullmatch(clean)
    if found is not None:
        return _of_numbers(found, order)
    found = _PLAIN.fullmatch(clean)
    if found is not None:
        year, month, day, hour, minute, second, zone = found.groups()
        return _made(year, month, day, [hour, minute, second, None, None, zone])
    named = _DAY_NAME.sub("", clean, count=1) if clean[:1].isalpha() and not _NAMED_FIRST.fullmatch(clean) else clean
    found = _NAMED.fullmatch(named)
    if found is not None:
        return _made(found.group(3), _month(found.group(2)), found.group(1), found.groups()[3:])
    found = _NAMED_FIRST.fullmatch(named)
    if found is not None:
        return _made(found.group(3), _month(found.group(1)), found.group(2), found.groups()[3:])
    raise Misfit(said("no_time", value=_short(text)))


def by_formats(text: str, formats: Sequence[str]) -> datetime:
    """The time that a text means by the first format that fits. Raises Misfit."""
    for form in formats:
        try:
            return in_utc(datetime.strptime(text.strip(), form))
        except (ValueError, OverflowError):
            continue
    raise Misfit(said("no_time_of", value=_short(text), formats=reduce(_either, map(foreign, formats))))


def _either(first: Said, second: Said) -> Said:
    return said("either", first=first, second=second)


def any_moment(value: Any) -> Optional[datetime]:
    """The time of a value that stands in a table or in a definition. Raises Misfit."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return in_utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, str):
        return moment_of(value)
    raise Misfit(said("no_time", value=_short(value)))


def _of_numbers(found: Any, order: Optional[str]) -> datetime:
    first, mark, second, year = found.group(1), found.group(2), found.group(3), found.group(4)
    if len(year) == 2:
        year = f"20{year}" if int(year) < 69 else f"19{year}"
    if int(first) > 12 or int(second) > 12 or first == second:
        is_day = int(first) > 12
    elif order == BOTH:
        raise Misfit(said("two_days", value=_short(found.group(0))))
    else:
        is_day = mark == "." or order == DAY_FIRST
    day, month = (first, second) if is_day else (second, first)
    return _made(year, month, day, found.groups()[4:])


def _made(year: Any, month: Any, day: Any, clock: Sequence[Optional[str]]) -> datetime:
    hour, minute, second, fraction, half, zone = list(clock)[:6]
    try:
        hours = int(hour or 0)
        if half:
            if not 1 <= hours <= 12:
                raise ValueError
            hours = hours % 12 + (12 if half in "pP" else 0)
        micros = int((fraction or "0").ljust(6, "0")[:6])
        made = datetime(int(year), int(month), int(day), hours, int(minute or 0), int(second or 0), micros)
        return made - _offset(zone)
    except (ValueError, OverflowError) as error:
        raise Misfit(said("no_such_time", time=f"{year}-{month}-{day} {hour or 0}:{minute or '00'}")) from error


def _offset(zone: Optional[str]) -> timedelta:
    if not zone or zone[0] not in "+-":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueError
    size = timedelta(hours=hours, minutes=minutes)
    return size if zone[0] == "+" else -size


def _month(name: str) -> int:
    lower = name.lower()
    if lower in _MONTHS:
        return _MONTHS.index(lower) + 1
    if lower in _WHOLE_MONTHS:
        return _MONTHS.index(lower[:3]) + 1
    raise Misfit(said("no_such_month", name=_short(name)))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
