"""From due times to runs: once for each, by the policies, whoever dies on the way."""

from __future__ import annotations

import io
import os
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from core import duties
from core.clock import now
from core.storage import Root
from datasets.services.datastores import put_file
from datasets.stores import root_by_name
from pipelines.services import endpoints
from runs.models import Attempt, Run
from runs.services.submission import publish
from schedules import stored_messages
from schedules.models import Schedule, Tick
from schedules.services import firing
from schedules.services.schedules import change, create
from tests.runs.conftest import RunScenario
from workspaces.models import Member, Role

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
    """One look of the ticker, and of the worker that it wakes."""
    firing.look()
    firing.fire_all()


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
    assert (1, firing.look) in duties.registered()


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
        assert "ticks before it" in stored_messages.said(why) and why["facts"]["count"] == 11 - fired - 1
    made.refresh_from_db()
    assert made.next_at is not None and timedelta() < made.next_at - now() <= timedelta(minutes=1)


@pytest.mark.parametrize("catch_up", [1, None])
def test_a_studio_that_was_away_for_years_makes_up_for_the_newest(
    scenario: RunScenario, pipeline: Any, catch_up: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firing, "MOST_MISSED", 10)
    made = scheduled(scenario, pipeline, catch_up=catch_up)
    put_back(made, days=900, seconds=5)
    firing.look()
    made.refresh_from_db()
    assert made.next_at is not None and made.next_at > now()
    ticks = list(Tick.objects.order_by("due_at"))
    assert [each.status for each in ticks] == ["skipped", *["due"] * ((catch_up or 10) + 1)]
    assert ticks[-1].due_at == made.next_at - timedelta(minutes=1) == ticks[-2].due_at + timedelta(minutes=1)
    assert "at more than 10 ticks" in stored_messages.said(ticks[0].reason)


