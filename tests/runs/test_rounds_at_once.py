"""Rounds of several threads at once, on a database that lets them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection, connections

from compute.models import Node
from runs.models import Attempt
from runs.services.scheduling import placing
from tests.runs.conftest import GIB, RunScenario
from tests.runs.placing import cluster, end, queue, record


@pytest.mark.django_db(transaction=True)
def test_rounds_at_once_give_no_device_no_core_and_no_node_twice(scenario: RunScenario) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    record(scenario, "dgx", "workstation", "plain")
    gpu, cpu = cluster(scenario, max_nodes=3), cluster(scenario, "many", cores=4, memory=8 * GIB, gpus=0, max_nodes=30)
    both = cluster(scenario, "both", vm_size="STANDARD_NC12", gpus=2, max_nodes=4)
    for target in (gpu, cpu, both):
        queue(scenario, target, 12)
    problems: list[BaseException] = []
    stop = threading.Event()

    def action(work: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=_collecting, args=(work, problems))

    def watch() -> None:
        while not stop.is_set():
            look()

    threads = [action(partial(_rounds, seed)) for seed in range(3)]
    watcher = action(watch)
    watcher.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    watcher.join()
    assert not problems, problems
    look()
    busy = Attempt.objects.filter(status="queued", node__isnull=False)
    assert busy.values("node").distinct().count() == busy.count() > 0
    assert Node.objects.filter(status="running").count() == busy.count()


def _rounds(seed: int) -> None:
    """Places, and ends every third of what was placed."""
    for number in range(12):
        placing.place()
        mine = Attempt.objects.filter(node__isnull=False, status="queued").order_by("id")
        running = [each for each in mine if each.pk.int % 3 == seed]
        if number % 2 and running:
            end(running[0], "canceled")


def _collecting(work: Callable[[], None], problems: list[BaseException]) -> None:
    """The test's own thread tells what went wrong in another."""
    try:
        work()
    except BaseException as error:
        problems.append(error)
    finally:
        connections.close_all()


def look() -> None:
    """What must be true at every moment, read by one statement."""
    rows = list(Node.objects.filter(status="running").values_list("host__name", "host__cores", "cores", "gpus", "compute_target__max_nodes", "compute_target_id"))  # fmt: skip
    devices = [gpu for row in rows for gpu in row[3]]
    assert len(devices) == len(set(devices)), devices
    for name, has in {(row[0], row[1]) for row in rows}:
        assert sum(row[2] for row in rows if row[0] == name) <= has + 1e-6
    for target, most in {(row[5], row[4]) for row in rows}:
        assert sum(row[5] == target for row in rows) <= most
