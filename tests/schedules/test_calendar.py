"""The calendar: past and coming times by days of the reader's zone, at a cost that does not depend on how many there are."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.clock import now
from core.ids import uuid7
from runs.services.submission import publish
from schedules import calendar
from schedules.models import Schedule, Tick
from tests.runs.conftest import RunScenario
from tests.schedules.test_schedules import seen, visitor

__all__ = ["visitor"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
LISBON = ZoneInfo("Europe/Lisbon")
# The Monday of the week in which clocks go back in Lisbon.
MONDAY = date(2026, 10, 19)


@pytest.fixture
def pipeline(scenario: RunScenario) -> Any:
    return publish.publish_graph(scenario.context, scenario.graph("train"), name="p")


def schedule(scenario: RunScenario, pipeline: Any, name: str = "s", **fields: Any) -> Schedule:
    table = {"frequency": "Day", "interval": 1, "time_of_day": "00:30", "time_zone": "Europe/Lisbon"}
    return Schedule.objects.create(
        **{"workspace": scenario.workspace, "name": name, "pipeline": pipeline, "timetable": table, **fields}
    )


def tick(made: Schedule, at: datetime, status: str = "fired", run: Any = None) -> Tick:
    return Tick.objects.create(schedule=made, due_at=at, fires_at=at, status=status, settled_at=at, run=run)


def test_days_are_those_of_the_zone_and_what_was_and_what_comes_stand_in_them(
    scenario: RunScenario, pipeline: Any
) -> None:
    at = datetime(2026, 10, 22, 12, tzinfo=UTC)
    made = schedule(scenario, pipeline, next_at=datetime(2026, 10, 22, 23, 30, tzinfo=UTC), end_at=datetime(2026, 10, 26, tzinfo=UTC))  # fmt: skip
    Schedule.objects.update(created_at=datetime(2026, 10, 1, tzinfo=UTC))
    tick(made, datetime(2026, 10, 19, 23, 30, tzinfo=UTC), run=scenario.pipeline(status="Completed"))
    tick(made, datetime(2026, 10, 20, 23, 30, tzinfo=UTC), run=scenario.pipeline(status="Failed"))
    tick(made, datetime(2026, 10, 20, 23, 40, tzinfo=UTC), "skipped")
    with patch("schedules.calendar.now", return_value=at):
        found, is_cut = calendar.entries(scenario.workspace, MONDAY, 7, LISBON)
    assert not is_cut and sorted(found) == [MONDAY + timedelta(days=n) for n in (1, 2, 4, 5, 6)], "00:30 in Lisbon"
    (one,), (two,), (next_one,) = (found[MONDAY + timedelta(days=n)].entries for n in (1, 2, 4))
    assert (one.state, one.count, one.is_coming) == ("Completed", 1, False)
    assert (two.state, two.states, two.count) == ("Failed", {"Failed": 1, "Skipped": 1}, 2)
    assert (next_one.is_coming, next_one.at) == (True, made.next_at)
    assert {each.at.astimezone(LISBON).hour for each in found[MONDAY + timedelta(days=6)].entries} == {0}
    with patch("schedules.calendar.now", return_value=at):
        elsewhere, _ = calendar.entries(scenario.workspace, MONDAY, 7, ZoneInfo("UTC"), made)
    assert sorted(elsewhere) == [MONDAY + timedelta(days=n) for n in (0, 1, 3, 4, 5)]


def test_very_many_times_are_counted_and_not_listed(scenario: RunScenario, pipeline: Any) -> None:
    start = now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    minutes = schedule(scenario, pipeline, "minutes", next_at=start, created_at=start, timetable={"frequency": "Minute", "interval": 1})  # fmt: skip
    Schedule.objects.filter(pk=minutes.pk).update(created_at=start)
    schedule(scenario, pipeline, "cron", next_at=start, timetable={"cron": "* * * * *"})
    found, _ = calendar.entries(scenario.workspace, start.date(), 40, ZoneInfo("UTC"))
    for day in range(40):
        cron, every = found[start.date() + timedelta(days=day)].entries
        assert (every.count, every.is_more, cron.count, cron.is_more) == (1440, False, calendar.MOST_A_DAY, True)


def test_the_page_costs_the_same_however_much_there_is(scenario: RunScenario, visitor: Client, pipeline: Any) -> None:
    def more(numbers: range) -> None:
        for number in numbers:
            made = schedule(scenario, pipeline, f"s{number}", next_at=now() + timedelta(hours=1))
            Tick.objects.bulk_create(
                Tick(schedule=made, due_at=now() - timedelta(minutes=n), fires_at=now(), status="fired") for n in range(50)
            )  # fmt: skip

    def cost(address: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            seen(visitor, address)
        return len(asked)

    address = "schedules/calendar/?view=month"
    more(range(2))
    cost(address)
    few = cost(address)
    more(range(2, 12))
    assert cost(address) == few
    shown = seen(visitor, address)
    assert "more</a>" in "".join(shown.split()) or "more" in shown
    with patch("schedules.calendar.MOST_SCHEDULES", 3):
        assert "There are more schedules" in seen(visitor, address)


def test_of_a_day_the_first_are_read_and_all_are_counted(scenario: RunScenario, pipeline: Any) -> None:
    noon = datetime(2026, 10, 20, 12, tzinfo=UTC)
    made = [schedule(scenario, pipeline, f"s{number}") for number in range(9)]
    ticks = [
        Tick(schedule=each, due_at=noon + timedelta(minutes=place, days=day), fires_at=noon, status="skipped")
        for place, each in enumerate(reversed(made))
        for day in (0, 1)
    ]
    Tick.objects.bulk_create(
        [*ticks, Tick(schedule=made[8], due_at=noon + timedelta(hours=2), fires_at=noon, status="failed")]
    )
    found, _ = calendar.entries(scenario.workspace, MONDAY, 7, LISBON, most=2)
    tuesday, wednesday = (found[MONDAY + timedelta(days=n)] for n in (1, 2))
    assert [(each.name, each.count, each.state) for each in tuesday.entries] == [
        ("s8", 2, "Failed"),
        ("s7", 1, "Skipped"),
    ]
    assert [each.name for each in wednesday.entries] == ["s8", "s7"] and tuesday.count == wednesday.count == 9


def test_its_page_shows_a_week_and_a_month_and_one_schedule(
    scenario: RunScenario, visitor: Client, pipeline: Any
) -> None:
    assert "Nothing was due" in seen(visitor, "schedules/calendar/") and "<viewer-zone" in seen(
        visitor, "schedules/calendar/"
    )
    made = schedule(scenario, pipeline, "<night>")
    tick(made, datetime(2026, 10, 19, 23, 30, tzinfo=UTC), "failed")
    tick(made, datetime(2026, 10, 20, 22, 59, tzinfo=UTC), "skipped")
    other = schedule(scenario, pipeline, "other")
    shown = seen(visitor, "schedules/calendar/?at=2026-10-21&zone=Europe/Lisbon")
    assert "19 Oct 2026 – 25 Oct 2026 · Europe/Lisbon" in shown and "<viewer-zone" not in shown
    assert "1 failed, 1 skipped" in shown and "00:30" in shown and 'datetime="2026-10-19"' in shown
    month = seen(visitor, "schedules/calendar/?view=month&at=2026-10-21&zone=W. Europe Standard Time")
    assert "1 Oct 2026 – 31 Oct 2026 · Europe/Berlin" in month and month.count('role="gridcell"') == 35
    assert month.count('role="row"') == 5 and month.count('tabindex="0"') == 1, "one stop of Tab"
    assert 'datetime="2026-09-28"' in month and "at=2026-11-01" in month and "at=2026-09-30" in month
    assert "Nothing was due" in seen(visitor, f"schedules/calendar/?at=2026-10-21&schedule={other.pk}")
    for odd in (
        "at=x",
        "at=0001-01-01",
        "at=9999-12-31&view=month",
        "zone=%C3%A9",
        "view=year",
        "zone=Mars&at=2026-02-30",
    ):
        seen(visitor, f"schedules/calendar/?{odd}")
    assert visitor.get(f"/w/lab/schedules/calendar/?schedule={uuid7()}").status_code == 404
