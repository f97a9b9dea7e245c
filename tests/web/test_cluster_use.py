"""A day of a cluster: the steps on its nodes and those that waited, the most of each five minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.clock import now
from runs import occupancy
from runs.models import Attempt
from tests.web.conftest import Site
from tests.workspace_scenario import code

UNTIL = datetime(2026, 3, 1, 12, 50, tzinfo=UTC)
SINCE = UNTIL - timedelta(minutes=50)


def most(*stays: tuple[float, float | None]) -> list[Any]:
    """By ten minutes, from minutes after the beginning."""
    moments = [
        (SINCE + timedelta(minutes=begin), None if end is None else SINCE + timedelta(minutes=end))
        for begin, end in stays
    ]
    points = occupancy.most_at_once(moments, SINCE, UNTIL, 600)
    assert [moment for moment, _ in points] == [SINCE.timestamp() + 600 * place for place in range(6)]
    return [value for _, value in points]


@pytest.mark.parametrize(
    ("stays", "expected"),
    [
        ([], [0, 0, 0, 0, 0, 0]),
        ([(12, 13)], [0, 1, 0, 0, 0, 0]),
        ([(5, 25)], [1, 1, 1, 0, 0, 0]),
        ([(5, None)], [1, 1, 1, 1, 1, 1]),
        ([(-30, 15), (15, 18)], [1, 1, 0, 0, 0, 0]),
        ([(11, 14), (12, 13), (16, 19)], [0, 2, 0, 0, 0, 0]),
        ([(-30, -1), (70, None)], [0, 0, 0, 0, 0, 0]),
        ([(-30, 90)], [1, 1, 1, 1, 1, 1]),
        ([(20, 20)], [0, 0, 0, 0, 0, 0]),
    ],
)
def test_the_most_at_once_of_each_span(stays: list[tuple[float, float | None]], expected: list[int]) -> None:
    assert most(*stays) == expected


def test_time_counts_within_the_window_alone() -> None:
    hour = timedelta(hours=1)
    stays = [(SINCE - hour, SINCE + timedelta(minutes=10)), (UNTIL - timedelta(minutes=5), None), (SINCE - hour, SINCE)]
    assert occupancy.seconds_within(stays, SINCE, UNTIL) == 15 * 60


@pytest.mark.django_db
@pytest.mark.sqlite
def test_a_cluster_tells_its_day(site: Site) -> None:
    document = site.get("compute/cpu/usage/").json()
    assert (document["series"], document["node_seconds"]) == ([], 0)
    moment, minute = now(), timedelta(minutes=1)
    root = site.pipeline("one -> two -> three", status="Running")
    for name, queued, leased, finished in (
        ("one", 50, 40, 20),
        ("two", 50, 30, None),
        ("three", 50, None, None),
    ):
        attempt = site.attempt(site.step(root, name), 1, "running")
        stamps = [None if before is None else moment - before * minute for before in (queued, leased, finished)]
        Attempt.objects.filter(pk=attempt.pk).update(
            compute_target=site.cluster, **dict(zip(("queued_at", "leased_at", "finished_at"), stamps, strict=True))
        )
    document = site.get("compute/cpu/usage/").json()
    peaks = {each["name"]: each["peak"] for each in document["series"]}
    assert peaks == {"running": 2, "waiting": 3}
    assert {each["name"]: each["points"][-1][1] for each in document["series"]} == {"running": 1, "waiting": 1}
    assert abs(document["node_seconds"] - 50 * 60) < 5
    assert document["nodes"] == site.cluster.max_nodes
    assert code(site.get("compute/none/usage/")) == (404, "unknown_compute")
    page = site.see("compute/clusters/cpu/").content.decode()
    assert "/api/v1/workspaces/lab/compute/cpu/usage/" in page
