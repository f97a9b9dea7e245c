"""Cancel is a row with an author; the agent that holds the attempt stops the tree and reports the proof."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from core import slices
from core.clock import now
from runs.models import Attempt, Run
from runs.services import failures, placing
from runs.services.board import Board, learn
from runs.services.changes import changing, place_after
from runs.services.progress import carry_forward
from workspaces.access import Room, require_run
from workspaces.models import Role

A = Attempt.Status
S = Run.Status


def cancel_run(room: Room, run: Run) -> Run:
    """Cancel a run, or one step of it. Canceling what is over changes nothing."""
    room.require(Role.CONTRIBUTOR)
    require_run(room, run)
    learn(run.root_id)
    with changing(run.root_id or run.pk) as root:
        mine = root if run.pk == root.pk else Run.objects.select_related("step").defer("graph").get(pk=run.pk)
        if mine.is_final:
            return mine
        mine.root = root
        _cancel(root, mine, room.actor)
    mine.refresh_from_db()
    return mine


def cancel_tree(root_id: UUID, by: str) -> None:
    """Cancel a whole run, in somebody's name. What is over stays as it is."""
    learn(root_id)
    with changing(root_id) as root:
        if not root.is_final and not root.is_hidden:
            _cancel(root, root, by)


def cancel_steps(root_id: UUID, nodes: Sequence[str], by: str) -> None:
    """Cancel some steps of one run, in somebody's name; many of them slice by slice."""
    learn(root_id)
    for part in slices.of(nodes):
        with changing(root_id) as root:
            if root.is_final or root.is_hidden:
                return
            board = Board(root)
            open_ones = [node for node in part if board.states.get(node) not in Run.ENDS]
            board.need(open_ones)
            stop_steps(board, open_ones, by=by)
            carry_forward(root)


def _cancel(root: Run, run: Run, by: str) -> None:
    """Of a large run the first slice of steps here; a worker goes on with the others."""
    if run.kind in (Run.Kind.INTERACTIVE, Run.Kind.CHILD):
        run.move(S.CANCELED, finished_at=now(), cancel_requested_by=by, cancel_requested_at=now())
        return
    if run is root:
        _request(root, by)
    else:
        board = Board(root)
        board.need([run.step.node_id])
        stop_steps(board, [run.step.node_id], by=by)
    carry_forward(root)


def _request(root: Run, by: str) -> None:
    """Write down who and when. A pipeline goes to CancelRequested until its steps have ended."""
    Run.objects.filter(pk=root.pk).update(cancel_requested_by=by, cancel_requested_at=now())
    root.cancel_requested_by, root.cancel_requested_at = by, now()
    if root.kind == Run.Kind.PIPELINE and root.may(S.CANCEL_REQUESTED):
        root.move(S.CANCEL_REQUESTED)


def stop_steps(board: Board, nodes: Sequence[str], *, by: str) -> None:
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
    from compute.models import Host

    for name, is_local in Host.objects.filter(pk__in=list(host_ids)).values_list("name", "is_local"):
        placing.ring_host(name, by_queue=is_local)
