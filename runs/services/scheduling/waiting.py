"""Why a step waits for a place: what the placement that places would say of it now, and where in the queue it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from compute import placement
from compute.blockers import fair_share, queued
from compute.fair_queue import in_order
from compute.models import ComputeTarget
from compute.placement_types import PlacementRequest, Reason, Size, capacity
from core.clock import iso, now
from runs import queue_reasons, stored_messages
from runs.models import Attempt, Run
from runs.queries.clusters import waiting
from runs.queries.graphs import parsed
from runs.services.scheduling import affinity, cluster_state
from runs.services.scheduling.cluster_state import ClusterState
from runs.services.scheduling.placing import heads, held_by, needs_of
from workspaces.models import User

OTHERS = gettext_lazy("another workspace")
# So many of a list are named in a sentence.
NAMED = 5


def reasons_of(run: Run, tries: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Why a step waits: what its row says, and what placement says now."""
    stored = [{**each, "text": stored_messages.localized(each)} for each in run.step.waiting]
    if not tries:
        return stored or _steps_before(run)
    if tries[-1].is_in_queue:
        last = tries[-1]
        facts = {"reason": last.queue_reason, "position": last.queue_position, "expected_start": iso(last.queue_start)}
        text = queue_reasons.words(last.queue_reason, last.queue_position, last.queue_start)
        known = {name: value for name, value in facts.items() if value is not None}
        return [*stored, {"code": "slurm", "text": text, "facts": known}]
    if tries[-1].status != Attempt.Status.QUEUED:
        return stored
    return [*stored, *({"code": each.code, "text": each.text, "facts": each.facts} for each in reasons(tries[-1]))]


def _steps_before(run: Run) -> list[dict[str, Any]]:
    """The steps that a step waits for, when it has not been started: which, and how far they are."""
    needs = parsed(run.root_id or run.pk).needs.get(run.step.node_id, frozenset())
    if run.is_final or not needs:
        return []
    rows = Run.objects.filter(root=run.root_id, step__node_id__in=needs).exclude(status__in=Run.ENDS).order_by("id")
    names = list(rows.values_list("step__name", "status"))
    if not names:
        return []
    words = {value: str(label).lower() for value, label in Run.Status.choices}
    steps = ", ".join(f"{name} ({words[status]})" for name, status in names[:NAMED])
    if len(names) > NAMED:
        steps += " " + _("and %(n)d more") % {"n": len(names) - NAMED}
    text = ngettext(
        "It waits for %(n)d step before it: %(steps)s.", "It waits for %(n)d steps before it: %(steps)s.", len(names)
    ) % {"n": len(names), "steps": steps}
    return [{"code": "steps", "text": text, "facts": {"steps": len(names)}}]


def reasons(attempt: Attempt) -> list[Reason]:
    """Blockers in order, worked out now, then its place in the queue; empty when it does not wait for a place.

    The same statements however long the queue is. A step that the next round will place has no reason to wait.
    """
    target_id = attempt.compute_target_id
    if attempt.status != Attempt.Status.QUEUED or attempt.node_id is not None or target_id is None:
        return []
    waited_for = Exists(waiting().filter(compute_target=OuterRef("pk")))
    found = cluster_state.read(
        cluster_state.targets_that(waited_for | Q(pk=target_id), lock=False), lock=False, all_hosts=True
    )
    if target_id not in found.targets:
        return []
    found = visible_to_workspace(found, found.targets[target_id].workspace_id)
    moment = now()
    queue = heads(found, moment)
    queue = queue if attempt.pk in {each.pk for each in queue} else [*queue, attempt]
    needs, all_waiting = needs_of(queue, found), _whole_queue_with(target_id, attempt)
    held = held_by([*needs, *all_waiting], found)
    needs = affinity.add(needs, held, queue, found)
    answer = placement.place(needs, found.clusters, found.slots, found.host_states, held, moment)
    blockers = answer.reasons(attempt.pk)
    if not blockers:
        return []
    cluster = next(each for each in found.clusters if each.id == target_id)
    all_ = capacity(found.host_states)
    ordered = in_order(all_waiting, held, all_, cluster.size)
    mine = next(need for need in ordered if need.id == attempt.pk)
    return [*blockers, *fair_share(mine, ordered, held), queued(mine, ordered, cluster, attempt.queued_at)]


def _whole_queue_with(target_id: UUID, attempt: Attempt) -> list[PlacementRequest]:
    found = whole_queue(target_id)
    if attempt.pk not in {each.id for each in found}:  # placed or canceled a moment ago
        found.append(PlacementRequest(attempt.pk, target_id, attempt.priority, attempt.user_id))
    return found


def whole_queue(target_id: UUID) -> list[PlacementRequest]:
    """Everybody who waits for the cluster, by three columns each, with names for those who share it."""
    rows = list(waiting().filter(compute_target=target_id).values_list("id", "priority", "user_id"))
    names = dict(User.objects.filter(pk__in={row[2] for row in rows if row[2]}).values_list("pk", "username"))
    return [
        PlacementRequest(key, target_id, priority, user, names.get(user, "") if user else "")
        for key, priority, user in rows
    ]


def visible_to_workspace(found: ClusterState, workspace: UUID) -> ClusterState:
    """The same with words for who holds the busy nodes. Another workspace's people and clusters are not named."""
    rows = Attempt.objects.filter(node__in=[slot.id for slot in found.slots if slot.is_busy]).exclude(
        status__in=Attempt.ENDS
    )
    fields = ("node_id", "user__username", "node__compute_target__name", "node__compute_target__workspace_id")
    words: dict[UUID, str] = {}
    for node, user, cluster, context in rows.values_list(*fields):
        text = _("%(who)s on %(cluster)s") % {"who": user or _("a program"), "cluster": cluster}
        words[node] = text if context == workspace else str(OTHERS)
    own = {target.pk for target in found.targets.values() if target.workspace_id == workspace}
    return replace(
        found,
        slots=[replace(slot, holder=words.get(slot.id, "")) for slot in found.slots],
        clusters=[each if each.id in own else replace(each, name=str(OTHERS)) for each in found.clusters],
    )


def cluster_queue(target: ComputeTarget, limit: int) -> tuple[list[UUID], int]:
    """The first attempts of a cluster's queue in the order in which they will be served, and how many wait."""
    found = cluster_state.read(cluster_state.targets_that(Q(pk=target.pk), lock=False), lock=False, all_hosts=True)
    rows = waiting().filter(compute_target=target).values_list("id", "priority", "user_id")
    needs = [PlacementRequest(key, target.pk, priority, user) for key, priority, user in rows]
    all_ = capacity(found.host_states)
    size = Size(target.cores, target.memory, target.gpus)
    return [need.id for need in in_order(needs, held_by(needs, found), all_, size)[:limit]], len(needs)
