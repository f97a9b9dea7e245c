"""A try on several nodes: how many it asks for, and what becomes of it when one of its members has ended.

Members that begin together end together: one that fails ends the others, and the try has failed as that one did. The others, of
a parallel step, go on without one that is lost; the last of them ends the try.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compute.models import Host
from compute.placement_types import Abilities
from core.clock import now
from core.sentences import Kept, once
from duto.spec import distribution, parallel
from duto.spec.graph import Step
from duto_protocol.messages import Finished
from runs import stored_messages
from runs.models import Attempt, RankLog, Sharing
from runs.services.scheduling import abilities, nodes, wakeups

S = Attempt.Status
# A member of a parallel step that ends so ends the others: it would end so on any node.
OF_THE_SCRIPT = frozenset({"user_error", "timeout", "data_missing", "store_refused", "canceled"})


def asked_for(step: Step, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an attempt that say how many nodes its step asks for, and what it needs of their hosts."""
    count, least = nodes_of(step, parameters)
    needs = abilities.of_step(step) or next(iter(needs_of(count, least)), "")
    return {"node_count": count, "min_nodes": least, "needs": needs}


def needs_of(count: int, least: int) -> Abilities:
    """What a step on several nodes needs of their hosts; empty for one on a single node."""
    return frozenset({abilities.RENDEZVOUS if least > 1 else abilities.MEMBERS} if count > 1 else ())


def nodes_of(step: Step, parameters: Mapping[str, Any]) -> tuple[int, int]:
    """How many nodes a step asks for, and with how many it begins at the least."""
    if step.kind == parallel.KIND:
        return _whole(distribution.valued(step.settings.get("node_count"), parameters)), 1
    count = _whole(distribution.valued(step.node_count, parameters))
    return count, count


def _whole(value: Any) -> int:
    """What is no number is refused elsewhere."""
    try:
        return min(max(1, int(value or 1)), distribution.NODES_MOST)
    except (TypeError, ValueError):
        return 1


def of(attempt: Attempt) -> list[Attempt]:
    """All members of its try, itself among them as it is in memory."""
    rows = Attempt.objects.filter(run=attempt.run_id, number=attempt.number).order_by("node_rank")
    return [attempt if each.pk == attempt.pk else each for each in rows]


def has_joined(attempt: Attempt) -> bool:
    """Whether a member of a parallel step has made the result of what all have done."""
    row = Sharing.objects.filter(run=attempt.run_id, number=attempt.number).first()
    return row is not None and bool(row.state.get("joined") == str(attempt.pk))


def has_failed(attempt: Attempt) -> bool:
    """Whether a member has ended badly: then what the others leave does not count."""
    ended = Attempt.objects.filter(run=attempt.run_id, number=attempt.number, status__in=S_BAD)
    return ended.exclude(pk=attempt.pk).exists()


S_BAD = (S.FAILED, S.LOST, S.CANCELED)


def are_open(attempt: Attempt) -> bool:
    """Whether another member has not ended."""
    rows = Attempt.objects.filter(run=attempt.run_id, number=attempt.number).exclude(status__in=Attempt.ENDS)
    return rows.exclude(pk=attempt.pk).exists()


def unkept(attempt: Attempt, report: Finished) -> list[Kept]:
    """That the step's outputs are those of the first member alone, for another one that has written some."""
    names = [each.name for each in report.outputs or () if each.files and attempt.node_rank and attempt.is_gang]
    facts = {"names": ", ".join(names), "node": attempt.node_rank}
    return [stored_messages.keep("member_outputs", **facts)] if names else []


def decide(ended: Attempt) -> Attempt | None:
    """The member by which the try has ended, now that this one has; None while it goes on."""
    rows = of(ended)
    left = [each for each in rows if not each.is_final]
    if left and _goes_on(ended, left):
        if ended.node_rank == 0 and not ended.is_gang:
            _stand_in(ended, next(each for each in left if each.status != S.QUEUED))
        return None
    if stop(left):
        return None
    found = _decisive(ended, rows)
    found.warnings = once([*found.warnings, *(each for row in rows for each in row.warnings)])
    return found


def _goes_on(ended: Attempt, left: Sequence[Attempt]) -> bool:
    if ended.is_gang:
        return ended.status == S.COMPLETED
    at_work = any(each.status != S.QUEUED for each in left)
    if ended.status == S.COMPLETED:
        return at_work and ended.node_rank > 0
    return at_work and ended.status != S.CANCELED and ended.cause not in OF_THE_SCRIPT


def _stand_in(ended: Attempt, other: Attempt) -> None:
    """Another member stands for the try from now on."""
    rows, rank = Attempt.objects.filter, other.node_rank
    rows(pk=ended.pk).update(node_rank=distribution.NODES_MOST + 1)
    rows(pk=other.pk).update(node_rank=0)
    rows(pk=ended.pk).update(node_rank=rank)
    ended.node_rank, other.node_rank = rank, 0


def stop(left: Sequence[Attempt]) -> list[Attempt]:
    """End these members: those that no agent has at once; the others, which are returned, when their agents say so."""
    waiting = [each for each in left if each.status == S.QUEUED]
    Attempt.move_all(waiting, S.CANCELED, finished_at=now(), cause="canceled")
    nodes.free_nodes(waiting)
    at_work = [each for each in left if each.status not in (S.QUEUED, S.CANCELED)]
    fresh = [each.pk for each in at_work if each.cancel_requested_at is None]
    Attempt.objects.filter(pk__in=fresh).update(cancel_requested_at=now())
    hosts = Host.objects.filter(pk__in={each.host_id for each in at_work if each.pk in fresh})
    for name, is_local in hosts.values_list("name", "is_local"):
        wakeups.wake_host(name, by_queue=is_local)
    return at_work


def _decisive(ended: Attempt, rows: Sequence[Attempt]) -> Attempt:
    """All have ended. A loss explains what the others failed by; of failures the first of one whose own process failed does."""
    bad = [each for each in rows if each.status != S.COMPLETED]
    if not bad or (not ended.is_gang and rows[0].status == S.COMPLETED):
        return rows[0]
    failed = [each for each in bad if each.status == S.FAILED]
    if not ended.is_gang:
        own = [each for each in failed if each.cause in OF_THE_SCRIPT]
        return min(own, key=_when, default=ended)
    lost = [each for each in bad if each.status == S.LOST]
    ended_badly = set(
        RankLog.objects.filter(attempt__in=failed, was_ended=False)
        .exclude(exit_code=0)
        .values_list("attempt_id", flat=True)
    )
    by_itself = [each for each in failed if each.pk in ended_badly]
    return min(lost or by_itself or failed or bad, key=_when)


def _when(attempt: Attempt) -> Any:
    return attempt.finished_at or now()
