"""Give a host the attempts that were placed on it: lease, fence, spec."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from msgspec import Raw

from compute.models import Host
from core import words
from core.clock import now
from core.errors import StudioError
from core.observations import Observations, Unobserved
from core.prepared import Prepared
from duto_protocol.messages import Work
from duto_protocol.reading import written
from runs import causes, stored_messages
from runs.models import Attempt, Run
from runs.queries.graphs import parse_graph
from runs.services.agent_reports import looking
from runs.services.agent_reports.launch_spec import SpecOf
from runs.services.orchestration.attempt_end import BULKY
from runs.services.orchestration.run_transaction import run_transaction

# A lease that its agent does not hold after this long was lost on the way: the same spec is sent again.
RESEND_AFTER = timedelta(seconds=3)


class OpenAttempt(NamedTuple):
    """An attempt of a host that has not ended: what leases, claims, cancels and drops are read off."""

    id: UUID
    epoch: int
    status: str
    node_id: UUID | None
    leased_at: datetime | None
    lease_until: datetime | None
    cancel_requested_at: datetime | None
    run__root_id: UUID | None
    run__status: str


_OPEN: Prepared[tuple[Any, ...]] = Prepared(
    lambda host: (
        Attempt.objects.filter(host=host)
        .exclude(status__in=Attempt.ENDS)
        .order_by("id")
        .values_list(*OpenAttempt._fields)
    )
)
_TO_LEASE: Prepared[Attempt] = Prepared(
    lambda key, host: (
        Attempt.objects.select_related("run__step", "node", "compute_target", "run__submitted_by")
        .defer(*BULKY)
        .filter(pk=key, host=host)
    )
)


def open_attempts(host: Host) -> list[OpenAttempt]:
    """All that this host has to do with, by one query."""
    return [OpenAttempt(*row) for row in _OPEN.all(host.pk)]


def claim(host: Host, want: int, holding: Collection[UUID], mine: Iterable[OpenAttempt]) -> list[Work]:
    """Up to `want` pieces of work for this host, of its open attempts `mine`.

    A repeated or lost answer does no harm: the epoch is the same.
    """
    found = [each for each in mine if _is_claimable(each, holding)]
    work = (_lease(host, each.id, each.run__root_id) for each in found[:want])
    return [each for each in work if each is not None]


def seconds_to_resend(mine: Iterable[OpenAttempt], holding: Collection[UUID]) -> float:
    """Until the first lease that its agent does not hold is sent again; infinite where it holds them all."""
    leased = (each.leased_at for each in mine if each.status == Attempt.Status.LEASED and each.id not in holding)
    due = [(at + RESEND_AFTER - now()).total_seconds() for at in leased if at is not None]
    return max(0.0, min(due, default=float("inf")))


def _is_claimable(attempt: OpenAttempt, holding: Collection[UUID]) -> bool:
    if attempt.status == Attempt.Status.QUEUED:
        return attempt.node_id is not None
    return attempt.id not in holding and _was_lost(attempt)


def _was_lost(attempt: Attempt | OpenAttempt) -> bool:
    """Leased so long ago that its agent would hold it."""
    late = now() - RESEND_AFTER
    return attempt.status == Attempt.Status.LEASED and attempt.leased_at is not None and attempt.leased_at < late


def _lease(host: Host, key: UUID, root_id: UUID | None) -> Work | None:
    """Where its data lie elsewhere, they are listed before the lease is written; while that lasts, the call goes on without it."""
    parse_graph(root_id)
    observations = looking.found(key)
    while observations is not None:
        with suppress(Unobserved):
            return _leased(host, key, root_id, observations)
        if not looking.look(host, key, observations):
            return None
    return None


def _leased(host: Host, key: UUID, root_id: UUID | None, observations: Observations) -> Work | None:
    """Raises Unobserved, and then has leased nothing."""
    with run_transaction(root_id) as root, observations.deciding():
        attempt = _TO_LEASE.first(key, host.pk)
        # Another call of the same agent may have got it a moment ago: then it is not sent twice.
        if attempt is None or not (attempt.status == Attempt.Status.QUEUED or _was_lost(attempt)):
            return None
        attempt.run = root if attempt.run_id == root.pk else attempt.run
        if attempt.run is root and not hasattr(root, "step"):
            root.refresh_from_db()
        attempt.run.root = root
        attempt.run.workspace = root.workspace
        moment = now()
        until = moment + timedelta(seconds=settings.DUTO.lease_seconds)
        if attempt.status == Attempt.Status.QUEUED:
            attempt.move(Attempt.Status.LEASED, epoch=attempt.epoch + 1, leased_at=moment, lease_until=until)
            _prepare(attempt.run)
        return _work(attempt)


def _prepare(run: Run) -> None:
    if run.may(Run.Status.PREPARING):
        run.move(Run.Status.PREPARING, preparing_at=now())


def _work(attempt: Attempt) -> Work | None:
    """The work item. Data that is gone by now ends the attempt in words instead of failing the call for ever."""
    try:
        with words.stored():
            spec = SpecOf(attempt).spec()
    except StudioError as error:
        from runs.services.orchestration.attempt_end import end_attempt

        end_attempt(
            attempt,
            Attempt.Status.FAILED,
            cause=causes.of_refusal(error.code),
            message=error.message,
            said=stored_messages.kept_of(error),
        )
        return None
    return Work(type="attempt", attempt=str(attempt.pk), epoch=attempt.epoch, spec=Raw(written(spec)))
