"""When a recurrence is due: against a reference that steps through the calendar, and where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Invalid
from duto import TimeZone
from schedules import timetable

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
ZONES = ("UTC", "Europe/Lisbon", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe")
RULES = {"Minute": rrule.MINUTELY, "Hour": rrule.HOURLY, "Day": rrule.DAILY, "Week": rrule.WEEKLY}
moments = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31)).map(lambda each: each.replace(microsecond=0))


def due(document: dict[str, Any], after: datetime, count: int = 5, anchor: datetime = NOW) -> list[datetime]:
    return timetable.upcoming(timetable.read(document), after, anchor, count)


def local(zone: str, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[arg-type, misc]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["Day", "Week"]),
    st.integers(1, 5),
    moments,
    moments,
    st.sampled_from(ZONES),
    st.lists(st.integers(0, 23), max_size=3),
    st.lists(st.integers(0, 59), max_size=3),
    st.lists(st.integers(0, 6), max_size=3),
)
def test_days_and_weeks_are_due_as_dateutil_reckons_them(
    frequency: str, interval: int, start: datetime, after: datetime, zone: str, hours: Any, minutes: Any, days: Any
) -> None:
    days = days if frequency == "Week" else []
    document = {
        "frequency": frequency, "interval": interval, "start_time": start.isoformat(), "time_zone": zone,
        "hours": hours, "minutes": minutes, "week_days": [timetable.WEEK_DAYS[day] for day in days],
    }  # fmt: skip
    timed = bool(hours or minutes)
    at = {
        "byhour": hours or [start.hour],
        "byminute": (minutes or [0]) if timed else [start.minute],
        "bysecond": [0] if timed else [start.second],
    }
    begin = start.replace(hour=0, minute=0, second=0)
    rule = rrule.rrule(RULES[frequency], interval=interval, dtstart=begin, byweekday=days or ([start.weekday()] if frequency == "Week" else None), **at)  # fmt: skip
    moment, first = after.replace(tzinfo=UTC), local(zone, *start.timetuple()[:6])
    # A day before, since the calendar's date differs from that of UTC.
    beginning = max(begin, after - timedelta(days=interval * 7 + 8))
    wanted = {each.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for each in rule.between(beginning, beginning + timedelta(days=interval * 40 + 60), inc=True)}  # fmt: skip
    reference = sorted(each for each in wanted if each > moment and each >= first)
    if len(reference) > 3:
        assert due(document, moment, 3) == reference[:3]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["Minute", "Hour"]), st.integers(1, 500), moments, moments, st.sampled_from(ZONES))
def test_minutes_and_hours_are_time_that_passes(
    frequency: str, interval: int, start: datetime, after: datetime, zone: str
) -> None:
    document = {"frequency": frequency, "interval": interval, "start_time": start.isoformat(), "time_zone": zone}
    moment, first = after.replace(tzinfo=UTC), local(zone, *start.timetuple()[:6])
    step = timedelta(**{f"{frequency.lower()}s": interval})
    found = due(document, moment, 4)
    assert all(later - earlier == step for earlier, later in pairwise(found))
    assert found[0] == first if moment < first else timedelta() < found[0] - moment <= step
    assert (found[0] - first) % step == timedelta()


def test_a_short_month_has_it_on_its_last_day() -> None:
    document = {"frequency": "Month", "interval": 1, "start_time": "2027-10-31T02:00:00"}
    days = [each.strftime("%m-%d") for each in due(document, NOW, 6)]
    assert days == ["10-31", "11-30", "12-31", "01-31", "02-29", "03-31"]
    quarterly = {"frequency": "Month", "interval": 3, "start_time": "2026-01-31T02:00:00"}
    assert [each.strftime("%m-%d") for each in due(quarterly, NOW, 4)] == ["04-30", "07-31", "10-31", "01-31"]


def test_a_time_that_does_not_exist_and_one_that_comes_twice() -> None:
    document = {"frequency": "Day", "interval": 1, "time_of_day": "02:30", "time_zone": "Europe/Berlin", "start_time": "2026-01-01T00:00:00"}  # fmt: skip
    forward = due(document, datetime(2026, 3, 28, 12, tzinfo=UTC), 2)
    assert [each.isoformat() for each in forward] == ["2026-03-29T01:30:00+00:00", "2026-03-30T00:30:00+00:00"]
    back = due(document, datetime(2026, 10, 24, 12, tzinfo=UTC), 2)
    assert [each.isoformat() for each in back] == ["2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"]
    both = {**document, "time_of_day": None, "hours": [2, 3], "minutes": [30]}
    assert due(both, datetime(2026, 3, 28, 12, tzinfo=UTC), 2)[0].hour == 1, "two times of one moment are one"
    assert len(set(due(both, datetime(2026, 3, 28, 12, tzinfo=UTC), 6))) == 6


def test_without_a_start_it_is_due_at_once_and_with_one_of_the_past_when_it_comes_next() -> None:
    weekly = {"frequency": "Week", "interval": 1}
    table = timetable.read(weekly)
    assert table.first(NOW) == NOW and table.after(NOW, NOW) == NOW + timedelta(weeks=1)
    past = timetable.read({**weekly, "start_time": "2026-03-02T08:00:00"})
    assert past.first(NOW) == datetime(2026, 3, 23, 8, tzinfo=UTC)
    coming = timetable.read(
        {**weekly, "start_time": "2026-05-01T08:00:00", "week_days": ["monday", "Friday"], "hours": [8]}
    )
    assert coming.first(NOW) == datetime(2026, 5, 1, 8, tzinfo=UTC)
    assert timetable.read({**weekly, "start_time": "2026-03-20T13:00:00+01:00"}).first(NOW) == NOW


def test_cron_expressions_in_a_zone() -> None:
    table = {"cron": "30 2 * * 1-5", "time_zone": "Europe/Lisbon"}
    assert [each.isoformat() for each in due(table, datetime(2026, 3, 27, 12, tzinfo=UTC), 2)] == [
        "2026-03-30T01:30:00+00:00",
        "2026-03-31T01:30:00+00:00",
    ]
    assert due({"cron": "0 0 29 2 *"}, NOW, 1)[0] == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize("zone", [each.value for each in TimeZone])
def test_every_zone_of_azure_is_known(zone: str) -> None:
    assert timetable.zone_of(zone) is not None


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "'frequency' is one of Minute, Hour, Day, Week, Month, not 'None'"),
        ({"frequency": "Year", "interval": 1}, "not 'Year'"),
        ({"frequency": "Day", "interval": 0}, "'interval' is a whole number from 1 to 7300, not '0'"),
        ({"frequency": "Day", "interval": True}, "not 'True'"),
        ({"frequency": "Day", "interval": "2"}, "not '2'"),
        ({"frequency": "Day", "interval": 10**9}, "from 1 to 7300"),
        ({"frequency": "Day", "interval": 1, "hours": [24]}, "'hours' is a list of whole numbers from 0 to 23"),
        ({"frequency": "Day", "interval": 1, "minutes": ["x"]}, "'minutes' is a list"),
        ({"frequency": "Day", "interval": 1, "time_of_day": "25:00"}, "such as '15:30', not '25:00'"),
        ({"frequency": "Day", "interval": 1, "time_of_day": "5:00", "hours": [1]}, "Say either"),
        ({"frequency": "Day", "interval": 1, "week_days": ["Monday"]}, "go with the frequency Week alone"),
        ({"frequency": "Hour", "interval": 1, "hours": [1]}, "go with the frequencies Day and Week alone"),
        ({"frequency": "Week", "interval": 1, "week_days": ["Funday"]}, "not 'Funday'"),
        ({"frequency": "Day", "interval": 1, "time_zone": "Mars/Base"}, "There is no time zone 'Mars/Base'"),
        ({"frequency": "Day", "interval": 1, "time_zone": "../../etc/passwd"}, "There is no time zone"),
        ({"frequency": "Day", "interval": 1, "start_time": "tomorrow"}, "not 'tomorrow'"),
        ({"frequency": "Day", "interval": 1, "start_time": "9999-12-31T00:00:00"}, "'start_time' is a time"),
        ({"frequency": "Day", "interval": 1, "timezone": "Europe/Lisbon"}, "A timetable has no 'timezone'"),
        ({"cron": "0 0 * * *", "x": None}, "A timetable has no 'x'"),
        ({"cron": "* * * *"}, "has five fields"),
        ({"cron": "61 * * * *"}, "Bad minute"),
        ({"cron": "0 0 30 2 *"}, "no cron expression"),
        ({"cron": "0 0 * * *", "interval": 3}, "leave out interval"),
    ],
)
def test_nonsense_is_refused_with_what_is_wrong(document: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said.replace("(", r"\(")):
        timetable.read(document)


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = {"frequency": "Week", "interval": 1, "hours": [99], "week_days": ["x"], "time_zone": "y", "start_time": "z"}
    with pytest.raises(Invalid) as refused:
        timetable.read(wrong)
    assert all(name in str(refused.value) for name in ("hours", "week_days", "time zone", "start_time"))


def test_what_lies_after_all_calendars_is_never_due() -> None:
    far = {"interval": 10_512_000, "frequency": "Minute", "start_time": "9989-12-31T00:00:00"}
    assert due(far, NOW, count=3) == [datetime(9989, 12, 31, tzinfo=UTC)]


def test_a_document_is_kept_as_it_is_meant() -> None:
    given = {
        "frequency": " week", "interval": 2, "week_days": "friday", "hours": 3, "time_zone": "Europe/Lisbon",
        "start_time": "2030-07-01T00:00:30+05:00", "minutes": None,
    }  # fmt: skip
    kept = timetable.normalized(given)
    assert kept == {
        "frequency": "Week", "interval": 2, "week_days": ["Friday"], "hours": [3], "time_zone": "Europe/Lisbon",
        "start_time": "2030-06-30T20:00:30",
    }  # fmt: skip
    assert due(kept, NOW) == due(given, NOW)


@pytest.mark.parametrize(
    "document", [{"frequency": "Minute", "interval": 7}, {"cron": "*/5 2 * * 1", "time_zone": "Europe/Lisbon"}]
)
@pytest.mark.parametrize("most", [1, 3, 500])
def test_the_newest_of_a_long_time(document: dict[str, Any], most: int) -> None:
    table, start, end = timetable.read(document), NOW, NOW + timedelta(days=20, seconds=11)
    every = [start, *timetable.between(table, start, end, NOW)]
    assert timetable.newest(table, start, end, NOW, most) == every[-most:]
    assert timetable.newest(table, start, start, NOW, most) == [start]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(timetable.FREQUENCIES), st.integers(1, 5), moments, moments, st.sampled_from(ZONES), st.booleans()
)
def test_a_window_before_the_beginning_has_the_same_times(
    frequency: str, interval: int, start: datetime, window: datetime, zone: str, has_start: bool
) -> None:
    """As those of a schedule that began whole periods earlier, and after the beginning as without reaching back."""
    document = {"frequency": frequency, "interval": interval, "time_zone": zone}
    anchor = local(zone, *start.timetuple()[:6])
    if has_start:
        document["start_time"] = start.isoformat()
    begin, end = window.replace(tzinfo=UTC), window.replace(tzinfo=UTC) + timedelta(days=200)
    table = timetable.read(document)
    found = timetable.window(table, begin, end, anchor, 300)
    later = [each for each in found if each >= anchor]
    plain = timetable.upcoming(table, max(begin, anchor) - timedelta(microseconds=1), anchor, len(later))
    assert later == plain
    assert all(begin <= each <= end for each in found) and found == sorted(set(found))
    if frequency in ("Minute", "Hour"):
        step = timedelta(**{f"{frequency.lower()}s": interval})
        assert all(later - each == step for each, later in pairwise(found))
    elif found and frequency != "Month":
        days = interval * (7 if frequency == "Week" else 1)
        dates = [each.astimezone(ZoneInfo(zone)).date() for each in found]
        gaps = {(b - a).days % days for a, b in pairwise(dates)}
        assert gaps <= {0, 1, days - 1} and len(found) >= 200 // days - 1


def test_a_month_reaches_back_to_where_its_day_is() -> None:
    # Not every fourth year has a 29 February.
    table = timetable.read({"frequency": "Month", "interval": 12, "start_time": "2104-02-29T02:00:00"})
    found = timetable.window(table, NOW - timedelta(days=2000), NOW, NOW, 10)
    assert [f"{each:%Y-%m-%d}" for each in found] == [
        "2021-02-28",
        "2022-02-28",
        "2023-02-28",
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
    ]
    monthly = timetable.read({"frequency": "Month", "interval": 1, "start_time": "2100-01-31T02:00:00"})
    assert [each.day for each in timetable.window(monthly, NOW - timedelta(days=60), NOW, NOW, 10)] == [31, 28]


@pytest.mark.parametrize("name", ["localtime", "Factory"])
def test_a_zone_that_is_another_one_on_each_machine_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match=f"no time zone '{name}'"):
        timetable.read({"frequency": "Day", "interval": 1, "time_zone": name})


def test_cron_goes_by_clocks_as_the_page_says() -> None:
    spring, autumn = local("Europe/Berlin", 2026, 3, 28, 12), local("Europe/Berlin", 2026, 10, 24, 12)
    once = {"cron": "30 2 * * *", "time_zone": "Europe/Berlin"}
    assert due(once, spring, 2) == [local("Europe/Berlin", 2026, 3, 29, 3), local("Europe/Berlin", 2026, 3, 30, 2, 30)]
    assert [each.day for each in due(once, autumn, 2)] == [25, 26]
    often = {"cron": "*/20 2 * * *", "time_zone": "Europe/Berlin"}
    assert due(often, spring, 1) == [local("Europe/Berlin", 2026, 3, 30, 2)]
    assert [each.day for each in due(often, autumn, 7)] == [25] * 6 + [26]
