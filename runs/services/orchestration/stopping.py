"""Stop steps of a run: those that no agent has end at once, the others when their agent says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from compute.models import Host
from core.clock import now
from runs.models import Attempt, Run
from runs.services.orchestration import failures
from runs.services.orchestration.run_state import RunState
from runs.services.orchestration.run_transaction import place_after
from runs.services.scheduling import nodes, wakeups


def stop_steps(run_state: RunState, nodes: Sequence[str], *, by: str) -> None:
    """Steps without an attempt at an agent end at once; the others when their agent says so."""
    runs = [run_state.runs[node].pk for node in nodes]
    rows = Attempt.objects.filter(run__in=runs).exclude(status__in=Attempt.ENDS).select_related("node")
    open_attempts: dict[UUID, list[Attempt]] = {}
    for row in rows:
        open_attempts.setdefault(row.run_id, []).append(row)
    hosts, dropped = set(), []
    for node in nodes:
        run = run_state.runs[node]
        mine = open_attempts.get(run.pk, [])
        at_work = [attempt for attempt in mine if attempt.status != Attempt.Status.QUEUED]
        if node in run_state.parsed.sweeps and run_state.states[node] == Run.Status.RUNNING:
            # It has no attempt of its own; its trials are stopped next, and it ends with them.
            run_state.set(node, Run.Status.CANCEL_REQUESTED, cancel_requested_by=by, cancel_requested_at=now())
            continue
        for attempt in mine:  # members of one that others are at, too
            if attempt not in at_work:
                attempt.run = run
                dropped.append(attempt)
        if not at_work:
            run_state.touch(node).waiting = []
            run_state.set(node, Run.Status.CANCELED, error=failures.canceled_by(by), cancel_requested_by=by)
        elif run.status != Run.Status.CANCEL_REQUESTED:
            Attempt.objects.filter(pk__in=[each.pk for each in at_work]).update(cancel_requested_at=now())
            run.move(Run.Status.CANCEL_REQUESTED, cancel_requested_by=by, cancel_requested_at=now())
            run_state.states[node] = Run.Status.CANCEL_REQUESTED
            hosts |= {each.host_id for each in at_work}
    _drop(dropped)
    run_state.save()
    _wake(hosts)


def _drop(attempts: Sequence[Attempt]) -> None:
    """No agent has them yet: they end here, and give back the nodes that they may have been promised."""
    Attempt.move_all(attempts, Attempt.Status.CANCELED, finished_at=now(), cause="canceled")
    nodes.free_nodes(attempts)
    for attempt in attempts:
        place_after(attempt.run, attempt.compute_target_id)


def _wake(host_ids: Iterable[object]) -> None:
    for name, is_local in Host.objects.filter(pk__in=list(host_ids)).values_list("name", "is_local"):
        wakeups.wake_host(name, by_queue=is_local)
