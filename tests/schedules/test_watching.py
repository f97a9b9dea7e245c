"""Schedules that watch folders: what changes starts runs once, whatever its store does."""

from __future__ import annotations

import io
import os
import threading
import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from core.clock import now
from core.errors import NotFound
from core.storage import Root, Stored
from datasets.models import Datastore
from datasets.services.datastores import put_file
from datasets.stores import root_by_name
from runs.models import Run
from runs.services.submission import publish
from schedules import changes
from schedules.models import Schedule, Tick
from schedules.services import firing, watching
from schedules.services.schedules import change
from tests.runs.conftest import RunScenario
from tests.schedules.test_firing import MINUTELY, look, looked_at, pipeline, scheduled, statuses

__all__ = ["pipeline"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
STORE = "workspaceblobstore"


class Folder:
    """Files of a datastore that a schedule watches."""

    def __init__(self, scenario: RunScenario, watch: dict[str, Any], store: str = STORE, **asked: Any) -> None:
        self.scenario, self.store = scenario, store
        parameters = [{"name": "place", "type": "data_path", "default": f"{STORE}/raw"}]
        pipeline = publish.publish_graph(scenario.context, scenario.graph("train", parameters=parameters), name="p")
        self.put("in/old.csv")
        self.schedule = scheduled(scenario, pipeline, watch={"datastore": STORE, "path": "in", **watch}, **asked)

    def put(self, path: str, text: str = "1") -> None:
        put_file(self.scenario.context, self.store, path, io.BytesIO(text.encode()), overwrite=True)

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


def test_what_a_store_tells_in_whole_seconds_is_taken_when_its_second_is_over() -> None:
    """Another content of the same size may come within it. One that tells more is taken at once."""
    watch, moment = changes.Watch("far"), 1_000_000.5

    def seen(modified: float, tag: str = "", at: float = moment) -> list[str]:
        found = changes.listing(watch, [Stored("a", 1, modified, tag)])
        return changes.compare(watch, {}, found, at)

    assert seen(1_000_000.0) == [] and seen(1_000_000.0, at=moment + 2) == ["a"]
    assert seen(1_000_000.25) == ["a"] and seen(1_000_000.0, "etag") == ["a"]


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
    found = folder.look()
    assert len(found) == 5 and folder.look() == []
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
        watching.scan_schedule(folder.schedule.pk)
    assert Tick.objects.count() == 1 and len(asked) < 15
    assert len(Schedule.objects.get().seen) == 10_001
    assert len(folder.look()) == 1
    Schedule.objects.update(next_at=now())
    with CaptureQueriesContext(connection) as asked:
        watching.scan_schedule(folder.schedule.pk)
    sent = "".join(each["sql"] for each in asked)
    assert '"seen"' not in sent and len(sent) < 8000, "where nothing has changed, the files stay in the database"


def test_a_store_that_hangs_holds_up_nothing_else(
    scenario: RunScenario, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(scenario, {"parameter": "place", "each_file": True})
    beside = scheduled(scenario, pipeline, name="by time")
    hangs, walk = threading.Event(), Root.walk

    def slow(self: Root, prefix: str = "") -> Any:
        hangs.wait(30)
        return walk(self, prefix)

    folder.put("in/a.csv")
    monkeypatch.setattr(Root, "walk", slow)
    monkeypatch.setattr(watching, "SLOW_S", 0.0)
    Schedule.objects.update(next_at=now())
    for _ in range(3):
        firing.check_due()
        firing.fire_all()
    assert statuses(beside) == ["fired"] and statuses(folder.schedule) == []
    assert sum(thread.name.startswith("watch ") for thread in threading.enumerate()) == 1
    folder.schedule.refresh_from_db()
    assert "has not answered" in folder.schedule.watch_error
    with translation.override("pt"):
        assert "has not answered" not in folder.schedule.localized_watch_error
    hangs.set()
    looked_at()
    folder.schedule.refresh_from_db()
    assert statuses(folder.schedule) == ["due"] and folder.schedule.watch_error == ""


def test_a_look_that_was_overtaken_by_a_change_tells_nothing(
    scenario: RunScenario, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(scenario, {"parameter": "place", "each_file": True})
    walk = Root.walk

    def overtaken(self: Root, prefix: str = "") -> Any:
        found = list(walk(self, prefix))
        if prefix == "in":
            watch = {"datastore": STORE, "path": "beside", "parameter": "place", "each_file": True}
            change(scenario.context, folder.schedule, {"watch": watch})
        return found

    folder.put("in/a.csv")
    monkeypatch.setattr(Root, "walk", overtaken)
    Schedule.objects.update(next_at=now())
    watching.scan_schedule(folder.schedule.pk)
    folder.schedule.refresh_from_db()
    assert statuses(folder.schedule) == [] and folder.schedule.seen == {}


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


def test_one_that_is_disabled_is_changed_while_its_store_is_away(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(scenario, {})
    change(scenario.context, folder.schedule, {"status": "Disabled"})
    Datastore.objects.filter(workspace=scenario.workspace, name=STORE).update(name="gone")
    assert change(scenario.context, folder.schedule, {"name": "renamed"}).name == "renamed"
    with pytest.raises(NotFound, match=STORE):
        change(scenario.context, folder.schedule, {"status": "Active"})
