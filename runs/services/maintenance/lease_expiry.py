"""Attempts whose agent has gone silent: the evidence, the verdict, and what follows by policy."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from core.clock import format_utc, now
from core.heartbeats import lease, renew_after, web_listened
from core.prepared import Prepared, Probe
from runs.models import Attempt, Run
from runs.queries.graphs import parse_graph
from runs.services.orchestration import failures
from runs.services.orchestration.attempt_end import end_attempt, fresh_of
from runs.services.orchestration.run_transaction import run_transaction

# A root that nothing has moved for so long is looked at. One that a schedule has started waits for its turn behind those that are
# due as well (schedules.services.firing): that long nobody takes it for left behind.
QUIET, TURN = timedelta(seconds=5), timedelta(seconds=30)


# An attempt at work whose lease is over at that time: while agents speak, there is none.
OVER_BEFORE = Probe(lambda moment: _at_work().filter(lease_until__lt=moment), datetime)


def expire(limit: int = 100) -> int:
    """Give up attempts whose lease has run out; how many. Only while the studio may judge who is silent."""
    if not OVER_BEFORE(now()):
        return 0
    found = list(_overdue().order_by("lease_until").values_list("id", "run__root_id")[:limit])
    return sum(_give_up(key, root_id) for key, root_id in found)


def _overdue() -> QuerySet[Attempt]:
    moment = now()
    return _at_work().filter(web_listened(moment), lease_until__lt=moment)


def _at_work() -> QuerySet[Attempt]:
    return Attempt.objects.exclude(status__in=[Attempt.Status.QUEUED, *Attempt.ENDS])


def _give_up(key: Any, root_id: Any) -> int:
    parse_graph(root_id)
    with run_transaction(root_id) as root:
        # With its row: a word of the agent renews a lease without the root's lock.
        rows = _overdue().filter(pk=key).select_for_update(of=("self",))
        attempt = rows.select_related("host").defer("run__graph").first()
        if attempt is None:
            return 0
        host = attempt.host
        attempt = fresh_of(attempt, root)
        evidence = {
            "attempt": attempt.number, "ended": format_utc(attempt.lease_until), "host": host.name if host else "?",
            "seen": format_utc(host.last_seen_at if host else None), "bytes": attempt.log_size,
        }  # fmt: skip
        end_attempt(
            attempt, Attempt.Status.LOST, cause=_cause(attempt, host), **failures.sentence("silent", **evidence)
        )
        return 1


def _cause(attempt: Attempt, host: Any) -> str:
    """A host that is heard of while its attempt is not has lost the attempt; else the host itself is lost.

    A call renews no lease that is fresh: only one that came later shows that its agent holds the attempt no longer. Else the
    attempts of a host that has died would end one after the other, and the first of them as if the host were there.
    """
    if host is None or host.revoked_at or host.last_seen_at is None or attempt.lease_until is None:
        return "host_lost"
    renewed_at = attempt.lease_until - lease()
    alive = host.last_seen_at > max(now() - lease(), renewed_at + renew_after())
    return "attempt_lost" if alive else "host_lost"


def silent_runs() -> list[Run]:
    """Open roots that nothing moves: no attempt at work and no event for a while. The ticker advances them."""
    moment = now()
    return _SILENT.all(moment - QUIET, moment - TURN)


def _silent(quiet: datetime, turn: datetime) -> QuerySet[Run]:
    busy = Attempt.objects.exclude(status__in=Attempt.ENDS).values("run__root_id")
    kinds = [Run.Kind.PIPELINE, Run.Kind.SCRIPT, Run.Kind.SWEEP, Run.Kind.AUTOML]
    rows = Run.objects.filter(parent__isnull=True, kind__in=kinds, created_at__lt=quiet)
    # Said by what it is not, since a root that nothing has started by name has no such key, and is no match of its opposite.
    by_other = Q(trigger__kind__isnull=True) | ~Q(trigger__kind="schedule")
    rows = rows.filter(by_other | ~Q(status=Run.Status.NOT_STARTED) | Q(created_at__lt=turn))
    return rows.exclude(status__in=Run.ENDS).exclude(pk__in=busy).only("id")[:50]


_SILENT: Prepared[Run] = Prepared(_silent, datetime, datetime)
