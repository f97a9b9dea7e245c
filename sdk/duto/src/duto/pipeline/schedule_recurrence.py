"""The recurrence of a schedule: every so many minutes, hours, days, weeks or months."""

from __future__ import annotations

import re
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Union

from duto.exceptions import UserErrorException

if TYPE_CHECKING:
    from duto.pipeline.time_zones import TimeZone

_TIME = re.compile(r"([01]?\d|2[0-3]):[0-5]\d")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class ScheduleRecurrence:
    """Every so many minutes, hours, days, weeks or months. It takes anything; `validate`, which `Schedule.create` calls, says
    what cannot be meant.

    Attributes:
        frequency: `Minute`, `Hour`, `Day`, `Week` or `Month`.
        interval: how many of them lie between two runs.
        start_time: `YYYY-MM-DDThh:mm:ss` in the time zone, or a `datetime`; None for at once.
        time_zone: a `TimeZone`, or the name of one of IANA or Windows; None for UTC.
        hours: hours of the day, with Day and Week.
        minutes: minutes of each of the hours, with Day and Week.
        week_days: names of days, with Week.
        time_of_day: `hh:mm`, instead of hours and minutes.
    """

    def __init__(
        self,
        frequency: str,
        interval: int,
        start_time: Union[str, datetime, None] = None,
        time_zone: Union[str, TimeZone, None] = None,
        hours: Union[List[int], int, None] = None,
        minutes: Union[List[int], int, None] = None,
        week_days: Union[List[str], str, None] = None,
        time_of_day: Optional[str] = None,
    ) -> None:
        """
        Args:
            frequency: `Minute`, `Hour`, `Day`, `Week` or `Month`.
            interval: how many of them lie between two runs.
            start_time: `YYYY-MM-DDThh:mm:ss` in the time zone, or a `datetime`; None for at once.
            time_zone: a `TimeZone`, or the name of one of IANA or Windows; None for UTC.
            hours: hours of the day, 0 to 23, with Day and Week; one or several.
            minutes: minutes of each of the hours, 0 to 59, with Day and Week; one or several.
            week_days: names of days such as `Monday`, with Week; one or several.
            time_of_day: `hh:mm`, instead of hours and minutes.
        """
        self.frequency = frequency
        self.interval = interval
        self.start_time = start_time
        self.time_zone = time_zone
        self.hours = hours
        self.minutes = minutes
        self.week_days = week_days
        self.time_of_day = time_of_day

    def validate(self) -> None:
        """See that it can be meant. The studio looks again when the schedule is made, also at the time zone.

        Raises:
            UserErrorException: what is wrong, all of it.
        """
        problems: List[str] = []
        interval: Any = self.interval
        start: Any = self.start_time
        if self.frequency not in ("Minute", "Hour", "Day", "Week", "Month"):
            problems.append(f"frequency is Minute, Hour, Day, Week or Month, not {self.frequency!r}.")
        if not isinstance(interval, int) or isinstance(interval, bool) or interval < 1:
            problems.append(f"interval is a whole number from 1 on, not {interval!r}.")
        if isinstance(start, str):
            try:
                datetime.strptime(start[:19], "%Y-%m-%dT%H:%M:%S")
            except ValueError:
                problems.append(f"start_time is written as 2026-01-31T02:00:00, not {start!r}.")
        elif start is not None and not isinstance(start, datetime):
            problems.append(f"start_time is a text or a datetime, not {start!r}.")
        for name, values, most in (("hours", self.hours, 23), ("minutes", self.minutes, 59)):
            if any(
                isinstance(each, bool) or not isinstance(each, int) or not 0 <= each <= most for each in _list(values)
            ):
                problems.append(f"{name} are whole numbers from 0 to {most}, not {values!r}.")
        if any(str(each).capitalize() not in _DAYS for each in _list(self.week_days)):
            problems.append(f"week_days are names of days such as Monday, not {self.week_days!r}.")
        if self.time_of_day is not None and not _TIME.fullmatch(str(self.time_of_day)):
            problems.append(f"time_of_day is written as 15:30, not {self.time_of_day!r}.")
        if self.time_of_day is not None and (_list(self.hours) or _list(self.minutes)):
            problems.append("time_of_day stands instead of hours and minutes.")
        if problems:
            raise UserErrorException("The recurrence cannot be meant: " + " ".join(problems))

    def _document(self) -> Dict[str, Any]:
        """As REST takes it."""
        start, zone = self.start_time, self.time_zone
        found = {
            "frequency": self.frequency,
            "interval": self.interval,
            "start_time": start.isoformat(timespec="seconds") if isinstance(start, datetime) else start,
            "time_zone": zone.value if isinstance(zone, Enum) else zone,
            "hours": None if self.hours is None else _list(self.hours),
            "minutes": None if self.minutes is None else _list(self.minutes),
            "week_days": None if self.week_days is None else _list(self.week_days),
            "time_of_day": self.time_of_day,
        }
        return {name: value for name, value in found.items() if value is not None}

    def __repr__(self) -> str:
        words = ", ".join(f"{name}={value!r}" for name, value in self._document().items())
        return f"ScheduleRecurrence({words})"


def _list(values: object) -> List[Any]:
    """Several values, or one that stands for itself."""
    return list(values) if isinstance(values, (list, tuple, set)) else [] if values is None else [values]
