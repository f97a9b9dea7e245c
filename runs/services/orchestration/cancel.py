"""Cancel is a row with an author; the agent that holds the attempt stops the tree and reports the proof."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from core import slices
from core.clock import now
from runs.models import Run
from runs.queries.graphs import parse_graph
from runs.services.orchestration.progress import carry_forward
from runs.services.orchestration.run_state import RunState
from runs.services.orchestration.run_transaction import run_transaction
from runs.services.orchestration.stopping import stop_steps
from workspaces.access import WorkspaceContext, require_run
from workspaces.models import Role


def cancel_run(context: WorkspaceContext, run: Run) -> Run:
    """Cancel a run, or one step of it. Canceling what is over changes nothing."""
    context.require(Role.CONTRIBUTOR)
    require_run(context, run)
    parse_graph(run.root_id)
    with run_transaction(run.root_id or run.pk) as root:
        mine = root if run.pk == root.pk else Run.objects.select_related("step").defer("graph").get(pk=run.pk)
        if mine.is_final:
            return mine
        mine.root = root
        _cancel(root, mine, context.actor)
    mine.refresh_from_db()
    return mine


def cancel_tree(root_id: UUID, by: str) -> None:
    """Cancel a whole run, in somebody's name. What is over stays as it is."""
    parse_graph(root_id)
    with run_transaction(root_id) as root:
        if not root.is_final and not root.is_hidden:
            _cancel(root, root, by)


def cancel_steps(root_id: UUID, nodes: Sequence[str], by: str) -> None:
    """Cancel some steps of one run, in somebody's name; many of them slice by slice."""
    parse_graph(root_id)
    for part in slices.of(nodes):
        with run_transaction(root_id) as root:
            if root.is_final or root.is_hidden:
                return
            run_state = RunState(root)
            open_ones = [node for node in part if run_state.states.get(node) not in Run.ENDS]
            run_state.need(open_ones)
            stop_steps(run_state, open_ones, by=by)
            carry_forward(root)


def _cancel(root: Run, run: Run, by: str) -> None:
    """Of a large run the first slice of steps here; a worker goes on with the others."""
    if run.kind in (Run.Kind.INTERACTIVE, Run.Kind.CHILD):
        run.move(Run.Status.CANCELED, finished_at=now(), cancel_requested_by=by, cancel_requested_at=now())
        return
    if run is root:
        _request(root, by)
    else:
        run_state = RunState(root)
        run_state.need([run.step.node_id])
        stop_steps(run_state, [run.step.node_id], by=by)
    carry_forward(root)


def _request(root: Run, by: str) -> None:
    """Write down who and when. A pipeline goes to CancelRequested until its steps have ended."""
    Run.objects.filter(pk=root.pk).update(cancel_requested_by=by, cancel_requested_at=now())
    root.cancel_requested_by, root.cancel_requested_at = by, now()
    if root.kind == Run.Kind.PIPELINE and root.may(Run.Status.CANCEL_REQUESTED):
        root.move(Run.Status.CANCEL_REQUESTED)
