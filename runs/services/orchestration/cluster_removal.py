"""A node that a person removes under its step, and a cluster that is deleted while it is in use."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from compute.models import ComputeTarget, Node
from compute.services.targets import find_target, remove
from core import slices
from core.clock import now
from core.errors import Conflict, NotFound
from core.prepared import Probe
from runs.models import Attempt, Run
from runs.queries.clusters import use_of
from runs.queries.graphs import parse_graph
from runs.services.orchestration import failures
from runs.services.orchestration.cancel import cancel_steps
from runs.services.orchestration.run_transaction import place_after, run_transaction
from runs.services.scheduling import nodes, wakeups
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.services import audit

REMOVED = "node_removed"
BY = "the studio, since its cluster was deleted"
# A request that deletes a cluster cancels so many runs' steps itself; the ticker goes on with the others.
AT_ONCE = 50


def remove_node(context: WorkspaceContext, cluster: str, node_id: UUID) -> Node | None:
    """Take one node away; it, if it is still leaving. Raises NotFound.

    An idle one goes at once. The step of a busy one is stopped on its host and its attempt ends as lost, so that
    policy decides on a retry; the node holds what it held until then. A step that no agent has yet waits again.
    """
    context.require(Role.CONTRIBUTOR).require_person()
    target = find_target(context.workspace, cluster)
    attempt = _open_on(node_id)
    if attempt is None:
        return _remove(context, target, node_id, None)

    parse_graph(attempt.run.root_id)
    with run_transaction(attempt.run.root_id) as root:
        again = Attempt.objects.select_related("run", "host").filter(pk=attempt.pk, node=node_id).first()
        still = again if again is not None and not again.is_final else None
        if still is not None:
            still.run.root = root
            place_after(still.run, target.pk)
        return _remove(context, target, node_id, still)


@transaction.atomic
def _remove(context: WorkspaceContext, target: ComputeTarget, node_id: UUID, attempt: Attempt | None) -> Node | None:
    ComputeTarget.objects.select_for_update(no_key=True).get(pk=target.pk)  # no round gives it away meanwhile
    node = Node.objects.filter(pk=node_id, compute_target=target).first()
    if node is None:
        raise NotFound(
            _("Cluster '%(target)s' has no such node. It may have left a moment ago.") % {"target": target.name},
            code="no_node",
        )
    if node.status == Node.Status.RUNNING and attempt is None:
        raise Conflict(_("Node %(node)s has just been given a step. Try again.") % {"node": node.name}, code="busy")
    audit.note(context, "compute.node_removed", node.name, cluster=target.name)
    nodes.tell([target])
    if attempt is None or _waits_again(attempt):
        nodes.remove([node] if node.status != Node.Status.LEAVING else [])
        return None
    if node.status == Node.Status.RUNNING:
        node.move(Node.Status.LEAVING)
    who = {"node": node.name, "who": context.actor}
    host = str(attempt.host) if attempt.host else ""
    message = (
        failures.sentence("node_removed_on", host=host, **who) if host else failures.sentence("node_removed", **who)
    )
    Attempt.objects.filter(pk=attempt.pk).update(cancel_requested_at=now(), cause=REMOVED, **message)
    if attempt.host is not None:
        wakeups.wake_host(attempt.host.name, by_queue=attempt.host.is_local)
    return node


def _waits_again(attempt: Attempt) -> bool:
    """No agent has it: it goes back to the queue. Whether it was so, told by the row itself."""
    back = Attempt.objects.filter(pk=attempt.pk, status=Attempt.Status.QUEUED)
    return not attempt.is_gang and bool(back.update(node=None, host=None, node_name="", launcher=""))


def _open_on(node_id: UUID) -> Attempt | None:
    rows = Attempt.objects.select_related("run").defer("run__graph").exclude(status__in=Attempt.ENDS)
    return rows.filter(node=node_id).first()


def judged(attempt: Attempt, status: str, facts: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The verdict on an attempt whose node was removed: stopped by that it is lost, not canceled."""
    if attempt.cause != REMOVED:
        return status, facts
    if status != Attempt.Status.CANCELED:  # it ended by itself before it could be stopped
        return status, {"cause": "", "message": "", "said": None, **facts}
    return Attempt.Status.LOST, {**facts, "cause": REMOVED, "message": attempt.message, "said": attempt.said}


def clear(target_id: UUID, by: str = BY, most: int = AT_ONCE) -> int:
    """Cancel what runs on a cluster and waits for it, run by run, a slice of steps at most; how many runs still have such steps."""
    rows = Attempt.objects.filter(compute_target=target_id).exclude(status__in=Attempt.ENDS)
    rows = rows.exclude(run__status=Run.Status.CANCEL_REQUESTED).order_by("run__root_id")
    by_root: dict[UUID, list[str]] = defaultdict(list)
    for root, node in rows.values_list("run__root_id", "run__step__node_id"):
        if root is not None and node not in by_root[root]:
            by_root[root].append(node)
    left, done = slices.SLICE, 0
    for root, graph_nodes in list(by_root.items())[:most]:
        if left <= 0:
            break
        cancel_steps(root, graph_nodes[:left], by)
        done += len(graph_nodes) <= left
        left -= len(graph_nodes)
    return len(by_root) - done


_DELETED = Probe(lambda: ComputeTarget.objects.filter(max_nodes=0))


def finish_leaving() -> int:
    """The clusters that are being deleted: cancel what is left, and let those go on which nothing runs any more."""
    gone = 0
    if not _DELETED():
        return gone
    for target in ComputeTarget.objects.filter(max_nodes=0).select_related("workspace"):
        clear(target.pk)
        gone += _let_go(target)
    return gone


@transaction.atomic
def _let_go(target: ComputeTarget) -> int:
    locked = ComputeTarget.objects.select_for_update().filter(pk=target.pk, max_nodes=0).first()
    if locked is None or use_of(locked):
        return 0
    remove(locked)
    return 1


_LEAVING = Probe(lambda: Node.objects.filter(status=Node.Status.LEAVING))


def drop_left() -> int:
    """Nodes that were removed under their step, and whose step has ended since."""
    if not _LEAVING():
        return 0
    open_on = Attempt.objects.exclude(status__in=Attempt.ENDS).filter(node__isnull=False).values("node")
    rows = Node.objects.filter(status=Node.Status.LEAVING).exclude(pk__in=open_on)
    left = list(rows.select_related("compute_target__workspace"))
    if left:
        Node.objects.filter(pk__in=[node.pk for node in left]).delete()
        nodes.tell({node.compute_target_id: node.compute_target for node in left}.values())
    return len(left)
