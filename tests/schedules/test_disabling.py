"""What a schedule runs is not disabled in the moment in which the schedule is made, nor the other way round."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from core.errors import Conflict
from pipelines.models import PipelineEndpoint, PublishedPipeline
from pipelines.services import endpoints, published
from runs.services.submission import publish
from schedules.models import Schedule
from schedules.services import schedules
from tests.runs.conftest import RunScenario

pytestmark = pytest.mark.django_db(transaction=True)
LATER = {"frequency": "Day", "interval": 1, "start_time": "2030-01-01T00:00:00"}
# By what is taken away: what the schedule runs.
TAKEN = {"pipeline": "pipeline", "endpoint": "endpoint", "pipeline of an endpoint": "endpoint", "default": "endpoint"}


def _held_until(let_go: threading.Event, first: Callable[[], Any], has_begun: threading.Event) -> threading.Thread:
    """Another process that has done the first, and has not committed yet."""

    def work() -> None:
        try:
            with transaction.atomic():
                first()
                has_begun.set()
                let_go.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert has_begun.wait(20)
    return thread


@pytest.mark.parametrize("schedule_first", [True, False], ids=["schedule first", "schedule last"])
@pytest.mark.parametrize("taken", TAKEN)
def test_of_a_schedule_and_what_takes_its_pipeline_away_one_is_refused(
    scenario: RunScenario, taken: str, schedule_first: bool
) -> None:
    pipeline, spare = (publish.publish_graph(scenario.context, scenario.graph(each), name=each) for each in "ab")
    endpoint = endpoints.create(scenario.context, "scoring", pipeline)
    if taken == "default":
        endpoints.add(scenario.context, endpoint, spare)
        published.set_status(scenario.context, spare, PublishedPipeline.Status.DISABLED)
    runs = {"pipeline": str(pipeline.pk)} if TAKEN[taken] == "pipeline" else {"endpoint": str(endpoint.pk)}

    def make() -> Any:
        return schedules.create(scenario.context, {"name": "s", "timetable": LATER, **runs})

    def take() -> Any:
        if taken == "default":
            return endpoints.change(scenario.context, endpoint, {"default_version": 1})
        if taken == "endpoint":
            return endpoints.change(scenario.context, endpoint, {"status": PipelineEndpoint.Status.ARCHIVED})
        return published.set_status(scenario.context, pipeline, PublishedPipeline.Status.DISABLED)

    first, second = (make, take) if schedule_first else (take, make)
    let_go, refused = threading.Event(), list[str]()
    thread = _held_until(let_go, first, threading.Event())
    threading.Timer(0.5, let_go.set).start()  # the second waits for the first meanwhile, or looks too early
    try:
        second()
    except Conflict as conflict:
        refused.append(conflict.code)
    finally:
        let_go.set()
        thread.join()
    assert refused == ["scheduled" if schedule_first else "disabled"]
    assert Schedule.objects.count() == schedule_first


def test_a_run_does_not_wait_for_a_schedule_that_is_being_made(scenario: RunScenario) -> None:
    """A store that such a schedule watches may take its time."""
    pipeline = publish.publish_graph(scenario.context, scenario.graph("a"), name="a")
    let_go = threading.Event()

    def make() -> None:
        schedules.create(scenario.context, {"name": "s", "pipeline": str(pipeline.pk), "timetable": LATER})

    thread = _held_until(let_go, make, threading.Event())
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
            publish.trigger(scenario.context, pipeline)
    finally:
        let_go.set()
        thread.join()
    assert PublishedPipeline.objects.get(pk=pipeline.pk).last_run_id is not None
