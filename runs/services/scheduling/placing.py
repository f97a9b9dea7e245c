"""Give queued attempts a node: read the rows, ask the pure placement, write its answer, ring the hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber

from compute import placement
from compute.fair_queue import User
from compute.models import ComputeTarget, Host, Node
from compute.placement_types import Assignment, NewNode, PlacementRequest, Size
from core import outbox, words
from core.clock import now
from core.ids import uuid7
from core.prepared import Prepared
from core.work import later
from runs.models import Attempt
from runs.services.scheduling import affinity, cluster_state, conda_hosts
from runs.services.scheduling.cluster_state import ClusterState, waiting

GIVEN = ["node", "host", "node_name", "launcher", "warnings"]


@transaction.atomic
@words.stored()
def place() -> int:
    """One round over all that waits: how many attempts got a node. Reads no more of the queue than could be placed.

    A round looks at every cluster that is waited for: they share hosts, and who comes first is decided among them.
    Clusters, then hosts are locked, so rounds of several processes give nothing twice.
    """
    targets = cluster_state.targets_waited_for()
    if not targets:
        return 0
    found = cluster_state.read(targets, lock=True)
    moment = now()
    queue = heads(found, moment)
    if not queue:
        return 0
    needs = needs_of(queue, found)
    held = held_by(needs, found)
    needs = affinity.add(needs, held, queue, found)
    answer = placement.place(needs, found.clusters, found.slots, found.machines, held, moment)
    return _give(answer.given, {attempt.pk: attempt for attempt in queue}, found)


def heads(found: ClusterState, moment: datetime) -> list[Attempt]:
    """Of each user's line before each cluster as many as the cluster could take now, if nobody else waited."""
    free = {key: left for key in found.targets if (left := found.room_of(key))}
    if not free or not found.machines:
        return []
    if len(free) == 1:  # as after each end of a step where one cluster is waited for
        return _HEADS_OF_ONE.all(*free, moment, *free.values())
    return list(_heads(waiting().filter(compute_target__in=free), moment, max(free.values())))


def _heads(queue: QuerySet[Attempt], moment: datetime, most: int) -> QuerySet[Attempt]:
    turn = Window(
        RowNumber(),
        partition_by=[F("compute_target"), F("user")],
        order_by=[F("priority").desc(), F("id").asc()],
    )
    ready = queue.filter(Q(not_before__isnull=True) | Q(not_before__lte=moment))
    rows = ready.annotate(turn=turn, environment=F("run__step__environment_version_id")).filter(turn__lte=most)
    return rows.only("id", "compute_target", "priority", "user", "run", "not_before", "warnings").order_by("id")


_HEADS_OF_ONE: Prepared[Attempt] = Prepared(
    lambda target, moment, most: _heads(waiting().filter(compute_target=target), moment, most), UUID, datetime, int
)


def needs_of(queue: Sequence[Attempt], found: ClusterState) -> list[PlacementRequest]:
    """What these attempts ask for. Where they would like to run is added by wishes.add()."""
    with_conda = conda_hosts.asking(queue)
    return [
        PlacementRequest(
            attempt.pk,
            attempt.compute_target_id,  # type: ignore[arg-type]
            attempt.priority,
            attempt.user_id,
            not_before=attempt.not_before,
            conda=attempt.pk in with_conda,
        )
        for attempt in queue
    ]


def held_by(needs: Sequence[PlacementRequest], found: ClusterState) -> dict[User, Size]:
    """What each user's running steps reserve; nobody asks while only one user waits."""
    if len({need.user for need in needs}) < 2:
        return {}
    takes = {slot.id: slot.takes for slot in found.slots if slot.is_busy}
    rows = Attempt.objects.filter(node__in=takes).exclude(status__in=Attempt.ENDS).values_list("user_id", "node_id")
    held: dict[User, Size] = {}
    for user, node in rows:
        held[user] = held.get(user, Size()) + takes[node]
    return held


def make_node(target: ComputeTarget, new: NewNode, gpus: Sequence[str] = ()) -> Node:
    """A node on this host comes at once: preparing takes no artificial time."""
    key = uuid7()
    return Node(
        id=key,
        compute_target=target,
        host_id=new.machine,
        name=f"{target.name}-{key.hex[-6:]}",
        cores=new.takes.cores,
        memory=new.takes.memory,
        gpus=list(gpus),
        warning=new.warning,
        status=Node.Status.IDLE,
        idle_since=now(),
    )


def free_node(attempt: Attempt) -> None:
    """The attempt is over: its node is idle again. Called inside the transaction that ends the attempt.

    The node is looked up, not taken from the object: a round may have given one while the attempt was being canceled.
    """
    mine = Attempt.objects.filter(pk=attempt.pk).values("node")
    Node.objects.filter(pk__in=mine, status=Node.Status.RUNNING).update(status=Node.Status.IDLE, idle_since=now())