def test_what_was_due_before_the_end_is_not_lost_behind_it(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    put_back(made, days=9)
    Schedule.objects.update(end_at=now() - timedelta(days=8, hours=23))
    firing.look()
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
        assert f"Run #{first.number} of the schedule" in stored_messages.said(
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
    firing.look()
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
    firing.look()
    Tick.objects.update(claimed_at=now() - timedelta(seconds=30))
    firing.fire(made.pk)
    assert statuses(made) == ["due"], "whoever has it may still be at it"
    Tick.objects.update(claimed_at=now() - firing.CLAIM - timedelta(seconds=1))
    firing.fire(made.pk)
    assert statuses(made) == ["fired"]


def test_what_cannot_run_says_why_and_the_next_is_tried(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    scenario.cluster.delete()
    look(made)
    tick = Tick.objects.get()
    assert tick.status == "failed" and "compute target 'cpu'" in stored_messages.said(tick.reason)
    made.refresh_from_db()
    assert made.status == "Active" and made.next_at is not None


def test_who_made_it_answers_for_it(scenario: RunScenario, pipeline: Any) -> None:
    made = scheduled(scenario, pipeline)
    Member.objects.filter(user=scenario.owner).update(role=Role.READER)
    look(made)
    made.refresh_from_db()
    assert statuses(made) == ["failed"] and made.status == "Disabled" and "Nobody answers" in made.pause_reason
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
    firing.look()
    change(scenario.context, made, {"status": "Disabled"})
    firing.fire(made.pk)
    assert statuses(made) == ["skipped"] and Run.objects.count() == 0
    firing.look()
    assert Tick.objects.count() == 1


STORE = "workspaceblobstore"


class Folder:
    """Files of a datastore that a schedule watches."""

    def __init__(self, scenario: RunScenario, watch: dict[str, Any], **asked: Any) -> None:
        self.scenario = scenario
        parameters = [{"name": "place", "type": "data_path", "default": f"{STORE}/raw"}]
        pipeline = publish.publish_graph(scenario.context, scenario.graph("train", parameters=parameters), name="p")
        self.put("in/old.csv")
        self.schedule = scheduled(scenario, pipeline, watch={"datastore": STORE, "path": "in", **watch}, **asked)

    def put(self, path: str, text: str = "1") -> None:
        put_file(self.scenario.context, STORE, path, io.BytesIO(text.encode()), overwrite=True)

    def look(self) -> list[Any]:
        """What the runs that a look starts got as the place of what has changed."""
        known = set(Run.objects.values_list("pk", flat=True))
        Schedule.objects.filter(pk=self.schedule.pk).update(next_at=now())
        for _ in range(2):
            look(self.schedule)
        made = Run.objects.filter(parent=None).exclude(pk__in=known).order_by("id")
        return [(run.parameters.get("place") or {}).get("path") for run in made]


def test_files_that_come_or_change_start_one_run_for_each_state(scenario: RunScenario, pipeline: Any) -> None:
    folder = Folder(scenario, {"parameter": "place", "each_file": True})
    assert folder.look() == [], "what was there before is known"
    folder.put("in/a.csv")
    folder.put("in/deep/ö b.csv")
    folder.put("beside/c.csv")
    assert folder.look() == ["in/a.csv", "in/deep/ö b.csv"] and folder.look() == []
    folder.put("in/a.csv", "22")
    assert folder.look() == ["in/a.csv"] and folder.look() == []
    root_by_name(scenario.workspace, STORE).remove("in/a.csv")
    assert folder.look() == []
    folder.put("in/a.csv", "22")
    assert folder.look() == ["in/a.csv"], "it has come again"


def test_all_that_a_look_finds_is_one_run_where_not_each_file_is_asked_for(
    scenario: RunScenario, pipeline: Any
) -> None:
    folder = Folder(scenario, {"parameter": "place"})
    for name in "abc":
        folder.put(f"in/{name}.csv")
    assert folder.look() == ["in"] and folder.look() == []


def test_a_file_that_is_still_written_is_waited_for(scenario: RunScenario, pipeline: Any) -> None:
    folder = Folder(scenario, {"parameter": "place", "each_file": True, "settle": 60})
    folder.put("in/a.csv")
    assert folder.look() == []
    place = root_by_name(scenario.workspace, STORE).place("in/a.csv")
    assert place is not None
    os.utime(place, (time.time() - 61, time.time() - 61))
    assert folder.look() == ["in/a.csv"] and folder.look() == []


def test_a_file_of_a_day_to_come_is_not_waited_for(scenario: RunScenario, pipeline: Any) -> None:
    for settle in (0, 60):
        folder = Folder(scenario, {"parameter": "place", "each_file": True, "settle": settle})
        name = f"in/{settle}.csv"
        folder.put(name)
        place = root_by_name(scenario.workspace, STORE).place(name)
        assert place is not None
        os.utime(place, (time.time() + 1e7, time.time() + 1e7))
        assert folder.look() == [name] and folder.look() == []


def test_what_came_before_a_change_of_the_schedule_is_still_told(scenario: RunScenario, pipeline: Any) -> None:
    folder = Folder(scenario, {"parameter": "place", "each_file": True})
    folder.put("in/a.csv")
    watch = {"datastore": STORE, "path": "in", "parameter": "place", "each_file": True, "settle": 0}
    change(scenario.context, folder.schedule, {"description": "as the form sends it", "watch": watch})
    assert folder.look() == ["in/a.csv"]
    folder.put("beside/old.csv")
    change(scenario.context, folder.schedule, {"watch": {**watch, "path": "beside"}})
    folder.put("beside/b.csv")
    assert folder.look() == ["beside/b.csv"]


def test_odd_names_are_told_as_they_are(scenario: RunScenario, pipeline: Any) -> None:
    folder = Folder(scenario, {"parameter": "place", "each_file": True})
    place = root_by_name(scenario.workspace, STORE).place("in/old.csv")
    assert place is not None
    base = place.parent
    for name in (os.fsdecode(b"\xff\xfe.csv"), "a\nb.csv", "100%.csv", "\u202e🙂.csv", "x" * 255):
        (base / name).touch()
    (base / "dangling").symlink_to("/nowhere")
    (base / "circle").symlink_to(".")
    told = folder.look()
    assert len(told) == 5 and folder.look() == []
    assert set(Tick.objects.values_list("status", flat=True)) == {"fired"}
    place.unlink()
    place.mkdir()
    assert folder.look() == []
    folder.put("in/old.csv/now.csv")
    assert folder.look() == ["in/old.csv/now.csv"]


def test_a_store_that_is_away_is_told_and_nothing_is_missed(
    scenario: RunScenario, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(scenario, {"parameter": "place", "each_file": True})
    folder.put("in/a.csv")

    def away(*_: Any) -> Any:
        raise OSError("no route to it")

    with monkeypatch.context() as patch:
        patch.setattr(Root, "walk", away)
        assert folder.look() == []
    folder.schedule.refresh_from_db()
    assert folder.schedule.watch_error == "no route to it"
    assert scenario.get(f"schedules/{folder.schedule.pk}/").json()["watch_error"] == "no route to it"
    assert folder.look() == ["in/a.csv"]
    folder.schedule.refresh_from_db()
    assert folder.schedule.watch_error == ""


def test_outputs_of_runs_do_not_start_the_run_that_wrote_them(scenario: RunScenario, pipeline: Any) -> None:
    folder = Folder(scenario, {"path": ""})
    folder.put("azureml/01/model/m.json")
    assert folder.look() == []
    folder.put("else/m.json")
    assert len(folder.look()) == 1


def test_ten_thousand_files_are_looked_at_in_a_few_statements(scenario: RunScenario, pipeline: Any) -> None:
    folder = Folder(scenario, {"parameter": "place"})
    place = root_by_name(scenario.workspace, STORE).place("in/old.csv")
    assert place is not None
    for number in range(10_000):
        (place.parent / f"{number}.csv").touch()
    Schedule.objects.update(next_at=now())
    with CaptureQueriesContext(connection) as asked:
        firing.look()
    assert Tick.objects.count() == 1 and len(asked) < 15
    assert len(Schedule.objects.get().seen) == 10_001
    assert len(folder.look()) == 1


@pytest.mark.parametrize(
    ("watch", "status"),
    [
        ({"datastore": ""}, 400),
        ({"datastore": "none"}, 404),
        ({"datastore": STORE, "path": "../.."}, 400),
        ({"datastore": STORE, "settle": -1}, 400),
        ({"datastore": STORE, "each_file": "yes"}, 400),
        ({"datastore": STORE, "speed": 1}, 400),
        ({"datastore": STORE, "parameter": "none"}, 422),
    ],
)
def test_what_cannot_be_watched_is_refused(
    scenario: RunScenario, pipeline: Any, watch: dict[str, Any], status: int
) -> None:
    body = {"name": "x", "pipeline": str(pipeline.pk), "timetable": MINUTELY, "watch": watch}
    assert scenario.post("schedules/", body).status_code == status


def test_a_look_costs_the_same_however_many_schedules_there_are(scenario: RunScenario, pipeline: Any) -> None:
    later = now() + timedelta(hours=1)
    made = [
        Schedule(workspace=scenario.workspace, name=f"s{n}", pipeline=pipeline, timetable=MINUTELY, next_at=later)
        for n in range(300)
    ]
    with CaptureQueriesContext(connection) as few:
        firing.look()
    Schedule.objects.bulk_create(made)
    with CaptureQueriesContext(connection) as many:
        firing.look()
    assert len(many) == len(few) <= 2


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
        firing.look()
        firing.fire(made.pk)
    asks = [
        each["sql"] for each in asked if each["sql"].startswith("SELECT") and 'FROM "schedules_tick"' in each["sql"]
    ]
    asks = [sql for sql in asks if '"schedules_tick"."id" =' not in sql]
    assert len(asks) >= 2
    with connection.cursor() as cursor:
        for sql in asks:
            cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
            plan = " ".join(str(row[-1]) for row in cursor.fetchall())
            assert "ticks_open" in plan, (plan, sql)
