"""Which windows there are, and when they are due, by the calendar of a zone."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors import windows
from monitors.windows import Window

LISBON, LORD_HOWE = ZoneInfo("Europe/Lisbon"), ZoneInfo("Australia/Lord_Howe")
moments = st.datetimes(datetime(1980, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("frequency", "zone", "moment", "start", "end"), [
    ("Day", ZoneInfo("UTC"), "2026-03-29T12:00", "2026-03-29T00:00", "2026-03-30T00:00"),
    ("Day", LISBON, "2026-03-29T12:00", "2026-03-29T00:00", "2026-03-29T23:00"),  # 23 hours: clocks go forward
    ("Day", LISBON, "2026-10-25T12:00", "2026-10-24T23:00", "2026-10-26T00:00"),  # 25 hours
    ("Day", LISBON, "2026-07-01T23:30", "2026-07-01T23:00", "2026-07-02T23:00"),
    ("Week", ZoneInfo("UTC"), "2026-12-01T00:00", "2026-11-30T00:00", "2026-12-07T00:00"),
    ("Month", ZoneInfo("UTC"), "2024-02-29T23:59", "2024-02-01T00:00", "2024-03-01T00:00"),
    ("Month", LISBON, "2026-10-31T23:59", "2026-09-30T23:00", "2026-11-01T00:00"),
])  # fmt: skip
def test_a_window_is_one_of_the_calendar_of_its_zone(
    frequency: str, zone: ZoneInfo, moment: str, start: str, end: str
) -> None:
    assert windows.window_of(frequency, zone, at(moment)) == Window(at(start), at(end))


@given(st.sampled_from(windows.FREQUENCIES), st.sampled_from([LISBON, LORD_HOWE, ZoneInfo("Asia/Kathmandu")]), moments)
def test_windows_follow_each_other_without_gap_or_overlap(frequency: str, zone: ZoneInfo, moment: datetime) -> None:
    found = windows.between(frequency, zone, moment, moment + timedelta(days=400), 500)
    assert found[0].start <= moment < found[0].end
    assert all(before.end == after.start for before, after in itertools.pairwise(found))
    assert all(windows.window_of(frequency, zone, each.start) == each for each in found)
    assert found[-1].start < moment + timedelta(days=400) <= found[-1].end


def test_a_window_is_due_once_its_latency_is_over_and_of_many_missed_the_newest() -> None:
    utc, start = ZoneInfo("UTC"), at("2026-11-01T00:00")
    latency = timedelta(hours=6)
    assert windows.due("Day", utc, start, latency, at("2026-11-02T05:59"), 31) == ([], start)
    found, following = windows.due("Day", utc, start, latency, at("2026-11-02T06:00"), 31)
    assert found == [Window(start, at("2026-11-02T00:00"))] and following == at("2026-11-02T00:00")
    found, following = windows.due("Day", utc, start, latency, at("2026-12-20T12:00"), 31)
    assert len(found) == 31 and found[-1].end == at("2026-12-20T00:00") == following
    assert len(windows.between("Day", utc, start, at("2027-11-01T00:00"), 31)) == 32, "one more: they are too many"
