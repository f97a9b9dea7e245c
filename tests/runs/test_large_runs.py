"""Runs of many steps: no transaction writes more than a slice, whoever submits, carries on, cancels or deletes them."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from core import slices
from core.clock import now
from core.errors import Conflict, Unprocessable
from runs import plan
from runs.models import Attempt, Experiment, MetricPoint, Run, StepRun
from runs.queries import graphs
from runs.services.maintenance import delete_run, lease_expiry
from runs.services.orchestration import progress
from runs.services.orchestration.cancel import cancel_run
from runs.services.orchestration.cluster_removal import clear
from runs.services.submission import submit
from runs.services.submission.submit import submit_run
from tests.runs.conftest import RunScenario

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
SLICE = 20
# What a slice of steps may write in one transaction: a run, its step and its attempt each, and what tells of them.
MOST = 5 * SLICE
STEPS = 3 * SLICE + 7


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices that a test fills; and nobody to wait for."""
    monkeypatch.setattr(slices, "SLICE", SLICE)
    monkeypatch.setattr(slices, "PAUSE_S", 0)
    monkeypatch.setattr(submit, "AT_ONCE", 0)


class Written:
    """Rows written by each transaction."""

    def __init__(self) -> None:
        self.transactions: list[int] = []
        self.open = 0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            self.open += max(context["cursor"].rowcount, 0)
            if not connection.in_atomic_block:
                self.close()
        return result

    def close(self) -> None:
        self.transactions.append(self.open)
        self.open = 0

    @property
    def largest(self) -> int:
        return max(self.transactions)


@contextmanager
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    seen = Written()
    commit = connection.commit
    with monkeypatch.context() as patched, connection.execute_wrapper(seen):
        patched.setattr(connection, "commit", lambda: (commit(), seen.close()))
        yield seen


def wide(scenario: RunScenario, count: int = STEPS, **step: Any) -> dict[str, Any]:
    """A graph of so many steps that need nothing of each other."""
    graph = scenario.graph("s0", **step)
    graph["steps"] = [{**graph["steps"][0], "id": f"s{n}", "name": f"s{n}"} for n in range(count)]
    return graph


def chained(scenario: RunScenario, count: int = STEPS) -> dict[str, Any]:
    graph = wide(scenario, count)
    for step in graph["steps"][1:]:
        step["run_after"] = ["s0"]
    return graph


def states(root: Run) -> set[str]:
    return set(Run.objects.filter(root=root).values_list("status", flat=True))


