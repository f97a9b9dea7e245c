"""Give queued attempts a node: read the rows, ask the pure placement, write its answer, wake the hosts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber

from compute import placement
from compute.fair_queue import User
from compute.models import Host, Node
from compute.placement_types import NOTHING, Assignment, PlacementRequest, Size
from core import outbox, sentences, words
from core.clock import now
from core.prepared import Prepared
from runs.models import Attempt
from runs.queries.clusters import waiting
from runs.services.scheduling import abilities, affinity, cluster_state, nodes, wakeups
from runs.services.scheduling.cluster_state import ClusterState

# What the members of a try have in common.
SHARED = (
    "run_id",
    "workspace_id",
    "number",
    "compute_target_id",
    "priority",
    "user_id",
    "needs",
    "queued_at",
    "node_count",
)
HEAD = ("id", *SHARED, "node_rank", "min_nodes", "not_before", "warnings")
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
    answer = placement.place(needs, found.clusters, found.slots, found.host_states, held, moment)
    return _give(answer.given, {attempt.pk: attempt for attempt in queue}, found)


def heads(found: ClusterState, moment: datetime) -> list[Attempt]:
    """Of each user's queue before each cluster as many as the cluster could take now, if nobody else waited."""
    free = {key: left for key in found.targets if (left := found.capacity_of(key))}
    if not free or not found.host_states:
        return []
    if len(free) == 1:  # as after each end of a step where one cluster is waited for
        return _HEADS_OF_ONE.all(*free, moment, *free.values())
    return list(_heads(waiting().filter(compute_target__in=free), moment, max(free.values())))


def _heads(queue: QuerySet[Attempt], moment: datetime, most: int) -> QuerySet[Attempt]:
    turn = Window(
        RowNumber(),
        # What needs several nodes at once may be passed over, and keeps nobody's place.
        partition_by=[F("compute_target"), F("user"), F("min_nodes")],
        order_by=[F("priority").desc(), F("id").asc()],
    )
    ready = queue.filter(Q(not_before__isnull=True) | Q(not_before__lte=moment))
    rows = ready.annotate(turn=turn, environment=F("run__step__environment_version_id")).filter(turn__lte=most)
    return rows.only(*HEAD).order_by("id")


_HEADS_OF_ONE: Prepared[Attempt] = Prepared(
    lambda target, moment, most: _heads(waiting().filter(compute_target=target), moment, most), UUID, datetime, int
)


def needs_of(queue: Sequence[Attempt], found: ClusterState) -> list[PlacementRequest]:
    """What these attempts ask for. Where they would best run is added by affinity.add()."""
    needed = abilities.needed_by(queue)
    return [
        PlacementRequest(
            attempt.pk,
            attempt.compute_target_id,  # type: ignore[arg-type]
            attempt.priority,
            attempt.user_id,
            not_before=attempt.not_before,
            needs=needed.get(attempt.pk, NOTHING),
            nodes=attempt.min_nodes,
            since=attempt.queued_at,
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


def _give(given: Sequence[Assignment], queue: dict[UUID, Attempt], found: ClusterState) -> int:
    if not given:
        return 0
    nodes.remove([found.nodes[each.leaves] for each in given if each.leaves])
    given_nodes = [(each, _node(each, found)) for each in given]
    Node.objects.bulk_create([node for each, node in given_nodes if each.slot is None])
    moved = any(each.slot and list(each.gpus) != found.nodes[each.slot].gpus for each in given)
    members: dict[UUID, list[Attempt]] = {}
    for each, node in given_nodes:
        node.gpus = list(each.gpus)
        mine = members.setdefault(each.need, [])
        mine.append(queue[each.need] if not mine else _member(queue[each.need], len(mine)))
        _assign(mine[-1], node, found.hosts[each.node.host])
    Node.move_all(
        [node for _, node in given_nodes], Node.Status.RUNNING, fields=["gpus"] if moved else (), idle_since=None
    )
    taken = _write([queue[need] for need in members])
    _add_members(members)
    nodes.tell(found.targets[each.cluster] for each in given)
    for workspace, host_id in {(found.targets[each.cluster].workspace.name, each.node.host) for each in given}:
        outbox.hint(f"uses:{workspace}:{host_id}")
    for workspace, cluster in {(found.targets[each.cluster].workspace.name, each.cluster) for each in given}:
        outbox.hint(f"holds:{workspace}:{cluster}")
    for host in {found.hosts[each.node.host] for each in given}:
        wakeups.wake_host(host.name, by_queue=host.is_local)
    return taken


def _member(head: Attempt, rank: int) -> Attempt:
    return Attempt(**{name: getattr(head, name) for name in SHARED}, node_rank=rank, min_nodes=head.min_nodes)


def _add_members(placed: dict[UUID, list[Attempt]]) -> None:
    """The rows of the members beside the first: of those that begin together with their nodes, of the others as steps that wait
    for theirs. Where the first was canceled meanwhile there are none, and their nodes are idle again."""
    several = {key: mine for key, mine in placed.items() if mine[0].node_count > 1 and not mine[0].node_rank}
    if not several:
        return
    there = set(Attempt.objects.filter(pk__in=several, node__isnull=False).values_list("pk", flat=True))
    left = [one.node for key, mine in several.items() if key not in there for one in mine[1:] if one.node is not None]
    Node.move_all(left, Node.Status.IDLE, idle_since=now())
    rows = [one for key in there for one in several[key][1:]]
    for head in (several[key][0] for key in there):
        if not head.is_gang:
            rows += [_member(head, rank) for rank in range(1, head.node_count)]
    Attempt.objects.bulk_create(rows)


def _node(place_: Assignment, found: ClusterState) -> Node:
    if place_.slot is not None:
        return found.nodes[place_.slot]
    return nodes.make_node(found.targets[place_.cluster], place_.node, place_.gpus)


def _assign(attempt: Attempt, node: Node, host: Host) -> None:
    attempt.node, attempt.host, attempt.node_name, attempt.launcher = node, host, node.name, host.launcher
    if node.warning:
        attempt.warnings = sentences.once([*attempt.warnings, node.kept_warning])


def _write(attempts: Sequence[Attempt]) -> int:
    """Write the places of those that still wait; the nodes of those that were canceled meanwhile are idle again."""
    if len(attempts) == 1:
        one = attempts[0]
        written = waiting().filter(pk=one.pk).update(**{name: getattr(one, name) for name in GIVEN})
    else:
        written = _write_many(attempts)
    if written < len(attempts):
        given = {attempt.node_id: attempt.node for attempt in attempts}
        kept = Attempt.objects.filter(node__in=given).values_list("node_id", flat=True)
        left = [node for key, node in given.items() if node is not None and key not in set(kept)]
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