def free_nodes(attempts: Sequence[Attempt]) -> None:
    """The same of many at once."""
    mine = Attempt.objects.filter(pk__in=[attempt.pk for attempt in attempts], node__isnull=False).values("node")
    if attempts:
        Node.objects.filter(pk__in=mine, status=Node.Status.RUNNING).update(status=Node.Status.IDLE, idle_since=now())


def remove(nodes: Sequence[Node]) -> None:
    """Let these nodes go."""
    if nodes:
        Node.move_all(nodes, Node.Status.LEAVING)
        Node.objects.filter(pk__in=[node.pk for node in nodes]).delete()


def tell(targets: Iterable[ComputeTarget]) -> None:
    """Pages of these clusters look again."""
    for name in {target.workspace.name for target in targets}:
        outbox.hint(f"list:{name}:compute")


def _give(given: Sequence[Assignment], queue: dict[UUID, Attempt], found: ClusterState) -> int:
    if not given:
        return 0
    remove([found.nodes[each.leaves] for each in given if each.leaves])
    nodes = {each.need: _node(each, found) for each in given}
    Node.objects.bulk_create([nodes[each.need] for each in given if each.slot is None])
    moved = any(each.slot and list(each.gpus) != found.nodes[each.slot].gpus for each in given)
    for each in given:
        nodes[each.need].gpus = list(each.gpus)
    Node.move_all(list(nodes.values()), Node.Status.RUNNING, fields=["gpus"] if moved else (), idle_since=None)
    for each in given:
        _assign(queue[each.need], nodes[each.need], found.hosts[each.node.machine])
    taken = _write([queue[each.need] for each in given])
    tell(found.targets[each.cluster] for each in given)
    for workspace, machine in {(found.targets[each.cluster].workspace.name, each.node.machine) for each in given}:
        outbox.hint(f"uses:{workspace}:{machine}")
    for host in {found.hosts[each.node.machine] for each in given}:
        ring_host(host.name, by_queue=host.is_local)
    return taken


def _node(place_: Assignment, found: ClusterState) -> Node:
    if place_.slot is not None:
        return found.nodes[place_.slot]
    return make_node(found.targets[place_.cluster], place_.node, place_.gpus)


def _assign(attempt: Attempt, node: Node, host: Host) -> None:
    attempt.node, attempt.host, attempt.node_name, attempt.launcher = node, host, node.name, host.launcher
    if node.warning and node.warning not in attempt.warnings:
        attempt.warnings = [*attempt.warnings, node.warning]


def _write(attempts: Sequence[Attempt]) -> int:
    """Write the places of those that still wait; the nodes of those that were canceled meanwhile are idle again."""
    if len(attempts) == 1:
        one = attempts[0]
        written = waiting().filter(pk=one.pk).update(**{name: getattr(one, name) for name in GIVEN})
    else:
        written = _write_many(attempts)
    if written < len(attempts):
        nodes = {attempt.node_id: attempt.node for attempt in attempts}
        kept = Attempt.objects.filter(node__in=nodes).values_list("node_id", flat=True)
        left = [node for key, node in nodes.items() if node is not None and key not in set(kept)]
        Node.move_all(left, Node.Status.IDLE, idle_since=now())
    return written


def _write_many(attempts: Sequence[Attempt]) -> int:
    """Only the node is told row by row: what follows from it the database takes from the node's own row, since building
    a case of each field for each attempt took longer than all the rest of a round."""
    written = waiting().bulk_update(attempts, ["node"], batch_size=100)
    given = Attempt.objects.filter(node__in=[attempt.node_id for attempt in attempts])
    node = Node.objects.filter(pk=OuterRef("node"))
    given.update(
        host=Subquery(node.values("host")),
        node_name=Subquery(node.values("name")),
        launcher=Subquery(node.values("host__launcher")),
    )
    warned = [attempt for attempt in attempts if attempt.node is not None and attempt.node.warning]
    if warned:
        given.bulk_update(warned, ["warnings"], batch_size=100)
    return written


# The host whose call is being answered: the answer itself brings it its work.
_talking_to: ContextVar[str] = ContextVar("talking_to", default="")


@contextmanager
def talking_to(host: str) -> Iterator[None]:
    """For the length of the block that host's bell need not ring."""
    token = _talking_to.set(host)
    try:
        yield
    finally:
        _talking_to.reset(token)


def ring_host(name: str, *, by_queue: bool) -> None:
    """Tell a host's agent to ask for work: by the long poll it may be holding, and by its Celery queue, if it has one.

    To a queue that nobody reads, bells would be added for ever: only the studio's own machine knows the broker.
    Hosts of two workspaces may have one name, and one bell with it: then both look, and find what is theirs.
    """
    if name == _talking_to.get():
        return
    if by_queue:
        later("agent.bell", queue=f"host.{name}")
    outbox.hint(f"host:{name}")
