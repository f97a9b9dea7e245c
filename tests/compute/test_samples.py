"""What hosts use: kept thinly from their words, told as series of an hour or a day, removed after two."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from compute import samples as rules
from compute.models import Host, HostSample
from compute.services import hosts, samples
from compute.services.hosts import digest_of
from core.clock import now
from tests.runs.protocol_messages import facts_of
from tests.workspace_scenario import WorkspaceScenario, code
from workspaces.models import Role

UNTIL = datetime(2026, 3, 1, 12, 0, 20, tzinfo=UTC)
HOUR = rules.WINDOWS["hour"]
TOLD = {"cpu": 0.5, "memory": 7, "disk_free": 60, "gpus": []}


def drawn(*rows: tuple[float, dict[str, Any]], whole: rules.Whole | None = None) -> dict[Any, dict[int, float]]:
    """Known values by minute before the end of the hour, by series and device."""
    moments = [(UNTIL - timedelta(seconds=before), answer) for before, answer in rows]
    found = rules.series(moments, whole or rules.Whole(4, 100), UNTIL, HOUR)
    assert all(len(each.points) == 61 for each in found)
    return {
        (each.name, each.device): {
            60 - place: value for place, (_, value) in enumerate(each.points) if value is not None
        }
        for each in found
    }


def test_shares_become_cores_and_free_becomes_used() -> None:
    assert drawn((0, TOLD)) == {("cpu", None): {0: 2.0}, ("memory", None): {0: 7}, ("disk", None): {0: 40}}


def test_the_highest_of_a_minute_stays_and_a_silence_is_a_gap() -> None:
    rows = [(0.0, {"memory": 3}), (10.0, {"memory": 9}), (15.0, {"memory": 1}), (600.0, {"memory": 5})]
    assert drawn(*rows) == {("memory", None): {0: 9, 10: 5}}


def test_points_stand_on_whole_minutes_over_the_whole_hour() -> None:
    (found,) = rules.series([(UNTIL, {"memory": 1})], rules.Whole(1, 1), UNTIL, HOUR)
    moments = [moment for moment, _ in found.points if moment is not None]
    assert moments[0] == datetime(2026, 3, 1, 11, 0, tzinfo=UTC).timestamp() == rules.begin_of(UNTIL, HOUR).timestamp()
    assert {after - before for before, after in pairwise(moments)} == {60.0}


def test_each_device_has_its_series_in_the_order_of_the_host() -> None:
    b = {"uuid": "B", "utilization": 0.5, "memory": 7, "temperature": 60}
    a = {"uuid": "A", "utilization": None, "memory": 9}
    found = drawn((0, {"gpus": [a, b]}), whole=rules.Whole(1, 1, ("B", "A")))
    assert list(found) == [("gpu", "B"), ("gpu_memory", "B"), ("gpu_memory", "A"), ("gpu_temperature", "B")]


# --- rows ---


@pytest.fixture
def host(scenario: WorkspaceScenario) -> Host:
    samples._looked.clear()
    return Host.objects.create(
        name="beta", key_digest=digest_of("k"), workspace=scenario.workspace, cores=4, memory=100, last_seen_at=now()
    )


def statements(host: Host) -> int:
    """How many statements one word of the host costs."""
    with CaptureQueriesContext(connection) as seen:
        hosts.seen(
            host, facts_of({"cores": 4, "facts": {"disk_total": 100, "sample": {"at": "2026-01-01T00:00:00Z", **TOLD}}})
        )
    return len(seen)


def test_of_many_words_one_sample_is_kept_and_most_cost_nothing(host: Host) -> None:
    assert [statements(host) for _ in range(3)] == [3, 1, 1]  # the host's own row; at first a look and a sample
    assert [row.data for row in HostSample.objects.all()] == [TOLD]
    samples._looked.clear()  # another web process, that has heard nothing of it yet
    assert [statements(host) for _ in range(2)] == [2, 1]
    assert HostSample.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.sqlite
@pytest.mark.parametrize(("expected", "kept"), [(TOLD, [TOLD]), (None, []), ({}, []), ("x", []), (7, []), ([1], [])])
def test_a_word_is_kept_if_it_holds_a_sample(host: Host, expected: Any, kept: list[Any]) -> None:
    Host.objects.update(last_seen_at=None)  # or its word would come too soon after the last to be written down
    body = {"host": {"facts": {"sample": expected}}, "reports": [], "want": 0, "wait": 0}
    client = Client(headers={"Authorization": "Bearer k"})
    answer = client.post("/agent/v1/exchange", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200
    assert [row.data for row in HostSample.objects.all()] == kept


def test_half_a_minute_later_the_next_is_kept(host: Host) -> None:
    moment = now()
    for seconds in (0, 10, 20, 31, 40, 62, -90):  # at last the clock was set back
        samples.keep(host, TOLD, moment + timedelta(seconds=seconds))
    kept = HostSample.objects.order_by("at").values_list("at", flat=True)
    assert [(at - moment).total_seconds() for at in kept] == [-90, 0, 31, 62]


def test_what_is_older_than_two_days_goes(host: Host) -> None:
    for hours in (1, 47, 49, 90):
        HostSample.objects.create(host=host, at=now() - timedelta(hours=hours), data=TOLD)
    samples.prune()
    assert HostSample.objects.count() == 2


# --- through REST ---


def test_what_a_host_uses_is_told_by_rest(scenario: WorkspaceScenario, host: Host) -> None:
    card = {"uuid": "GPU-1", "index": 0, "name": "card", "memory": 10}
    Host.objects.update(gpus=[card], facts={"disk_total": 100})
    facts = {**TOLD, "gpus": [{"uuid": "GPU-1", "utilization": 0.9, "memory": 3, "temperature": 50}]}
    for minutes in (1, 50, 200):
        HostSample.objects.create(host=host, at=now() - timedelta(minutes=minutes), data=facts)
    hour = scenario.api.get("hosts/beta/usage/").json()
    assert (hour["host"], hour["span_seconds"], hour["cores"], hour["disk_total"]) == ("beta", 60, 4, 100)
    assert hour["devices"] == [card]
    assert [(each["name"], each.get("device"), each["peak"]) for each in hour["series"]] == [
        ("cpu", None, 2.0), ("memory", None, 7), ("disk", None, 40),
        ("gpu", "GPU-1", 0.9), ("gpu_memory", "GPU-1", 3), ("gpu_temperature", "GPU-1", 50),
    ]  # fmt: skip
    assert sum(value is not None for _, value in hour["series"][0]["points"]) == 2
    day = scenario.api.get("hosts/beta/usage/?window=day").json()
    assert sum(value is not None for _, value in day["series"][0]["points"]) == 3
    few = scenario.api.queries("hosts/beta/usage/?window=day")
    for minutes in range(3, 90, 3):
        HostSample.objects.create(host=host, at=now() - timedelta(minutes=minutes), data=facts)
    assert scenario.api.queries("hosts/beta/usage/?window=day") == few


def test_another_window_or_host_is_refused_and_readers_may_look(scenario: WorkspaceScenario, host: Host) -> None:
    assert code(scenario.api.get("hosts/beta/usage/?window=year")) == (400, "invalid")
    assert code(scenario.api.get("hosts/gamma/usage/")) == (404, "unknown_host")
    assert scenario.client_for(Role.READER).get("hosts/beta/usage/").json()["series"] == []


def test_a_detached_host_keeps_its_past(scenario: WorkspaceScenario, host: Host) -> None:
    HostSample.objects.create(host=host, at=now(), data=TOLD)
    assert scenario.api.delete("hosts/beta/").status_code == 204
    assert scenario.api.get("hosts/beta/usage/").json()["series"]
