"""From due times to runs: once for each, by the policies, whoever dies on the way."""

from __future__ import annotations

import re
import threading
from collections import Counter
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from compute.models import Host
from core import duties, slices
from core.clock import now
from core.errors import StudioBusy
from core.models import Event
from datasets.models import DatasetVersion, Datastore
from pipelines.services import endpoints
from runs.models import Attempt, Run
from runs.services.maintenance import lease_expiry
from runs.services.orchestration import progress, run_transaction
from runs.services.submission import publish
from schedules import stored_messages
from schedules.models import Schedule, Tick
from schedules.services import backfills, firing, ticks
from schedules.services.schedules import change, create
from tests.runs.conftest import RunScenario
from tests.runs.test_conda import ENVIRONMENT
from workspaces.models import Member, Role, Workspace

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
MINUTELY = {"frequency": "Minute", "interval": 1}


@pytest.fixture
def pipeline(scenario: RunScenario) -> Any:
    graph = scenario.graph("train", parameters=[{"name": "epochs", "type": "int", "default": 3}])
    return publish.publish_graph(scenario.context, graph, name="Nightly")


def scheduled(scenario: RunScenario, pipeline: Any, **asked: Any) -> Schedule:
    return create(scenario.context, {"name": "often", "pipeline": pipeline.pk, "timetable": MINUTELY, **asked})


def put_back(schedule: Schedule, **ago: float) -> None:
    """As if the schedule had been due so long ago, or now, for the first time, and nobody had looked since."""
    at = now() - timedelta(**ago)
    Schedule.objects.filter(pk=schedule.pk).update(next_at=at, created_at=at)
    schedule.refresh_from_db()


def look(schedule: Schedule) -> None:
    """One look of the ticker, of the threads that it starts, and of the worker that it wakes."""
    firing.check_due()
    looked_at()
    firing.fire_all()


def looked_at() -> None:
    """Wait for the looks at datastores that are under way."""
    for thread in threading.enumerate():
        if thread.name.startswith("watch "):
            thread.join(30)


def statuses(schedule: Schedule) -> list[str]:
    return list(Tick.objects.filter(schedule=schedule).order_by("due_at").values_list("status", flat=True))


def end(run: Run, status: str = "Completed") -> None:
    Run.objects.filter(pk=run.pk).update(status=status)


def test_what_is_due_runs_once_with_its_parameters(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline, parameters={"epochs": 9}, experiment_name="by schedule")
    for _ in range(3):
        look(made)
    tick = Tick.objects.get()
    run = Run.objects.get(parent=None)
    assert (tick.status, tick.run_id) == ("fired", run.pk)
    assert (run.parameters, run.experiment.name, run.submitted_by) == ({"epochs": 9}, "by schedule", scenario.owner)
    assert run.trigger == {"kind": "schedule", "name": "often"} and run.published_pipeline_id == pipeline.pk
    made.refresh_from_db()
    assert made.run_count == 1 and made.next_at == tick.due_at + timedelta(minutes=1)
    assert (1, firing.check_due) in duties.registered()


def test_an_endpoint_runs_the_version_that_is_the_default_at_the_time(scenario: RunScenario, pipeline: Any) -> None:
    endpoint = endpoints.create(scenario.context, "scoring", pipeline)
    made = create(scenario.context, {"name": "often", "endpoint": endpoint.pk, "timetable": MINUTELY})
    newer = publish.publish_graph(scenario.context, scenario.graph("train"), name="Nightly", version="2")
    endpoints.add(scenario.context, endpoint, newer, is_default=True)
    look(made)
    run = Run.objects.get(parent=None)
    assert run.published_pipeline_id == newer.pk and run.by_endpoint.version.version == 1
    assert run.trigger["kind"] == "schedule"


@pytest.mark.parametrize(("catch_up", "fired", "skipped"), [(0, 1, 1), (1, 2, 1), (3, 4, 1), (None, 11, 0)])
def test_what_was_missed_is_made_up_for_as_far_as_is_said(
    scenario: RunScenario, pipeline: Any, catch_up: int | None, fired: int, skipped: int
) -> None:
    made = scheduled(scenario, pipeline, catch_up=catch_up)
    put_back(made, minutes=10, seconds=5)
    for _ in range(3):
        look(made)
    assert statuses(made).count("fired") == fired and statuses(made).count("skipped") == skipped
    if skipped:
        why = Tick.objects.filter(status="skipped").latest("due_at").reason
        assert "ticks before it" in stored_messages.localized(why) and why["facts"]["count"] == 11 - fired - 1
    made.refresh_from_db()
    assert made.next_at is not None and timedelta() < made.next_at - now() <= timedelta(minutes=1)


