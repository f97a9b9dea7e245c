"""Backfills: a plan first, each time once, so many at once, and the rest can be canceled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from core.clock import iso, now
from core.ids import uuid7
from duto import Schedule, Workspace
from duto.exceptions import ConflictException, UserErrorException
from runs.models import Run
from runs.services.submission import publish
from schedules.models import Backfill, Tick
from schedules.models import Schedule as Row
from schedules.services import backfills, firing
from schedules.services.schedules import create
from tests.runs.conftest import RunScenario
from tests.schedules.test_firing import end, look, scheduled
from tests.schedules.test_schedules import seen, visitor, ws
from workspaces.models import AuditEntry, Member, Role

__all__ = ["visitor", "ws"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
DAILY = {"frequency": "Day", "interval": 1, "time_of_day": "02:30", "time_zone": "Europe/Lisbon", "start_time": "2030-01-01T00:00:00"}  # fmt: skip
MONDAY = datetime(2026, 3, 23, tzinfo=UTC)
WEEK = {"start": "2026-03-23T00:00:00Z", "end": "2026-03-29T23:00:00Z"}


@pytest.fixture
def pipeline(scenario: RunScenario) -> Any:
    graph = scenario.graph("train", parameters=[{"name": "when", "type": "string", "default": ""}])
    return publish.publish_graph(scenario.context, graph, name="Nightly")


@pytest.fixture
def daily(scenario: RunScenario, pipeline: Any) -> Row:
    return create(
        scenario.context,
        {
            "name": "nightly",
            "pipeline": pipeline.pk,
            "timetable": DAILY,
            "values": {"when": "due_at"},
            "overlap": "skip",
        },
    )


def states(schedule: Row) -> list[str]:
    return list(Tick.objects.filter(schedule=schedule).order_by("due_at").values_list("status", flat=True))


def end_all() -> None:
    for run in Run.objects.filter(parent=None).exclude(status__in=Run.ENDS):
        end(run)


def test_a_window_is_planned_then_run_so_many_at_once(scenario: RunScenario, daily: Row, visitor: Client) -> None:
    place = f"schedules/{daily.pk}/backfills/"
    at = datetime(2026, 3, 24, 2, 30, tzinfo=UTC)
    done = Tick.objects.create(schedule=daily, due_at=at, fires_at=at, status="fired", settled_at=now(), run=scenario.pipeline(status="Completed"))  # fmt: skip
    Tick.objects.create(schedule=daily, due_at=at + timedelta(days=1), fires_at=at, status="failed", settled_at=now())
    plan = scenario.post(f"{place}plan/", WEEK).json()
    assert plan["count"] == 6 and [each["is_made"] for each in plan["times"]] == [True, False, *[True] * 5]
    assert plan["times"][1] == {"due_at": iso(at), "is_made": False, "status": "fired", "run_id": str(done.run_id)}
    assert plan["times"][2]["status"] == "failed" and plan["times"][6]["due_at"] == "2026-03-29T01:30:00.000000Z", (
        "summer"
    )
    assert Tick.objects.count() == 2, "a plan writes nothing"
    made = scenario.post(place, {**WEEK, "parallel": 2})
    assert made.status_code == 201 and made.json()["counts"] == {"held": 6} and made.json()["status"] == "running"
    assert scenario.post(place, WEEK).json()["error"]["code"] == "nothing_to_run"
    key = made.json()["id"]
    for done_before in (0, 2, 4):
        for _ in range(2):
            look(daily)
        count = scenario.get(f"{place}{key}/").json()["counts"]
        assert (count["running"], count.get("completed", 0)) == (2, done_before)
        end_all()
    look(daily)
    shown = scenario.get(place).json()["items"]
    assert [(each["id"], each["status"], each["counts"]) for each in shown] == [(key, "completed", {"completed": 6})]
    given = Run.objects.filter(by_tick__backfill=key).order_by("id").values_list("parameters__when", flat=True)
    assert list(given) == [each["due_at"] for each in plan["times"] if each["is_made"]], "each with its time, in order"
    daily.refresh_from_db()
    assert daily.run_count == 0 and scenario.post(f"{place}plan/", WEEK).json()["count"] == 0
    page = seen(visitor, f"schedules/{daily.pk}/")
    assert "6 completed" in page and "2026-03-23 00:00" in page


def test_the_rest_is_canceled_and_what_runs_goes_on(scenario: RunScenario, daily: Row) -> None:
    made = scenario.post(f"schedules/{daily.pk}/backfills/", WEEK).json()
    look(daily)
    gone = scenario.post(f"schedules/{daily.pk}/backfills/{made['id']}/cancel/", {}).json()
    assert (gone["status"], gone["counts"]) == ("running", {"running": 1, "skipped": 6})
    end_all()
    look(daily)
    again = scenario.post(f"schedules/{daily.pk}/backfills/{made['id']}/cancel/", {}).json()
    assert (again["status"], again["counts"]) == ("canceled", {"completed": 1, "skipped": 6})
    assert scenario.post(f"schedules/{daily.pk}/backfills/", WEEK).json()["counts"] == {"held": 6}, (
        "they may be run later"
    )
    actions = AuditEntry.objects.filter(action__startswith="schedule.backfill").order_by("id")
    assert [each.action for each in actions] == [
        "schedule.backfilled",
        "schedule.backfill_canceled",
        "schedule.backfilled",
    ]


def test_a_backfill_and_the_schedules_own_times_do_not_stand_in_each_others_way(
    scenario: RunScenario, daily: Row
) -> None:
    scenario.post(f"schedules/{daily.pk}/backfills/", WEEK)
    look(daily)
    Row.objects.update(next_at=now(), overlap="queue_all")
    look(daily)
    assert Tick.objects.get(backfill=None).status == "fired", "the run of the backfill is none of its own"
    Row.objects.update(next_at=now() + timedelta(seconds=0.2), status="Active")
    Row.objects.update(next_at=now())
    look(daily)
    assert sorted(Tick.objects.filter(backfill=None).values_list("status", flat=True)) == ["fired", "queued"]
    end(Run.objects.get(by_tick__backfill__isnull=False))
    look(daily)
    assert Tick.objects.filter(backfill__isnull=False, status="fired").count() == 2, (
        "one that waits holds up no backfill"
    )
    Row.objects.update(status="Disabled", max_runs=1)
    end_all()
    look(daily)
    assert Tick.objects.filter(backfill__isnull=False, status="fired").count() == 3, "somebody has asked for it"


def test_who_asked_answers_for_it(scenario: RunScenario, daily: Row) -> None:
    ana = scenario.owner
    scenario.post(f"schedules/{daily.pk}/backfills/", {**WEEK, "parallel": 50})
    Member.objects.filter(user=ana).update(role=Role.READER)
    look(daily)
    daily.refresh_from_db()
    assert set(states(daily)) == {"failed"} and daily.status == "Active"


def test_what_cannot_be_a_backfill_says_why(scenario: RunScenario, pipeline: Any, daily: Row) -> None:
    place = f"schedules/{daily.pk}/backfills/"
    later = iso(now() + timedelta(days=1))
    for change, status, said in (
        ({"start": "soon"}, 400, "start"), ({"end": WEEK["start"], "start": WEEK["end"]}, 400, "to a later one"),
        ({"end": later}, 400, "has not come"), ({"start": "1969-01-01T00:00:00Z"}, 400, "after 1970"),
        ({"start": "2021-01-01T00:00:00Z"}, 400, "more than 1000"), ({"parallel": 0}, 400, "From 1 to 50"),
        ({"parallel": 51}, 400, "From 1 to 50"), ({"end": WEEK["start"]}, 400, "nothing to run"),
    ):  # fmt: skip
        answer = scenario.post(place, {**WEEK, **change})
        assert answer.status_code == status and said in answer.json()["error"]["message"], (change, answer.content)
    watch = {"datastore": "workspaceblobstore"}
    watching = scheduled(scenario, pipeline, watch=watch)
    for address in ("", "plan/"):
        refused = scenario.post(f"schedules/{watching.pk}/backfills/{address}", WEEK)
        assert refused.json()["error"]["code"] == "no_timetable"
    assert scenario.get(f"{place}{uuid7()}/").status_code == 404 and Backfill.objects.count() == 0
    reader = scenario.member("rui", Role.READER)
    assert reader.post(scenario.base + place, WEEK, "application/json").status_code == 403
    assert reader.post(f"{scenario.base}{place}plan/", WEEK, "application/json").status_code == 200


def test_nothing_is_begun_that_could_not_run(scenario: RunScenario, pipeline: Any, daily: Row) -> None:
    place = f"schedules/{daily.pk}/backfills/"
    scenario.patch(f"schedules/{daily.pk}/", {"status": "Disabled"})
    scenario.patch(f"pipelines/{pipeline.pk}/", {"status": "Disabled"})
    refused = scenario.post(place, WEEK)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "disabled")
    assert scenario.post(f"{place}plan/", WEEK).json()["count"] == 7 and Tick.objects.count() == 0
    scenario.patch(f"pipelines/{pipeline.pk}/", {"status": "Active"})
    assert scenario.post(place, WEEK).status_code == 201, "of one that is disabled itself"


def test_a_program_backfills(scenario: RunScenario, ws: Workspace, daily: Row) -> None:
    schedule = Schedule.get(ws, str(daily.pk))
    first, last = MONDAY, MONDAY + timedelta(days=2)
    plan = schedule.plan_backfill(first, last)
    assert [each["is_made"] for each in plan] == [True, True]
    made = schedule.backfill(first.isoformat(), last, parallel=2)
    assert (made.status, made.counts) == ("running", {"held": 2}) and made.id in repr(made)
    look(daily)
    end_all()
    assert (made.refresh().status, made.counts) == ("completed", {"completed": 2})
    with pytest.raises(UserErrorException, match="nothing to run"):
        schedule.backfill(first, last)
    other = schedule.backfill(first, MONDAY + timedelta(days=9))
    other.cancel()
    assert (other.status, [each.id for each in schedule.get_backfills()]) == ("canceled", [other.id, made.id])
    Row.objects.update(trigger={"model": "m"})
    with pytest.raises(ConflictException, match="something happens"):
        schedule.plan_backfill(first, last)


def test_its_page_plans_runs_and_cancels(scenario: RunScenario, visitor: Client, daily: Row) -> None:
    place = f"schedules/{daily.pk}/backfill/"
    assert "Show what would run" in seen(visitor, place)
    window = "start=2026-03-23T00:00&end=2026-03-30T00:00&parallel=3"
    shown = seen(visitor, f"{place}?{window}")
    assert "7 times would run" in shown and "2026-03-29 02:30:00 WEST" in shown and Tick.objects.count() == 0
    assert "more than 1000 times" in seen(visitor, f"{place}?{window.replace('2026-03-23', '2006-03-23')}")
    assert "errorlist" in seen(visitor, f"{place}?start=x&end=&parallel=0") or "field" in seen(visitor, place)
    body = dict(each.split("=") for each in window.split("&"))
    assert visitor.post(f"/w/lab/{place}", body)["Location"].endswith("#backfills-title")
    row = Backfill.objects.get()
    assert (row.start_at, row.end_at, row.parallel) == (MONDAY, datetime(2026, 3, 29, 23, tzinfo=UTC), 3)
    assert "7 wait" in seen(visitor, f"schedules/{daily.pk}/")
    visitor.post(f"/w/lab/{place}{row.pk}/cancel/")
    shown = seen(visitor, f"schedules/{daily.pk}/")
    assert "7 left out" in shown and "canceled before its turn" in shown


def test_a_backfill_that_is_over_is_forgotten_with_its_ticks(scenario: RunScenario, daily: Row) -> None:
    scenario.post(f"schedules/{daily.pk}/backfills/", WEEK)
    backfills.cancel(scenario.context, Backfill.objects.get())
    old = now() - firing.KEPT - timedelta(days=1)
    Backfill.objects.update(created_at=old)
    firing.prune()
    assert Backfill.objects.count() == 1
    Tick.objects.update(settled_at=old)
    firing.prune()
    assert (Backfill.objects.count(), Tick.objects.count()) == (0, 0)
