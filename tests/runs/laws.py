"""What holds of attempts, runs and nodes at every moment, whatever has happened."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from compute.models import Node
from core.models import Event
from runs.causes import attempts_allowed
from runs.models import Attempt, Run

N = Node.Status
BUSY = (N.RUNNING, N.LEAVING)  # one that is to leave does so after its step has ended
SILENT_OR_CANCELED = {Run.Status.NOT_RESPONDING, Run.Status.CANCEL_REQUESTED}
# What a run may show while its last attempt is so.
SHOWS = {
    Attempt.Status.QUEUED: {Run.Status.QUEUED},
    Attempt.Status.LEASED: {Run.Status.PREPARING, *SILENT_OR_CANCELED},
    Attempt.Status.PREPARING: {Run.Status.PREPARING, *SILENT_OR_CANCELED},
    Attempt.Status.RUNNING: {Run.Status.RUNNING, *SILENT_OR_CANCELED},
    Attempt.Status.COLLECTING: {Run.Status.FINALIZING, *SILENT_OR_CANCELED},
    Attempt.Status.COMPLETED: {Run.Status.COMPLETED},
    Attempt.Status.CANCELED: {Run.Status.CANCELED},
    Attempt.Status.FAILED: {Run.Status.FAILED, Run.Status.CANCELED},
    Attempt.Status.LOST: {Run.Status.FAILED, Run.Status.CANCELED},
}


class Seen:
    """All that is stored, in four queries."""

    def __init__(self) -> None:
        self.runs = {run.pk: run for run in Run.objects.select_related("step").defer("graph").order_by("id")}
        self.attempts = {each.pk: each for each in Attempt.objects.order_by("number")}
        self.nodes = dict(Node.objects.values_list("pk", "status"))
        self.versions: dict[str, list[int]] = defaultdict(list)
        for topic, version in Event.objects.order_by("id").values_list("topic", "version"):
            self.versions[topic].append(version)
        self.roots = [run for run in self.runs.values() if run.parent_id is None]
        self.steps = [run for run in self.runs.values() if hasattr(run, "step")]
        self.attempts_of: dict[UUID, list[Attempt]] = defaultdict(list)
        for each in self.attempts.values():
            self.attempts_of[each.run_id].append(each)


class Laws:
    """Each is looked at as it is now, and against what was seen before."""

    def __init__(self, max_nodes: int) -> None:
        self.max_nodes = max_nodes
        self.ends: dict[UUID, tuple[Any, ...]] = {}
        self.epochs: Counter[UUID] = Counter()

    def hold(self, seen: Seen, retries: Mapping[UUID, int | None]) -> None:
        """Raises AssertionError; `retries` is what the steps of each root say, None for nothing."""
        self._attempts_follow_each_other(seen, retries)
        for law in (
            self._an_end_stays_as_it_is,
            self._epochs_only_grow,
            self._each_busy_node_serves_one_open_attempt,
            self._a_run_that_is_over_has_nothing_open,
            self._what_was_finished_is_adopted_and_never_runs_again,
            self._every_change_of_a_run_is_told_once_and_in_order,
        ):
            law(seen)

    def _attempts_follow_each_other(self, seen: Seen, retries: Mapping[UUID, int | None]) -> None:
        for run in seen.steps:
            attempts = seen.attempts_of[run.pk]
            assert [each.number for each in attempts] == list(range(1, len(attempts) + 1))
            assert all(each.is_final for each in attempts[:-1])
            assert all(each.status not in (Attempt.Status.COMPLETED, Attempt.Status.CANCELED) for each in attempts[:-1])
            if attempts:
                assert run.status in SHOWS[Attempt.Status(attempts[-1].status)], (run.status, attempts[-1].status)
            for each in attempts[:-1]:
                allowed = attempts_allowed(each.cause, retries[run.root_id or run.pk])
                assert each.number < allowed, "it was tried again although nobody said so"

    def _an_end_stays_as_it_is(self, seen: Seen) -> None:
        for each in seen.attempts.values():
            if each.is_final:
                end = (each.status, each.cause, each.exit_code, each.signal, each.message, each.finished_at)
                assert self.ends.setdefault(each.pk, end) == end
        for run in seen.runs.values():
            if run.is_final:
                assert self.ends.setdefault(run.pk, (run.status, run.finished_at)) == (run.status, run.finished_at)

    def _epochs_only_grow(self, seen: Seen) -> None:
        for each in seen.attempts.values():
            assert each.epoch >= self.epochs[each.pk]
            self.epochs[each.pk] = each.epoch

    def _each_busy_node_serves_one_open_attempt(self, seen: Seen) -> None:
        served = [each.node_id for each in seen.attempts.values() if not each.is_final and each.node_id]
        assert len(served) == len(set(served))
        assert {key for key, status in seen.nodes.items() if status == N.RUNNING} <= set(served)
        assert set(served) <= {key for key, status in seen.nodes.items() if status in BUSY}
        assert len(seen.nodes) <= self.max_nodes
        at_work = [each for each in seen.attempts.values() if each.status not in (Attempt.Status.QUEUED, *Attempt.ENDS)]
        assert all(each.node_id for each in at_work)

    def _a_run_that_is_over_has_nothing_open(self, seen: Seen) -> None:
        for run in seen.steps:
            root = seen.runs[run.root_id or run.pk]
            assert run.is_final or not root.is_final

    def _what_was_finished_is_adopted_and_never_runs_again(self, seen: Seen) -> None:
        done = {(run.root_id, run.step.node_id) for run in seen.steps if run.status == Run.Status.COMPLETED}
        for run in seen.steps:
            ran, resumed = seen.attempts_of[run.pk], seen.runs[run.root_id or run.pk].resumed_from_id
            assert not (ran and resumed and (resumed, run.step.node_id) in done), "what had finished runs again"
            if run.step.reused_from_id:
                result = seen.runs[run.step.reused_from_id]
                assert result.status == Run.Status.COMPLETED and result.step.fingerprint == run.step.fingerprint
                assert not ran

    def _every_change_of_a_run_is_told_once_and_in_order(self, seen: Seen) -> None:
        for root in seen.roots:
            assert seen.versions[root.topic] == list(range(1, root.version + 1))