@pytest.mark.parametrize("catch_up", [1, None])
def test_a_studio_that_was_away_for_years_makes_up_for_the_newest(
    scenario: RunScenario, pipeline: Any, catch_up: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks, "MOST_MISSED", 10)
    made = scheduled(scenario, pipeline, catch_up=catch_up)
    put_back(made, days=900, seconds=5)
    firing.check_due()
    made.refresh_from_db()
    assert made.next_at is not None and made.next_at > now()
    made_of = list(Tick.objects.order_by("due_at"))
    assert [each.status for each in made_of] == ["skipped", *["due"] * ((catch_up or 10) + 1)]
    assert made_of[-1].due_at == made.next_at - timedelta(minutes=1) == made_of[-2].due_at + timedelta(minutes=1)
    assert "at more than 10 ticks" in stored_messages.localized(made_of[0].reason)


def test_what_was_due_before_the_end_is_not_lost_behind_it(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    put_back(made, days=9)
    Schedule.objects.update(end_at=now() - timedelta(days=8, hours=23))
    firing.check_due()
    made.refresh_from_db()
    assert made.next_at is None and statuses(made) == ["skipped", "due"]
    assert Tick.objects.latest("due_at").due_at <= made.end_at  # type: ignore[operator]


def test_a_change_forgets_nothing_that_was_due(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    put_back(made)
    change(scenario.context, made, {"timetable": {"frequency": "Day", "interval": 1}})
    look(made)
    made.refresh_from_db()
    assert statuses(made) == ["fired"] and made.next_at is not None and made.next_at > now() + timedelta(hours=23)
    put_back(made)
    change(scenario.context, made, {"status": "Disabled"})
    look(made)
    assert statuses(made) == ["fired", "skipped"]


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("allow", ["fired", "fired", "fired"]),
        ("skip", ["fired", "skipped", "skipped"]),
        ("queue_one", ["fired", "queued", "skipped"]),
        ("queue_all", ["fired", "queued", "due"]),
    ],
)
def test_while_a_run_is_under_way(scenario: RunScenario, pipeline: Any, overlap: str, expected: list[str]) -> None:
    made = scheduled(scenario, pipeline, overlap=overlap)
    look(made)
    first = Run.objects.get(parent=None)
    for _ in range(2):
        put_back(made)
        look(made)
    assert statuses(made) == expected
    if overlap == "skip":
        assert f"Run #{first.number} of the schedule" in stored_messages.localized(
            Tick.objects.filter(status="skipped")[0].reason
        )
    end(first)
    look(made)
    waiting = expected.count("queued") + expected.count("due")
    assert statuses(made).count("fired") == (3 if overlap == "allow" else 1 + bool(waiting))
    if overlap == "queue_all":
        end(Tick.objects.filter(run__isnull=False).latest("due_at").run)  # type: ignore[arg-type]
        look(made)
        assert statuses(made) == ["fired", "fired", "fired"]


def test_one_that_waits_is_woken_when_the_run_has_ended(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline, overlap="queue_all")
    look(made)
    put_back(made)
    look(made)
    assert statuses(made) == ["fired", "queued"] and firing._ready(now()) == []
    end(Run.objects.get(parent=None))
    assert firing._ready(now()) == [made.pk], "at once, not when the claim is over"


def test_a_run_that_is_deleted_leaves_its_tick(scenario: RunScenario, pipeline: Any) -> None:
    endpoint = endpoints.create(scenario.context, "scoring", pipeline)
    made = create(scenario.context, {"name": "often", "endpoint": endpoint.pk, "timetable": MINUTELY})
    look(made)
    Run.objects.update(status="Completed")
    run = Run.objects.get(parent=None)
    assert scenario.client.delete(f"{scenario.base}runs/{run.pk}/").status_code == 204
    assert Run.objects.count() == 0
    tick = scenario.get(f"schedules/{made.pk}/ticks/").json()["items"][0]
    assert (tick["status"], tick["run_id"]) == ("fired", None)
    look(made)
    assert statuses(made) == ["fired"]