def test_a_submit_writes_slices_and_the_run_appears_at_once(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []
    laid_out = StepRun.objects.bulk_create

    def look(details: Any) -> Any:
        made = laid_out(details)
        hidden = Run.objects.get(root_id=details[0].run.root_id, kind="pipeline")
        listed = scenario.get("runs/").json()["items"], scenario.get(f"runs/{hidden.pk}/").status_code
        progress.advance(hidden.pk)
        assert (listed, lease_expiry.silent_runs(), states(hidden)) == (([], 404), [], {"NotStarted"})
        seen.append((hidden.number, hidden.is_hidden))
        return made

    monkeypatch.setattr(StepRun.objects, "bulk_create", look)
    with written(monkeypatch) as rows:
        root = submit_run(scenario.context, experiment="Large", graph=wide(scenario))
    assert seen == [(0, True)] * 4
    assert rows.largest <= MOST
    shown = Run.objects.get(pk=root.pk)
    assert (shown.parent_id, shown.number, shown.is_hidden) == (None, 1, False)
    assert StepRun.objects.filter(run__root=root).count() == STEPS
    assert [item["id"] for item in scenario.get("runs/").json()["items"]] == [str(root.pk)]
    # The order of the graph is the order of the rows, over all slices.
    names = StepRun.objects.filter(run__root=root).order_by("run").values_list("name", flat=True)
    assert list(names) == [f"s{n}" for n in range(STEPS)]


def test_a_submit_that_died_leaves_nothing(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = StepRun.objects.bulk_create
    calls: list[int] = []

    def die(details: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return rows(details)

    monkeypatch.setattr(StepRun.objects, "bulk_create", die)
    with pytest.raises(KeyboardInterrupt):
        submit_run(scenario.context, experiment="Large", graph=wide(scenario))
    assert Run.objects.count() == 2 * SLICE + 1
    assert scenario.get("runs/").json()["items"] == []
    assert delete_run.remove_hidden() == 0  # it may still be on its way
    Run.objects.update(created_at=now() - timedelta(hours=2))
    assert delete_run.remove_hidden() == 1
    assert Run.objects.count() == StepRun.objects.count() == 0


def test_a_submit_that_is_killed_is_removed_within_minutes(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of its own submits, and is killed between two slices; it has no time to say so."""
    if connection.vendor == "sqlite":
        pytest.skip("the database of these tests is in the memory of one process")
    graph = wide(scenario)
    found, tell = os.pipe()
    connection.close()  # not to be shared with the child
    child = os.fork()
    if not child:
        monkeypatch.setattr(slices, "pause", lambda: (os.write(tell, b"."), time.sleep(0.2)))
        submit_run(scenario.context, experiment="Large", graph=graph)
        os._exit(0)
    try:
        assert os.read(found, 1) == b"."
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert Run.objects.filter(kind="step").exists() and Run.objects.get(kind="pipeline").is_hidden
    assert delete_run.remove_hidden() == 0  # it may still be on its way
    late = now() + delete_run.SILENT_SUBMIT + timedelta(seconds=1)
    monkeypatch.setattr(delete_run, "now", lambda: late)
    assert delete_run.remove_hidden() == 1
    assert Run.objects.count() == StepRun.objects.count() == 0


def test_a_slow_submit_signs_with_each_slice(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = StepRun.objects.bulk_create
    removed: list[int] = []

    def be_slow(details: Any) -> Any:
        made = rows(details)
        # As if each slice had taken almost as long as one may be silent.
        Run.objects.filter(kind="pipeline").update(created_at=F("created_at") - 0.9 * delete_run.SILENT_SUBMIT)
        return made

    def look() -> None:
        removed.append(delete_run.remove_hidden())

    monkeypatch.setattr(StepRun.objects, "bulk_create", be_slow)
    monkeypatch.setattr(slices, "pause", look)
    root = submit_run(scenario.context, experiment="Large", graph=wide(scenario))
    assert set(removed) == {0} and len(removed) == 4
    assert Run.objects.get(pk=root.pk).created_at > now() - timedelta(minutes=1)


def test_a_submit_that_was_given_up_stops_at_its_next_slice(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up() -> None:
        Run.objects.filter(kind="pipeline").update(created_at=now() - timedelta(hours=1))
        assert delete_run.remove_hidden() == 1

    monkeypatch.setattr(slices, "pause", give_up)
    with pytest.raises(Conflict) as refused:
        submit_run(scenario.context, experiment="Large", graph=wide(scenario))
    assert refused.value.code == "given_up"
    assert Run.objects.count() == StepRun.objects.count() == 0


def test_a_submit_that_was_given_up_says_so(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = StepRun.objects.bulk_create

    def be_slow(details: Any) -> Any:
        made = rows(details)
        if len(details) < SLICE:
            with transaction.atomic():
                Run.objects.all().delete()
        return made

    monkeypatch.setattr(StepRun.objects, "bulk_create", be_slow)
    with pytest.raises(Conflict) as refused:
        submit_run(scenario.context, experiment="Large", graph=wide(scenario))
    assert refused.value.code == "given_up"


def test_more_steps_than_the_studio_takes_are_refused(scenario: RunScenario, settings: Any) -> None:
    settings.DUTO = replace(settings.DUTO, run_max_steps=5)
    with pytest.raises(Unprocessable, match=r"6 steps.*at most 5 .DUTO_RUN_MAX_STEPS") as refused:
        submit_run(scenario.context, experiment="Large", graph=wide(scenario, 6))
    assert refused.value.code == "too_many_steps"
    assert submit_run(scenario.context, experiment="Large", graph=wide(scenario, 5)).number == 1


def test_steps_are_started_in_slices(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    root = submit_run(scenario.context, experiment="Large", graph=wide(scenario))
    with written(monkeypatch) as rows:
        progress.advance(root.pk)
    assert rows.largest <= MOST
    assert Attempt.objects.filter(status="queued").count() == STEPS
    assert states(root) == {"Running", "Queued"}


def test_a_long_row_of_steps_is_decided_step_by_step(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """One end leads to the next; after each only those behind it are looked at, not the whole run."""
    graph = {**wide(scenario), "continue_on_step_failure": True}
    for before, step in zip(graph["steps"], graph["steps"][1:], strict=False):
        step["run_after"] = [before["id"]]
    root = submit_run(scenario.context, experiment="Large", graph=graph)
    Run.objects.filter(root=root, step__node_id="s0").update(status="Failed")
    looked_at: list[int] = []
    decide = plan.decide

    def count(needs: Any, *more: Any, **named: Any) -> Any:
        looked_at.append(len(needs))
        return decide(needs, *more, **named)

    monkeypatch.setattr(plan, "decide", count)
    with written(monkeypatch) as rows:
        progress.advance(root.pk)
    assert states(root) == {"Failed", "Skipped"}
    assert rows.largest <= MOST
    assert sum(looked_at) <= STEPS + STEPS * len(rows.transactions)


def test_rounds_of_one_transaction_are_bounded(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "ROUNDS", 5)
    graph = {**wide(scenario), "continue_on_step_failure": True}
    for before, step in zip(graph["steps"], graph["steps"][1:], strict=False):
        step["run_after"] = [before["id"]]
    root = submit_run(scenario.context, experiment="Large", graph=graph)
    Run.objects.filter(root=root, step__node_id="s0").update(status="Failed")
    progress.advance_some(root.pk)
    assert Run.objects.filter(root=root, status="Skipped").count() == 5
    progress.advance(root.pk)
    assert states(root) == {"Failed", "Skipped"}


def test_no_graph_is_read_while_its_root_is_locked(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    root = submit_run(scenario.context, experiment="Large", graph=wide(scenario))
    locked: list[bool] = []
    read = graphs.read_graph

    def look(document: Any) -> Any:
        locked.append(connection.in_atomic_block)
        return read(document)

    monkeypatch.setattr(graphs, "read_graph", look)
    for action in (
        progress.advance,
        progress.advance_some,
        lambda key: cancel_run(scenario.context, Run.objects.get(pk=key)),
    ):
        graphs._graphs.clear()
        action(root.pk)
    assert locked == [False] * 3


def test_the_order_of_a_chain_has_no_end_in_the_stack(scenario: RunScenario) -> None:
    graph = wide(scenario, 3000)
    for after, step in zip(graph["steps"], graph["steps"][1:], strict=False):
        after["run_after"] = [step["id"]]
    order = graphs.ParsedGraph(graphs.read_graph(graph)).order
    assert order == tuple(f"s{n}" for n in reversed(range(3000)))


def test_long_graphs_make_room_for_each_other(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "KEPT_STEPS", 10)
    made = {number: graphs.ParsedGraph(graphs.read_graph(wide(scenario, number))) for number in (4, 5, 6, 20)}
    graphs._graphs.clear()
    graphs.keep({4: made[4]})  # type: ignore[dict-item]
    graphs.keep({5: made[5]})  # type: ignore[dict-item]
    assert [*graphs._graphs] == [4, 5]
    graphs.keep({6: made[6]})  # type: ignore[dict-item]
    assert [*graphs._graphs] == [6]
    graphs.keep({20: made[20]})  # type: ignore[dict-item]
    assert [*graphs._graphs] == [20]
    graphs._graphs.clear()


def test_one_who_must_not_take_long_starts_one_slice(scenario: RunScenario) -> None:
    root = submit_run(scenario.context, experiment="Large", graph=wide(scenario))
    for number in (1, 2):
        progress.advance_some(root.pk)
        assert Attempt.objects.count() == number * SLICE


def test_a_failure_skips_the_others_in_slices(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    root = submit_run(scenario.context, experiment="Large", graph=chained(scenario))
    progress.advance(root.pk)
    Attempt.objects.update(status="failed")
    Run.objects.filter(root=root, step__node_id="s0").update(status="Failed")
    with written(monkeypatch) as rows:
        progress.advance(root.pk)
    assert rows.largest <= MOST
    assert states(root) == {"Failed", "Skipped"}


@pytest.mark.parametrize("started", [False, True])
def test_a_cancel_is_carried_on_by_the_worker(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    root = submit_run(scenario.context, experiment="Large", graph=wide(scenario))
    if started:
        progress.advance(root.pk)
    with written(monkeypatch) as rows:
        cancel_run(scenario.context, Run.objects.get(pk=root.pk))
        assert Run.objects.get(pk=root.pk).status == "CancelRequested"
        assert Run.objects.filter(root=root, status="Canceled").count() == SLICE
        progress.advance(root.pk)  # as the worker's task and, if its wake-up is lost, the ticker do
    assert rows.largest <= MOST
    assert states(root) == {"Canceled"}
    assert not Attempt.objects.exclude(status="canceled").exists()
    assert Attempt.objects.count() == (STEPS if started else 0)


def test_nothing_starts_while_a_cancel_is_under_way(scenario: RunScenario) -> None:
    graph = {**chained(scenario), "continue_on_step_failure": True}
    root = submit_run(scenario.context, experiment="Large", graph=graph)
    progress.advance(root.pk)
    cancel_run(scenario.context, Run.objects.get(pk=root.pk))
    for _ in range(STEPS):
        progress.advance_some(root.pk)
        assert Attempt.objects.count() == 1
    assert states(root) == {"Canceled"}


def test_a_cluster_is_cleared_in_slices(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    root = submit_run(scenario.context, experiment="Large", graph=wide(scenario))
    progress.advance(root.pk)
    with written(monkeypatch) as rows:
        left = [clear(scenario.cluster.pk) for _ in range(4)]
        assert left == [1, 1, 1, 0]
    assert rows.largest <= MOST
    assert states(root) == {"Canceled"}


def test_a_delete_is_carried_on_by_the_worker(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    root = submit_run(scenario.context, experiment="Large", graph=wide(scenario))
    cancel_run(scenario.context, Run.objects.get(pk=root.pk))
    progress.advance(root.pk)
    step = scenario.step(root, "s3")
    moment = now()
    MetricPoint.objects.bulk_create(
        [MetricPoint(run=step, name="loss", kind="scalar", index=n, value=1.0, at=moment) for n in range(3 * MOST)]
    )
    with written(monkeypatch) as rows:
        assert scenario.client.delete(f"{scenario.base}runs/{root.pk}/").status_code == 204
        assert scenario.get(f"runs/{root.pk}/").status_code == 404
        assert scenario.get("runs/").json()["items"] == []
        assert Run.objects.filter(root=root).exists()
        assert delete_run.remove_hidden() == 1
    assert rows.largest <= MOST
    assert not Run.objects.filter(root=root).exists() and not MetricPoint.objects.exists()


def test_no_garbage_is_looked_for_in_the_middle_of_a_slice(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the collector would come at every allocation, it finds no transaction that has written steps."""
    Experiment.objects.create(workspace=scenario.context.workspace, name="Large")
    seen: list[int] = []
    before = gc.get_threshold()
    with written(monkeypatch) as rows:

        def look(phase: str, _facts: dict[str, int]) -> None:
            if phase == "start":
                seen.append(rows.open if connection.in_atomic_block else 0)

        gc.callbacks.append(look)
        gc.set_threshold(1, 1, 1)
        try:
            root = submit_run(scenario.context, experiment="Large", graph=wide(scenario))
            progress.advance(root.pk)
            cancel_run(scenario.context, root)
        finally:
            gc.set_threshold(*before)
            gc.callbacks.remove(look)
    assert rows.largest > SLICE and seen and max(seen) < 5


def test_others_write_between_the_slices(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second writer, with a connection of its own, while a large run is submitted and canceled."""
    monkeypatch.setattr(slices, "PAUSE_S", 0.12)
    calls: list[int] = []
    over = threading.Event()

    def write() -> None:
        try:
            while not over.wait(0.01):
                calls.append(
                    scenario.patch("experiments/Palmer experiment/", {"description": f"{len(calls)}"}).status_code
                )
        finally:
            connection.close()

    other = threading.Thread(target=write)
    other.start()
    try:
        root = submit_run(scenario.context, experiment="Large", graph=wide(scenario))
        during = len(calls)
        cancel_run(scenario.context, root)
        progress.advance(root.pk)
    finally:
        over.set()
        other.join(60)
    assert set(calls) == {200} and 0 < during < len(calls)
    assert states(root) == {"Canceled"}
