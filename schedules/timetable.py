"""When a schedule is due: recurrences as Azure ML's `ScheduleRecurrence` has them, and cron expressions. Pure.

A local time that does not exist (clocks go forward) is due when it would have come had they not: 02:30 at 03:30. One that comes
twice (clocks go back) is due the first time. Minutes and hours are counted as time that passes, whatever clocks do. Cron has rules of
its own (`Cron`).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, Protocol, TypeGuard
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from django.utils.translation import gettext as _
from tzlocal.windows_tz import win_tz

from core.errors import Invalid

FREQUENCIES = ("Minute", "Hour", "Day", "Week", "Month")
WEEK_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# A longer interval is a mistake: 20 years.
MOST = {"Minute": 10_512_000, "Hour": 175_200, "Day": 7300, "Week": 1040, "Month": 240}
LATEST = datetime(9990, 1, 1, tzinfo=UTC)
TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
# Names of Windows that Unicode has given up, and Azure ML has not.
OLD_ZONES = {"Kamchatka Standard Time": "Asia/Kamchatka", "Mid-Atlantic Standard Time": "Etc/GMT+2"}
# Of the system's names those that mean no zone, or another one on each machine.
NO_ZONES = frozenset({"Factory", "localtime"})
KEYS = ("frequency", "interval", "start_time", "time_zone", "hours", "minutes", "week_days", "time_of_day")


class Timetable(Protocol):
    """What gives the moments at which a schedule is due."""

    def after(self, moment: datetime, anchor: datetime) -> datetime | None:
        """The first moment after `moment`, in UTC; None where there is none. `anchor` is when the schedule was made: what
        counts from a beginning and names none counts from it."""
        ...

    def first(self, anchor: datetime) -> datetime | None:
        """The first moment of all, which may be `anchor` itself."""
        ...


@dataclass(frozen=True)
class Recurrence:
    """Every so many minutes, hours, days, weeks or months; of days and weeks at these times, of weeks on these days.

    Months that are too short for the day of the start have it on their last one.
    """

    frequency: str
    interval: int
    zone: ZoneInfo
    # Local, without a zone; None: from when the schedule is made, which is when it is due first.
    start: datetime | None = None
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    # 0 is Monday.
    week_days: tuple[int, ...] = ()

    def first(self, anchor: datetime) -> datetime | None:
        if self.start is None:
            return anchor
        # One that has begun is due at its next time: earlier ones are not made up for.
        return self.after(max(anchor, self._begin(anchor)) - timedelta(microseconds=1), anchor)

    def after(self, moment: datetime, anchor: datetime) -> datetime | None:
        begin = self._begin(anchor)
        if self.frequency in ("Minute", "Hour"):
            step = timedelta(**{f"{self.frequency.lower()}s": self.interval})
            passed = (moment - begin) // step + 1 if moment >= begin else 0
            return begin + passed * step if passed * step < LATEST - begin else None
        for due in self._by_date(max(moment, begin - timedelta(microseconds=1)), begin):
            return due if due < LATEST else None
        return None

    def extended_to(self, moment: datetime, anchor: datetime) -> tuple[Recurrence, datetime]:
        """The same recurrence extended to times before its start, from `moment` on; and the anchor that it has then."""
        begin = self._begin(anchor)
        if begin <= moment:
            return self, anchor
        if self.frequency in ("Minute", "Hour"):
            step = timedelta(**{f"{self.frequency.lower()}s": self.interval})
            return replace(self, start=None), begin - step * -((moment - begin) // step)
        base, until = begin.astimezone(self.zone).replace(tzinfo=None), moment.astimezone(self.zone).date()
        while True:
            # By whole periods.
            if self.frequency == "Month":
                base = _months_before(base, self.interval)
            else:
                length = self.interval * (7 if self.frequency == "Week" else 1)
                base -= timedelta(days=length * max(1, (base.date() - until).days // length))
            # Where clocks went forward, a local time is another one.
            exists = _utc(base, self.zone).astimezone(self.zone).replace(tzinfo=None) == base
            if base.date() < until and exists:
                return replace(self, start=base), anchor

    def _begin(self, anchor: datetime) -> datetime:
        return anchor if self.start is None else _utc(self.start, self.zone)

    def _by_date(self, moment: datetime, begin: datetime) -> Iterator[datetime]:
        """What is due after `moment`, from the period before that of `moment` on: near midnight and where clocks change, a date of
        the zone begins earlier or later than computed."""
        base = begin.astimezone(self.zone)
        number = max(0, self._period(moment.astimezone(self.zone).date(), base.date()) - 1)
        while True:
            try:
                days = list(self._days(base.date(), number))
            except OverflowError:
                return
            due = {_utc(datetime.combine(day, at), self.zone) for day in days for at in self._times(base)}
            yield from sorted(each for each in due if each > moment)
            number += 1

    def _period(self, day: date, base: date) -> int:
        if self.frequency == "Month":
            return ((day.year - base.year) * 12 + day.month - base.month) // self.interval
        if self.frequency == "Week":
            return (_monday(day) - _monday(base)).days // 7 // self.interval
        return (day - base).days // self.interval

    def _days(self, base: date, number: int) -> Iterator[date]:
        if self.frequency == "Month":
            year, month = divmod(base.month - 1 + number * self.interval, 12)
            if base.year + year > 9999:
                raise OverflowError
            last = monthrange(base.year + year, month + 1)[1]
            yield date(base.year + year, month + 1, min(base.day, last))
        elif self.frequency == "Week":
            monday = _monday(base) + timedelta(weeks=number * self.interval)
            yield from (monday + timedelta(days=day) for day in self.week_days or (base.weekday(),))
        else:
            yield base + timedelta(days=number * self.interval)

    def _times(self, base: datetime) -> Iterator[time]:
        if not self.hours and not self.minutes:
            yield base.time()
            return
        for hour in self.hours or (base.hour,):
            for minute in self.minutes or (0,):
                yield time(hour, minute)


@dataclass(frozen=True)
class Cron:
    """A cron expression of five fields, in the local time of a zone; daylight saving as Debian's cron has it: a time that does not
    exist is due when clocks change, one that comes twice the first time. With `*` or a step for minutes or hours it goes by what
    clocks show: what they leave out is left out, and what they show twice comes twice."""

    expression: str
    zone: ZoneInfo

    def first(self, anchor: datetime) -> datetime | None:
        return self.after(anchor, anchor)

    def after(self, moment: datetime, anchor: datetime) -> datetime | None:
        try:
            return next(CronSim(self.expression, moment.astimezone(self.zone))).astimezone(UTC)
        except (StopIteration, OverflowError):
            return None


@dataclass
class _Reader:
    """Collects all problems of a document, so that one error names them all."""

    document: Mapping[str, Any]
    problems: list[str] = field(default_factory=list)

    def numbers(self, name: str, most: int) -> tuple[int, ...]:
        values = self.document.get(name)
        values = [] if values is None else values if isinstance(values, (list, tuple)) else [values]
        if all(_is_number(each) and 0 <= each <= most for each in values):
            return tuple(sorted(set(values)))
        self.problems.append(
            _("'%(name)s' is a list of whole numbers from 0 to %(most)s.") % {"name": name, "most": most}
        )
        return ()

    def days(self) -> tuple[int, ...]:
        values = self.document.get("week_days")
        values = [] if values is None else values if isinstance(values, (list, tuple)) else [values]
        found = {str(each).strip().capitalize() for each in values}
        if unknown := found - set(WEEK_DAYS):
            text = _("'week_days' are names of days such as 'Monday', not %(unknown)s.")
            self.problems.append(text % {"unknown": ", ".join(repr(each[:40]) for each in sorted(unknown))})
        return tuple(number for number, name in enumerate(WEEK_DAYS) if name in found)


def read(document: Mapping[str, Any]) -> Timetable:
    """A recurrence, or `{"cron": ..., "time_zone": ...}`. Raises Invalid that names every problem."""
    reader = _Reader(document)
    if unknown := sorted(str(name)[:40] for name in set(document) - {"cron", *KEYS}):
        text = _("A timetable has no %(names)s. What it may have: %(known)s.")
        reader.problems.append(
            text % {"names": ", ".join(map(repr, unknown[:10])), "known": ", ".join((*KEYS, "cron"))}
        )
    found = _cron(reader) if document.get("cron") is not None else _recurrence(reader)
    if reader.problems or found is None:
        raise Invalid(" ".join(reader.problems), code="bad_recurrence")
    return found


def normalized(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document that `read` takes, with each value in its normal form, as forms and programs show it."""
    reader = _Reader(document)
    start = _start(reader, _zone(reader))
    found = {
        "cron": str(document.get("cron") or "").strip(),
        "frequency": str(document.get("frequency") or "").strip().capitalize(),
        "interval": document.get("interval"),
        "start_time": start.isoformat() if start is not None else None,
        "time_zone": str(document.get("time_zone") or "").strip(),
        "hours": list(reader.numbers("hours", 23)),
        "minutes": list(reader.numbers("minutes", 59)),
        "week_days": [WEEK_DAYS[day] for day in reader.days()],
        "time_of_day": str(document.get("time_of_day") or "").strip(),
    }
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def upcoming(timetable: Timetable, moment: datetime, anchor: datetime, count: int = 5) -> list[datetime]:
    """The next so many moments after `moment`."""
    found: list[datetime] = []
    due = timetable.after(moment, anchor)
    while due is not None and len(found) < count:
        found.append(due)
        due = timetable.after(due, anchor)
    return found


