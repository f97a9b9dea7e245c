"""Runs whose agent says nothing: the page says since when, before anybody gives them up; and back when it speaks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from core.clock import now
from core.heartbeats import lease, web_listened
from runs.models import Attempt, Run
from runs.services.maintenance.lease_expiry import OVER_BEFORE
from runs.services.orchestration.attempt_end import fresh_of
from runs.services.orchestration.run_transaction import run_transaction

# What a run shows that hears of its attempt again.
SHOWN = {
    Attempt.Status.LEASED: Run.Status.PREPARING,
    Attempt.Status.PREPARING: Run.Status.PREPARING,
    Attempt.Status.RUNNING: Run.Status.RUNNING,
    Attempt.Status.COLLECTING: Run.Status.FINALIZING,
}


def note(limit: int = 100) -> int:
    """Mark runs of whose attempt's lease less than a third is left; how many. Only while the studio may judge who is silent.

    An agent that lives calls much earlier, see `core.heartbeats.renew_after`: two thirds without a word are a silence.
    """
    if not OVER_BEFORE(now() + lease() / 3):
        return 0
    quiet = (
        _quiet(now())
        .filter(run__status__in=[Run.Status.PREPARING, Run.Status.RUNNING, Run.Status.FINALIZING])
        .order_by("lease_until")
    )
    return sum(_mark(*found) for found in list(quiet.values_list("id", "run__root_id")[:limit]))


def _quiet(moment: datetime) -> QuerySet[Attempt]:
    at_work = Attempt.objects.exclude(status__in=[Attempt.Status.QUEUED, *Attempt.ENDS])
    return at_work.filter(web_listened(moment), lease_until__lt=moment + lease() / 3)


def _mark(key: UUID, root_id: UUID | None) -> int:
    with run_transaction(root_id) as root:
        attempt = _quiet(now()).filter(pk=key).first()
        if attempt is None:
            return 0
        run = fresh_of(attempt, root).run
        if run.may(Run.Status.NOT_RESPONDING):
            run.move(Run.Status.NOT_RESPONDING)
            return 1
        return 0


def mark_responding(attempts: Iterable[tuple[UUID, UUID | None]]) -> None:
    """The agents of these attempts (with their roots) speak again: their runs show what they did before."""
    for key, root_id in attempts:
        with run_transaction(root_id) as root:
            attempt = Attempt.objects.filter(pk=key).first()
            if attempt is None or attempt.status not in SHOWN:
                continue
            run = fresh_of(attempt, root).run
            if run.status == Run.Status.NOT_RESPONDING:
                run.move(SHOWN[Attempt.Status(attempt.status)])


def since(attempt: Attempt) -> datetime | None:
    """When the attempt was last heard of, at the earliest: its lease is renewed with the words of its agent."""
    if attempt.lease_until is None:
        return None
    return attempt.lease_until - lease()
