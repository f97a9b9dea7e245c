"""Give queued attempts a node: read the rows, ask the pure placement, write its answer, ring the hosts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, QuerySet, Sum

from compute import placement
from compute.models import ComputeTarget, Host, Node
from core import journal
from core.clock import now
from core.ids import uuid7
from core.lifecycle import write_all
from core.work import later
from runs.models import Attempt

PRESENT = (Node.Status.PREPARING, Node.Status.IDLE, Node.Status.RUNNING, Node.Status.UNUSABLE)


@transaction.atomic
def place(target_id: UUID) -> int:
    """Place what waits for one cluster; how many attempts got a node. Reads no more of the queue than could be placed."""
    target = (
        ComputeTarget.objects.select_for_update(no_key=True, of=("self",))
        .select_related("workspace")
        .filter(pk=target_id)
        .first()
    )
    if target is None:
        return 0
    queue = list(waiting_for(target)[: max(1, target.max_nodes)])
    if not queue:
        return 0
    answer, hosts, idle = ask(target, [attempt.pk for attempt in queue])
    attempts = {attempt.pk: attempt for attempt in queue}
    given = [(attempts[step], idle[node]) for step, node in answer.reused]
    made = [(attempts[step], make_node(target, new, hosts)) for step, new in answer.made]
    Node.objects.bulk_create([node for _, node in made])
    _give([*given, *made])
    if given or made:
        journal.hint(f"list:{target.workspace.name}:compute")
    return len(given) + len(made)


def waiting_for(target: ComputeTarget) -> QuerySet[Attempt]:
    """The queue of a cluster: first come, first served."""
    return Attempt.objects.filter(compute_target=target, status=Attempt.Status.QUEUED, node__isnull=True).order_by("id")


class Asked(NamedTuple):
    """The pure placement's answer, and the rows that it speaks of."""

    answer: placement.Placement
    hosts: dict[UUID, Host]
    idle: dict[UUID, Node]


def ask(target: ComputeTarget, queue: Sequence[UUID]) -> Asked:
    """Ask the pure placement about this queue."""
    hosts = {host.pk: host for host in living_hosts()}
    taken = {
        row["host"]: placement.Size(row["c"] or 0, row["m"] or 0, 0)
        for row in Node.objects.filter(host__in=hosts, status=Node.Status.RUNNING)
        .values("host")
        .annotate(c=Sum("cores"), m=Sum("memory"))
    }
    nodes = list(Node.objects.filter(compute_target=target, status__in=PRESENT).select_related("host"))
    idle = {node.pk: node for node in nodes if node.status == Node.Status.IDLE}
    slots = [placement.IdleNode(n.pk, n.host_id, placement.Size(n.cores, n.memory)) for n in idle.values()]
    machines = [machine_of(host, taken.get(host.pk)) for host in hosts.values()]
    return Asked(placement.place(queue, cluster_of(target), slots, len(nodes), machines), hosts, idle)


def living_hosts() -> Iterable[Host]:
    """Hosts that were heard of within a lease."""
    since = now() - timedelta(seconds=settings.DUTO.lease_seconds)
    return (
        Host.objects.select_for_update(no_key=True)
        .filter(revoked_at__isnull=True, last_seen_at__gte=since)
        .order_by("id")
    )


def cluster_of(target: ComputeTarget) -> placement.Cluster:
    size = placement.Size(target.cores, target.memory, target.gpus)
    return placement.Cluster(
        target.name, size, target.vm_size, target.max_nodes, target.policy == ComputeTarget.Policy.ELASTIC
    )


def reasons(attempt: Attempt) -> list[placement.Reason]:
    """Why a queued attempt waits, blockers in order, worked out now; empty when it does not wait for a place."""
    target = attempt.compute_target
    if attempt.status != Attempt.Status.QUEUED or attempt.node_id is not None or target is None:
        return []
    with transaction.atomic():
        answer = ask(target, [attempt.pk]).answer
    ahead = Attempt.objects.filter(
        compute_target=target, status=Attempt.Status.QUEUED, node__isnull=True, pk__lt=attempt.pk
    ).aggregate(n=Count("id"))["n"]
    queue = (
        [placement.Reason("queue", f"{ahead} steps are ahead of it in the queue of {target.name}.", {"ahead": ahead})]
        if ahead
        else []
    )
    return [*answer.reasons, *queue]


def free_node(attempt: Attempt) -> None:
    """The attempt is over: its node is idle again. Called inside the transaction that ends the attempt."""
    if attempt.node_id is None:
        return
    Node.objects.filter(pk=attempt.node_id, status=Node.Status.RUNNING).update(
        status=Node.Status.IDLE, idle_since=now()
    )


def machine_of(host: Host, taken: placement.Size | None = None) -> placement.Machine:
    taken = taken or placement.Size(0, 0, 0)
    has = placement.Size(host.cores, host.memory, len(host.gpus))
    return placement.Machine(
        host.pk, host.name, has, placement.Size(has.cores - taken.cores, has.memory - taken.memory, has.gpus)
    )


def make_node(target: ComputeTarget, new: placement.NewNode, hosts: dict[UUID, Host]) -> Node:
    """A node on this host comes at once: preparing takes no artificial time."""
    key = uuid7()
    return Node(
        id=key,
        compute_target=target,
        host=hosts[new.machine],
        name=f"{target.name}-{key.hex[-6:]}",
        cores=new.takes.cores,
        memory=new.takes.memory,
        warning=new.warning,
        status=Node.Status.IDLE,
    )


def _give(pairs: Sequence[tuple[Attempt, Node]]) -> None:
    if not pairs:
        return
    Node.move_all([node for _, node in pairs], Node.Status.RUNNING, idle_since=None)
    for attempt, node in pairs:
        attempt.node, attempt.host_id, attempt.node_name = node, node.host_id, node.name
        attempt.warnings = (
            [*attempt.warnings, node.warning]
            if node.warning and node.warning not in attempt.warnings
            else attempt.warnings
        )
    write_all([attempt for attempt, _ in pairs], ["node", "host", "node_name", "warnings"])
    for name in {node.host.name for _, node in pairs}:
        ring_host(name)


# The host whose call is being answered: the answer itself brings it its work.
talking_to: ContextVar[str] = ContextVar("talking_to", default="")


def ring_host(name: str) -> None:
    """Tell a host's agent to ask for work: by its Celery queue, and by the long poll it may be holding."""
    if name == talking_to.get():
        return
    later("agent.bell", queue=f"host.{name}")
    journal.hint(f"host:{name}")