def between(timetable: Timetable, start: datetime, end: datetime, anchor: datetime) -> Iterator[datetime]:
    """The moments after `start` up to and with `end`."""
    due = timetable.after(start, anchor)
    while due is not None and due <= end:
        yield due
        due = timetable.after(due, anchor)


def window(timetable: Timetable, start: datetime, end: datetime, anchor: datetime, most: int) -> list[datetime]:
    """The first so many moments from `start` to `end`, with both, also of before the timetable's beginning."""
    if isinstance(timetable, Recurrence):
        timetable, anchor = timetable.extended_to(start, anchor)
    return list(islice(between(timetable, start - timedelta(microseconds=1), end, anchor), most))


def newest(timetable: Timetable, start: datetime, end: datetime, anchor: datetime, most: int) -> list[datetime]:
    """Of `start`, which is one, and the moments after it up to and with `end` the newest so many, the oldest first.

    Looked for in a span before `end` that doubles: a year of minutes costs what a day of them does.
    """
    span = timedelta(hours=1)
    while True:
        begin = max(start, end - span)
        found = deque(between(timetable, begin, end, anchor), maxlen=most)
        if begin == start and len(found) < most:
            found.appendleft(start)
        if begin == start or len(found) == most:
            return list(found)
        span *= 2


def zone_of(name: str) -> ZoneInfo | None:
    """A zone by its name of IANA or of Windows; None for an unknown name, instead of UTC."""
    given = name.strip()
    text = OLD_ZONES.get(given) or win_tz.get(given, given)
    return ZoneInfo(text) if text in _zones() else None


