"""A schedule that watches a store over a network: what comes starts a run once, and nothing is missed while it is away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.utils import translation

from datasets.models import Datastore
from datasets.services import registration
from schedules.models import Schedule
from tests.datasets.store_servers import StoreServer, moto
from tests.runs.conftest import RunScenario
from tests.schedules.test_watching import Folder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server() -> Iterator[StoreServer]:
    with moto() as found:
        yield found


def test_changes_of_a_bucket_start_runs_and_its_absence_costs_none(
    scenario: RunScenario, server: StoreServer, settings: Any
) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    here = {**server.options, "bucket": "watched"}
    registration.register(scenario.context, "far", "s3", here, server.credentials, create=True)
    folder = Folder(scenario, {"datastore": "far", "parameter": "place", "each_file": True}, store="far")
    assert folder.look() == []
    folder.put("in/2026/a b.csv")
    folder.put("other/c.csv")
    assert folder.look() == ["in/2026/a b.csv"] and folder.look() == []
    Datastore.objects.filter(name="far").update(options={**here, "endpoint": "http://127.0.0.1:9"})
    assert folder.look() == []
    row = Schedule.objects.get(pk=folder.schedule.pk)
    assert "'far' cannot be reached" in row.watch_error == row.localized_watch_error
    with translation.override("pt-pt"):
        assert "não responde" in row.localized_watch_error, row.localized_watch_error
    Datastore.objects.filter(name="far").update(options=here)
    # The bucket tells times in whole seconds.
    for text in "2345":
        folder.put("in/2026/a b.csv", text)
        assert folder.look() == ["in/2026/a b.csv"] and folder.look() == []
    # What a release has kept that knew no tags has not changed.
    row = Schedule.objects.get(pk=folder.schedule.pk)
    row.seen, row.seen_digest = {path: facts[:2] for path, facts in row.seen.items()}, "of before"
    row.save()
    assert folder.look() == [] and len(Schedule.objects.get(pk=row.pk).seen["in/2026/a b.csv"]) == 3
    folder.put("in/d.csv")
    assert folder.look() == ["in/d.csv"] and Schedule.objects.get(pk=folder.schedule.pk).watch_error == ""
