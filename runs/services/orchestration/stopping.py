"""Stop steps of a run: those that no agent has end at once, the others when their agent says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compute.models import Host
from core.clock import now
from runs.models import Attempt, Run
from runs.services.orchestration import failures
from runs.services.orchestration.run_state import RunState
from runs.services.orchestration.run_transaction import place_after
from runs.services.scheduling import placing

A = Attempt.Status
S = Run.Status


def stop_steps(board: RunState, nodes: Sequence[str], *, by: str) -> None:
    """Steps without an attempt at an agent end at once; the others when their agent says so."""
    runs = [board.runs[node].pk for node in nodes]
    rows = Attempt.objects.filter(run__in=runs).exclude(status__in=Attempt.ENDS).select_related("node")
    open_attempts = {attempt.run_id: attempt for attempt in rows}
    hosts, dropped = set(), []
    for node in nodes:
        run = board.runs[node]
        attempt = open_attempts.get(run.pk)
        if attempt is None or attempt.status == A.QUEUED:
            if attempt is not None:
                attempt.run = run
                dropped.append(attempt)
            board.touch(node).waiting = []
            board.set(node, S.CANCELED, error=failures.canceled_by(by), cancel_requested_by=by)
        elif run.status != S.CANCEL_REQUESTED:
            Attempt.objects.filter(pk=attempt.pk).update(cancel_requested_at=now())
            run.move(S.CANCEL_REQUESTED, cancel_requested_by=by, cancel_requested_at=now())
            board.states[node] = S.CANCEL_REQUESTED
            hosts.add(attempt.host_id)
    _drop(dropped)
    board.save()
    _ring(hosts)


def _drop(attempts: Sequence[Attempt]) -> None:
    """No agent has them yet: they end here, and give back the nodes that they may have been promised."""
    Attempt.move_all(attempts, A.CANCELED, finished_at=now(), cause="canceled")
    placing.free_nodes(attempts)
    for attempt in attempts:
        place_after(attempt.run, attempt.compute_target_id)


def _ring(host_ids: Iterable[object]) -> None:
    for name, is_local in Host.objects.filter(pk__in=list(host_ids)).values_list("name", "is_local"):
        placing.ring_host(name, by_queue=is_local)