def _zones() -> frozenset[str]:
    if not _KNOWN:
        _KNOWN.append(frozenset(available_timezones()) - NO_ZONES)
    return _KNOWN[0]


# Read once a process: it looks into every folder of the system's zones.
_KNOWN: list[frozenset[str]] = []


def _zone(reader: _Reader) -> ZoneInfo:
    name = reader.document.get("time_zone")
    zone = zone_of(str(name)) if name not in (None, "") else ZoneInfo("UTC")
    if zone is None:
        text = _("There is no time zone '%(name)s'. Names are those of IANA, such as 'Europe/Lisbon', or of Windows.")
        reader.problems.append(text % {"name": str(name)[:80]})
    return zone or ZoneInfo("UTC")


def _cron(reader: _Reader) -> Cron | None:
    expression, zone = str(reader.document["cron"]).strip(), _zone(reader)
    more = [name for name in KEYS if name != "time_zone" and reader.document.get(name) not in (None, [], "")]
    if more:
        reader.problems.append(
            _("A cron expression stands for itself: leave out %(names)s.") % {"names": ", ".join(more)}
        )
    if len(expression.split()) != 5:
        text = _("A cron expression has five fields: minute, hour, day of the month, month, day of the week.")
        reader.problems.append(text)
        return None
    try:
        found = Cron(expression, zone)
        if found.after(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)) is None:
            reader.problems.append(_("The cron expression '%(text)s' is never due.") % {"text": expression[:80]})
        return found
    except CronSimError as error:
        text = _("'%(text)s' is no cron expression: %(why)s.")
        reader.problems.append(text % {"text": expression[:80], "why": str(error) or "?"})
        return None


