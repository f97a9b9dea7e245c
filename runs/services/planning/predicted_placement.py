"""Where the steps of a plan would be placed now, and what they would wait for, by the function that places real steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from compute import placement
from compute.blockers import fair_share, queued
from compute.capacity import FreeCapacity
from compute.fair_queue import User, in_order
from compute.models import ComputeTarget
from compute.placement_types import Abilities, Cluster, Placement, PlacementRequest, Reason, Size, capacity
from core.clock import now
from core.ids import uuid7
from runs.queries.clusters import waiting
from runs.services.scheduling import affinity, cluster_state
from runs.services.scheduling.cluster_state import ClusterState
from runs.services.scheduling.placing import heads, held_by, needs_of
from runs.services.scheduling.waiting import visible_to_workspace, whole_queue
from workspaces.access import WorkspaceContext

Kind = tuple[UUID, Abilities, int]


@dataclass(frozen=True)
class StepToPlace:
    """A step of a plan that would be placed: its cluster, what only some hosts can do, its environment, and with how many nodes
    it begins at the least."""

    node: str
    target: ComputeTarget
    needs: Abilities
    environment: UUID | None
    nodes: int = 1

    @property
    def kind(self) -> Kind:
        return self.target.pk, self.needs, self.nodes


@dataclass(frozen=True)
class PredictedPlacement:
    """The hosts of the nodes that a step would be given now, or why it would wait."""

    hosts: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()

    @property
    def host(self) -> str | None:
        """That of its first node."""
        return self.hosts[0] if self.hosts else None


@dataclass(frozen=True)
class Predictions:
    """`now`: of the steps that start at once; `later`: of the others, as if it were their turn now, by kind of step.

    `most_at_once`: how many steps a cluster runs at once at most, by the nodes that it may have and its hosts have room for.
    """

    now: Mapping[str, PredictedPlacement]
    later: Mapping[Kind, PredictedPlacement]
    most_at_once: Mapping[UUID, int]


def predict(
    context: WorkspaceContext, starting: Sequence[StepToPlace], others: Sequence[StepToPlace], priority: int
) -> Predictions:
    """What the next round of placement would do with the steps that start, beside all that waits already; in a number of
    statements that does not depend on how many there are."""
    wanted = {each.target.pk for each in (*starting, *others)}
    if not wanted:
        return Predictions({}, {}, {})
    waited_for = Exists(waiting().filter(compute_target=OuterRef("pk")))
    rows = cluster_state.targets_that(waited_for | Q(pk__in=wanted), lock=False)
    found = visible_to_workspace(cluster_state.read(rows, lock=False, all_hosts=True), context.workspace.pk)
    user = context.user.pk if context.user else None
    ready = affinity.having({each.environment for each in starting if each.environment}, list(found.hosts.values()))
    mine = {each.node: _request(each, priority, user, context.person, ready) for each in starting}
    moment = now()
    queue = needs_of(heads(found, moment), found)
    needs = [*queue, *mine.values()]
    held = held_by(needs, found)
    answer = placement.place(needs, found.clusters, found.slots, found.host_states, held, moment)
    hosts = _hosts_of(answer, found)
    lines = {
        key: _position_in_queue(key, mine.values(), found)
        for key in {n.cluster for n in mine.values() if n.id not in hosts}
    }
    placed = {
        node: PredictedPlacement(hosts[need.id])
        if need.id in hosts
        else PredictedPlacement((), (*answer.reasons(need.id), *lines[need.cluster]))
        for node, need in mine.items()
    }
    later = {each.kind: _predict_alone(each, priority, user, found) for each in others}
    free = FreeCapacity(found.clusters, [], found.host_states)
    return Predictions(placed, later, {cluster.id: _most_at_once(cluster, free) for cluster in found.clusters})


def _request(
    asked: StepToPlace, priority: int, user: UUID | None, who: str, ready: Mapping[UUID, frozenset[UUID]]
) -> PlacementRequest:
    preferred = ready.get(asked.environment, frozenset()) if asked.environment else frozenset()
    target, needs, nodes = asked.target.pk, asked.needs, asked.nodes
    return PlacementRequest(
        uuid7(), target, priority, user, who, ready=preferred, needs=needs, nodes=nodes, since=now()
    )


def _hosts_of(answer: Placement, found: ClusterState) -> dict[UUID, tuple[str, ...]]:
    """Of each request that is given its nodes their hosts, each once, in the order of the nodes."""
    hosts: dict[UUID, dict[str, None]] = {}
    for given in answer.given:
        hosts.setdefault(given.need, {})[found.hosts[given.node.host].name] = None
    return {need: tuple(names) for need, names in hosts.items()}


def _position_in_queue(target: UUID, mine: Iterable[PlacementRequest], found: ClusterState) -> tuple[Reason, ...]:
    """Where in the queue of the cluster the first of these steps would be."""
    own = [need for need in mine if need.cluster == target]
    line = [*whole_queue(target), *own]
    held: Mapping[User, Size] = held_by(line, found)
    cluster = next(each for each in found.clusters if each.id == target)
    ordered = in_order(line, held, capacity(found.host_states), cluster.size)
    first = min(own, key=ordered.index)
    return (*fair_share(first, ordered, held), queued(first, ordered, cluster, None))


def _predict_alone(asked: StepToPlace, priority: int, user: UUID | None, found: ClusterState) -> PredictedPlacement:
    """Where it would be placed if no other step waited."""
    need = replace(_request(asked, priority, user, "", {}))
    answer = placement.place([need], found.clusters, found.slots, found.host_states)
    hosts = _hosts_of(answer, found).get(need.id, ())
    return PredictedPlacement(hosts, () if hosts else answer.reasons(need.id))


def _most_at_once(cluster: Cluster, free: FreeCapacity) -> int:
    """How many steps run at once on a cluster; all its nodes where no host is known."""
    return free.most_nodes(cluster) or cluster.max_nodes