def test_the_newest_takes_the_place_of_the_run_that_is_under_way(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline, overlap="cancel")
    look(made)
    first = Run.objects.get(parent=None)
    step = scenario.step(first, "train")
    Run.objects.filter(root=first).update(status="Running")
    Attempt.objects.filter(run=step).update(status="running", host=scenario.host)
    for _ in range(2):
        put_back(made)
        look(made)
    assert statuses(made) == ["fired", "skipped", "queued"]
    first.refresh_from_db()
    assert first.status == "CancelRequested" and "the schedule 'often'" in first.cancel_requested_by
    end(first, "Canceled")
    look(made)
    assert statuses(made) == ["fired", "skipped", "fired"]


def test_two_workers_fire_a_tick_once(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    firing.check_due()
    tick = Tick.objects.select_related("schedule__workspace", "schedule__created_by").get()
    found: list[Run] = []

    def work() -> None:
        try:
            found.append(firing.start(scenario.context, tick))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert Run.objects.filter(parent=None).count() == 1
    assert {run.pk for run in found} == {Run.objects.get(parent=None).pk}
    made.refresh_from_db()
    assert made.run_count == 1


def test_one_that_died_before_the_run_was_there_is_followed(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    firing.check_due()
    Tick.objects.update(claimed_at=now() - timedelta(seconds=30))
    firing.fire([made.pk])
    assert statuses(made) == ["due"], "whoever has it may still be at it"
    Tick.objects.update(claimed_at=now() - firing.CLAIM - timedelta(seconds=1))
    firing.fire([made.pk])
    assert statuses(made) == ["fired"]


def test_what_cannot_run_says_why_and_the_next_is_tried(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    scenario.cluster.delete()
    look(made)
    tick = Tick.objects.get()
    assert tick.status == "failed" and "compute target 'cpu'" in stored_messages.localized(tick.reason)
    made.refresh_from_db()
    assert made.status == "Active" and made.next_at is not None


def test_a_fault_is_tried_again_later_then_said_and_holds_up_nothing(
    scenario: RunScenario, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scheduled(scenario, pipeline)
    put_back(made, seconds=5)
    firing.check_due()
    bad = Tick.objects.get()
    start = firing.start

    def broken(context: Any, tick: Tick) -> Run:
        if tick.pk == bad.pk:
            raise ZeroDivisionError("no\0pe")
        return start(context, tick)

    monkeypatch.setattr(firing, "start", broken)
    pauses = []
    for number in range(firing.MOST_TRIES):
        Tick.objects.filter(pk=bad.pk).update(fires_at=now())
        if number == 1:
            put_back(made)  # a later tick of the same schedule
        look(made)
        bad.refresh_from_db()
        pauses.append(round((bad.fires_at - now()).total_seconds(), -1))
        if number == 1:
            assert statuses(made) == ["due", "fired"], "the later one goes on"
    assert pauses[:4] == [10, 30, 90, 270] and firing._ready(now()) == []
    assert bad.status == "failed" and "after 5 tries: ZeroDivisionError: no\ufffdpe" in stored_messages.localized(
        bad.reason
    )


def test_a_busy_studio_is_no_fault_of_a_tick(
    scenario: RunScenario, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scheduled(scenario, pipeline)
    firing.check_due()
    with monkeypatch.context() as patch:
        for error in (StudioBusy("busy"), OperationalError("away")) * 4:
            patch.setattr(firing, "start", Mock(side_effect=error))
            Tick.objects.update(fires_at=now())
            firing.fire_all()
            tick = Tick.objects.get()
            assert (tick.status, tick.tries, tick.claimed_at) == ("due", 0, None) and tick.fires_at > now()
    Tick.objects.update(fires_at=now())
    firing.fire_all()
    assert statuses(made) == ["fired"]


def test_a_tick_that_ends_the_studio_each_time_is_given_up(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    firing.check_due()
    for _ in range(firing.MOST_TRIES):
        assert firing._claim([made.pk])
        Tick.objects.update(claimed_at=now() - firing.CLAIM - timedelta(seconds=1))
    firing.fire_all()
    tick = Tick.objects.get()
    assert tick.status == "failed" and "ended 5 times" in stored_messages.localized(tick.reason)


def test_a_claim_of_a_time_to_come_is_void(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    firing.check_due()
    Tick.objects.update(claimed_at=now() + timedelta(hours=1))  # then clocks went back, and its worker died
    firing.fire_all()
    assert statuses(made) == ["fired"]


def test_who_made_it_answers_for_it(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    Member.objects.filter(user=scenario.owner).update(role=Role.READER)
    look(made)
    made.refresh_from_db()
    assert statuses(made) == ["failed"] and made.status == "Disabled" and "Nobody answers" in made.pause_reason
    with translation.override("pt"):
        assert "Nobody" not in made.localized_pause_reason and made.localized_pause_reason != ""
    Member.objects.filter(user=scenario.owner).update(role=Role.OWNER)
    assert change(scenario.context, made, {"status": "Active"}).pause_reason == ""


def test_an_end_and_a_most_are_kept(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline, max_runs=1)
    look(made)
    made.refresh_from_db()
    assert made.status == "Disabled" and made.next_at is None, "at once"
    put_back(made)
    look(made)
    assert statuses(made) == ["fired", "skipped"]
    made.refresh_from_db()
    assert made.status == "Disabled" and "as many runs as it may: 1" in made.pause_reason
    ended = scheduled(scenario, pipeline, end_at=now() + timedelta(seconds=30))
    look(ended)
    ended.refresh_from_db()
    assert ended.next_at is None and statuses(ended) == ["fired"]


def test_ticks_of_long_ago_are_forgotten_and_their_runs_stay(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    look(made)
    put_back(made)
    look(made)
    old = Tick.objects.earliest("due_at")
    Tick.objects.filter(pk=old.pk).update(settled_at=now() - firing.KEPT - timedelta(seconds=1))
    firing.prune()
    assert list(Tick.objects.all()) == [Tick.objects.exclude(pk=old.pk).get()]
    assert Run.objects.filter(pk=old.run_id).exists()


def test_jitter_puts_a_tick_off(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline, jitter=3600)
    look(made)
    tick = Tick.objects.get()
    assert tick.status == "due" and tick.due_at < tick.fires_at <= tick.due_at + timedelta(hours=1)
    Tick.objects.update(fires_at=now())
    look(made)
    assert statuses(made) == ["fired"]


def test_a_disabled_schedule_is_not_due(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    firing.check_due()
    change(scenario.context, made, {"status": "Disabled"})
    firing.fire([made.pk])
    assert statuses(made) == ["skipped"] and Run.objects.count() == 0
    firing.check_due()
    assert Tick.objects.count() == 1


def due_together(scenario: RunScenario, pipeline: Any, count: int, **asked: Any) -> list[Schedule]:
    """Schedules whose ticks are written, and not fired."""
    asked = {"experiment_name": "nightly", **asked}
    made = [scheduled(scenario, pipeline, name=f"s{number}", **asked) for number in range(count)]
    at = now() - timedelta(seconds=1)
    Schedule.objects.filter(pk__in=[each.pk for each in made]).update(next_at=at, created_at=at)
    firing.check_due()
    return made


def test_runs_that_are_due_together_exist_before_the_first_is_placed(
    scenario: RunScenario, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    due_together(scenario, pipeline, 4)
    monkeypatch.setattr(firing, "CLAIMED_AT_ONCE", 2)
    rounds = []

    def count() -> None:
        rounds.append((Run.objects.filter(parent=None).count(), Attempt.objects.count()))

    run_transaction.placement_needed.register(count)
    try:
        with monkeypatch.context() as broken:
            # One that cannot go on keeps no other from it; the ticker finds it.
            doomed = []
            carried = progress.advance_some

            def carry(root_id: Any) -> None:
                if not doomed:
                    doomed.append(root_id)
                    raise OperationalError("away")
                carried(root_id)

            broken.setattr(progress, "advance_some", carry)
            firing.fire_all()
    finally:
        run_transaction.placement_needed.unregister(count)
    assert rounds == [(4, 3)]
    assert set(Tick.objects.values_list("status", flat=True)) == {"fired"}
    run = Run.objects.get(pk=doomed[0])
    assert run.status == "NotStarted"
    Run.objects.update(created_at=now() - lease_expiry.QUIET - timedelta(seconds=1))
    assert lease_expiry.silent_runs() == [], "it may be waiting for its turn"
    Run.objects.update(created_at=now() - lease_expiry.TURN - timedelta(seconds=1))
    assert lease_expiry.silent_runs() == [run]
    progress.advance_some(run.pk)
    assert Attempt.objects.count() == 4


def test_steps_wait_for_ticks_that_are_due_for_so_long(
    scenario: RunScenario, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    due_together(scenario, pipeline, 4)
    monkeypatch.setattr(firing, "CLAIMED_AT_ONCE", 1)
    monkeypatch.setattr(firing, "PATIENCE_S", -1.0)
    seen = []
    carry = progress.advance_some

    def look_on(root_id: Any) -> None:
        seen.append(Run.objects.filter(parent=None).count())
        carry(root_id)

    monkeypatch.setattr(progress, "advance_some", look_on)
    firing.fire_all()
    assert seen == [1, 2, 3, 4] and Attempt.objects.count() == 4


def test_those_that_ask_for_the_same_are_fired_together(scenario: RunScenario, pipeline: Any) -> None:
    others = {"parameters": {"epochs": 7}}
    made = [*due_together(scenario, pipeline, 3), *due_together(scenario, pipeline, 2, **others)]
    most = scheduled(scenario, pipeline, name="most", experiment_name="nightly", max_runs=1)
    put_back(most, seconds=1)
    firing.check_due()
    with CaptureQueriesContext(connection) as asked:
        firing.fire([each.pk for each in (*made, most)])
    assert statuses_of(Tick.objects.all()) == {"fired": 6}
    assert sum('INSERT INTO "runs_steprun"' in each["sql"] for each in asked) == 2, "one has a most of its own"
    for tick in Tick.objects.select_related("run", "schedule"):
        run = tick.run
        assert run is not None and run.trigger == {"kind": "schedule", "name": tick.schedule.name}
        assert run.parameters == {"epochs": tick.schedule.parameters.get("epochs", 3)}
        assert (run.root_id, run.children.count(), run.submitted_by) == (run.pk, 1, scenario.owner)
    roots = Run.objects.filter(parent=None)
    assert sorted(roots.values_list("number", flat=True)) == list(range(1, 7))
    assert {str(key) for key in roots.values_list("pk", flat=True)} == {
        topic.removeprefix("run:") for topic in Event.objects.filter(version=1).values_list("topic", flat=True)
    }
    assert set(Schedule.objects.values_list("run_count", flat=True)) == {1}
    most.refresh_from_db()
    assert most.status == "Disabled"


def statuses_of(rows: Any) -> dict[str, int]:
    return dict(Counter(rows.values_list("status", flat=True)))


def test_a_group_costs_the_same_statements_however_many_it_has(scenario: RunScenario, pipeline: Any) -> None:
    submitted: list[Any] = []
    counts = []
    for size in (1, 2, 12):  # the first makes the experiment
        Schedule.objects.all().delete()
        made = due_together(scenario, pipeline, size)
        with progress.advancing_later(submitted), CaptureQueriesContext(connection) as asked:
            firing.fire([each.pk for each in made])
        counts.append(len(asked))
    assert counts[1] == counts[2] and len(submitted) == 15


def test_of_a_group_that_another_has_begun_each_fires_once(scenario: RunScenario, pipeline: Any) -> None:
    """Of two workers that fire the same ticks, the second is refused by the first row that is fired, and fires the others alone."""
    made = due_together(scenario, pipeline, 3)
    mine = firing._claim([each.pk for each in made])
    firing.start(scenario.context, Tick.objects.select_related("schedule__workspace").get(pk=mine[1].pk))
    left = firing._fire_together(mine)
    assert left == set(mine) and statuses_of(Tick.objects.all()) == {"fired": 1, "due": 2}
    assert [firing._fire_safely(tick) for tick in mine] == [True, True, True]
    assert statuses_of(Tick.objects.all()) == {"fired": 3}
    assert Run.objects.filter(parent=None).count() == 3 == len(set(Tick.objects.values_list("run", flat=True)))
    assert set(Schedule.objects.values_list("run_count", flat=True)) == {1}


def test_a_group_that_is_refused_says_so_for_each(scenario: RunScenario, pipeline: Any) -> None:
    made = due_together(scenario, pipeline, 3)
    scenario.cluster.delete()
    firing.fire_all()
    assert statuses_of(Tick.objects.all()) == {"failed": 3} and not Run.objects.exists()
    assert all("compute target 'cpu'" in stored_messages.localized(tick.reason) for tick in Tick.objects.all())
    assert set(Schedule.objects.values_list("status", "run_count")) == {("Active", 0)} and len(made) == 3


def test_a_large_graph_is_submitted_in_slices_and_a_group_of_an_endpoint_says_its_version(
    scenario: RunScenario, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = endpoints.create(scenario.context, "scoring", pipeline)
    for number in range(3):
        create(
            scenario.context,
            {"name": f"e{number}", "endpoint": endpoint.pk, "timetable": MINUTELY, "experiment_name": "nightly"},
        )
    firing.check_due()
    monkeypatch.setattr(slices, "SLICE", 2)
    firing.fire_all()
    assert statuses_of(Tick.objects.all()) == {"fired": 3}
    runs = list(Run.objects.filter(parent=None).order_by("number"))
    assert [(run.number, run.by_endpoint.version.version) for run in runs] == [(1, 0), (2, 0), (3, 0)]


def test_schedules_that_are_due_together_are_advanced_together(
    scenario: RunScenario, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [scheduled(scenario, pipeline, name=f"s{number}", catch_up=None) for number in range(3)]
    Schedule.objects.filter(pk=made[1].pk).update(timetable={"frequency": "Never"})
    for each in made:
        put_back(each, minutes=10, seconds=5)
    monkeypatch.setattr(slices, "SLICE", 5)  # rows of one transaction: each of them has eleven
    firing.check_due()
    assert [len(statuses(each)) for each in made] == [11, 0, 11], (
        "one that cannot be read keeps no other from being due"
    )
    assert [bool(each.next_at and each.next_at > now()) for each in Schedule.objects.order_by("pk")] == [
        True,
        False,
        True,
    ]


def test_a_look_costs_the_same_however_many_schedules_there_are(scenario: RunScenario, pipeline: Any) -> None:
    later = now() + timedelta(hours=1)
    made = [
        Schedule(workspace=scenario.workspace, name=f"s{n}", pipeline=pipeline, timetable=MINUTELY, next_at=later)
        for n in range(300)
    ]
    with CaptureQueriesContext(connection) as few:
        firing.check_due()
    Schedule.objects.bulk_create(made)
    with CaptureQueriesContext(connection) as many:
        firing.check_due()
    assert len(many) == len(few) <= 4


def test_a_year_of_ticks_is_not_read_each_second(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    began = now() - timedelta(days=30)
    times = [began + timedelta(minutes=number) for number in range(5000)]
    Tick.objects.bulk_create(
        Tick(schedule=made, due_at=at, fires_at=at, settled_at=at, status="skipped") for at in times
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE schedules_tick")
    with CaptureQueriesContext(connection) as asked:
        firing.check_due()
        firing.fire([made.pk])
    asks = [
        each["sql"] for each in asked if each["sql"].startswith("SELECT") and 'FROM "schedules_tick"' in each["sql"]
    ]
    asks = [sql for sql in asks if not re.search('"schedules_tick"."id" (=|IN)', sql)]
    assert len(asks) >= 2
    with connection.cursor() as cursor:
        for sql in asks:
            cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
            plan = " ".join(str(row[-1]) for row in cursor.fetchall())
            assert "ticks_open" in plan, (plan, sql)


def test_schedules_of_an_archived_workspace_rest(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    waiting = scheduled(scenario, pipeline, timetable={**MINUTELY, "start_time": "2099-01-01T00:00:00"})
    Tick.objects.create(schedule=waiting, due_at=now(), fires_at=now())
    later = {**MINUTELY, "interval": 1000, "start_time": "2099-01-01T00:00:00"}
    backfilled = scheduled(scenario, pipeline, timetable=later)
    backfills.create(scenario.context, backfilled, now() - timedelta(minutes=1000), now())
    Workspace.objects.filter(pk=scenario.workspace.pk).update(archived_at=now())
    put_back(made, minutes=10)
    look(made)
    assert statuses(made) == [] and statuses(waiting) == ["due"] and statuses(backfilled) == ["held"]
    # One that was claimed before stays due, and no rule tells of it.
    firing.fire([waiting.pk])
    assert statuses(waiting) == ["due"] and Run.objects.count() == 0
    Workspace.objects.filter(pk=scenario.workspace.pk).update(archived_at=None)
    Tick.objects.filter(schedule=waiting).update(fires_at=now())
    look(made)
    look(made)
    assert statuses(made) == ["skipped", "fired", "fired"], "as after a time in which the studio was away"
    assert statuses(waiting) == ["fired"] and statuses(backfilled) == ["fired"]


def test_why_one_was_refused_is_said_in_the_language_of_whoever_reads(scenario: RunScenario, pipeline: Any) -> None:
    endpoint = endpoints.create(scenario.context, "live", pipeline)
    many = [
        scheduled(scenario, pipeline),
        create(scenario.context, {"name": "by endpoint", "endpoint": endpoint.pk, "timetable": MINUTELY}),
    ]
    said: dict[str, str] = {}

    def refuse(made: Schedule) -> None:
        Tick.objects.all().delete()
        put_back(made, seconds=1)
        with translation.override("pt-pt"):  # whoever fires it: what is kept is in the language of the code
            look(made)
        reason = Tick.objects.get(schedule=made).reason
        with translation.override("pt-pt"):
            said[reason["text"]] = stored_messages.localized(reason)
        assert reason["text"] == stored_messages.localized(reason)

    for status in ("Disabled", "Archived"):
        type(endpoint).objects.update(status=status)
        refuse(many[1])
    type(pipeline).objects.update(status="Disabled")
    refuse(many[0])
    assert len(said) == 3 and all(english != portuguese for english, portuguese in said.items()), said
    assert said["The pipeline 'Nightly' is disabled. Enable it on its page first."].startswith("O pipeline")
    # What is wrong with the graph by now, each problem on a line of its own.
    type(pipeline).objects.update(status="Active")
    scenario.cluster.delete()
    refuse(many[0])
    assert any("destino de computação" in portuguese for portuguese in said.values()), said
    Schedule.objects.filter(pk=many[0].pk).update(parameters={"speed": 1})
    refuse(many[0])
    assert len(said) == 5 and all(english != portuguese for english, portuguese in said.items()), said
    odd = {"text": "of another release", "code": "disabled", "facts": {"pipeline": "x"}}
    assert (
        stored_messages.localized(odd)
        == stored_messages.localized({"text": "of another release"})
        == "of another release"
    )


def test_what_no_code_tells_is_kept_as_it_is_said_in_each_language(scenario: RunScenario) -> None:
    """Refusals of the checks before a run: of hosts, of what data are read, of where outputs go."""
    source = {"name": "given", "from": {"datastore": "workspaceblobstore", "path": "raw"}, "mode": "mount"}
    kept = {"name": "kept", "datastore": "workspaceblobstore", "destination": "kept", "mode": "upload"}
    graphs = {
        "Only conda has gdal": {"environment": ENVIRONMENT},
        "is only read": {"outputs": [kept]},
        "still being fetched": {"inputs": [source]},
    }
    version = DatasetVersion.objects.create(
        workspace=scenario.workspace, kind="file", definition={"sources": []}, digest="d", status="ready"
    )
    said: dict[str, str] = {}
    for english, step in graphs.items():
        if "inputs" in step:
            step = {"inputs": [{**source, "from": {"dataset": str(version.pk)}}]}
        pipeline = publish.publish_graph(scenario.context, scenario.graph("train", **step), name=english)
        Host.objects.update(facts={"conda": "m"}, launcher="docker")
        made = scheduled(scenario, pipeline)
        Host.objects.update(facts={}, launcher="process")
        if english == "is only read":
            Datastore.objects.filter(name="workspaceblobstore").update(kind="http", options={"url": "https://a.test/"})
        DatasetVersion.objects.update(status="fetching")
        put_back(made, seconds=1)
        look(made)
        reason = Tick.objects.get(schedule=made).reason
        assert english in stored_messages.localized(reason), reason
        with translation.override("pt-pt"):
            said[english] = stored_messages.localized(reason)
        assert said[english] != reason["text"], reason
        Datastore.objects.filter(name="workspaceblobstore").update(kind="local", options={})
    assert said["Only conda has gdal"].startswith("Passo 'train': Só o conda"), said
    assert Run.objects.count() == 0, "it was asked, and nothing was started"