def _recurrence(reader: _Reader) -> Recurrence | None:
    document, zone = reader.document, _zone(reader)
    frequency = str(document.get("frequency") or "").strip().capitalize()
    if frequency not in FREQUENCIES:
        text = _("'frequency' is one of %(names)s, not '%(given)s'.")
        facts = {"names": ", ".join(FREQUENCIES), "given": str(document.get("frequency"))[:40]}
        reader.problems.append(text % facts)
        return None
    interval = document.get("interval")
    if not _is_number(interval) or not 1 <= interval <= MOST[frequency]:
        text = _("'interval' is a whole number from 1 to %(most)s, not '%(given)s'.")
        reader.problems.append(text % {"most": MOST[frequency], "given": str(interval)[:40]})
        return None
    hours, minutes = reader.numbers("hours", 23), reader.numbers("minutes", 59)
    days, at = reader.days(), document.get("time_of_day")
    if at not in (None, ""):
        match = TIME_OF_DAY.fullmatch(str(at).strip())
        if match is None:
            reader.problems.append(_("'time_of_day' is a time such as '15:30', not '%(at)s'.") % {"at": str(at)[:40]})
        elif hours or minutes:
            reader.problems.append(_("Say either 'time_of_day' or 'hours' and 'minutes'."))
        else:
            hours, minutes = (int(match[1]),), (int(match[2]),)
    if frequency not in ("Day", "Week") and (hours or minutes):
        reader.problems.append(_("'hours', 'minutes' and 'time_of_day' go with the frequencies Day and Week alone."))
    if frequency != "Week" and days:
        reader.problems.append(_("'week_days' go with the frequency Week alone."))
    return Recurrence(frequency, int(interval), zone, _start(reader, zone), hours, minutes, days)


def _start(reader: _Reader, zone: ZoneInfo) -> datetime | None:
    """The start in the local time of the zone. A text with an offset of its own is that moment."""
    given = reader.document.get("start_time")
    if given in (None, ""):
        return None
    try:
        found = given if isinstance(given, datetime) else datetime.fromisoformat(str(given).strip())
    except ValueError:
        found = None
    if found is None or not 1970 <= found.year < 9990:
        text = _("'start_time' is a time such as '2026-01-31T02:00:00', not '%(text)s'.")
        reader.problems.append(text % {"text": str(given)[:40]})
        return None
    return found if found.tzinfo is None else found.astimezone(zone).replace(tzinfo=None)


def _is_number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _months_before(local: datetime, months: int) -> datetime:
    """So many months before, and as many again while the month is too short for the day."""
    number = local.year * 12 + local.month - 1
    while True:
        number -= months
        year, month = number // 12, number % 12 + 1
        if monthrange(year, month)[1] >= local.day:
            return local.replace(year=year, month=month)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _utc(local: datetime, zone: ZoneInfo) -> datetime:
    """A local time as a moment: of two that it may mean the first, and where there is none as if clocks had not moved."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)
