"""Runs whose agent says nothing: the page says since when, before anybody gives them up; and back when it speaks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from core.beats import up_for
from core.clock import now
from runs.models import Attempt, Run
from runs.services.changes import changing
from runs.services.finish import fresh_of

A = Attempt.Status
S = Run.Status
WEB_SILENCE = timedelta(seconds=15)
# What a run shows that hears of its attempt again.
SHOWN = {A.LEASED: S.PREPARING, A.PREPARING: S.PREPARING, A.RUNNING: S.RUNNING, A.COLLECTING: S.FINALIZING}


def may_judge() -> bool:
    """Whether the web has been up for a whole lease: a studio that was away has no right to call others silent."""
    return up_for("web:", silence=WEB_SILENCE) >= timedelta(seconds=settings.DUTO.lease_seconds)


def note(limit: int = 100) -> int:
    """Mark runs of whose attempt's lease less than a third is left; how many.

    An agent that lives renews each lease when a third of it is used, so two thirds without a word are a silence.
    """
    if not may_judge():
        return 0
    edge = now() + timedelta(seconds=settings.DUTO.lease_seconds) / 3
    rows = Attempt.objects.filter(lease_until__lt=edge, run__status__in=[S.PREPARING, S.RUNNING, S.FINALIZING])
    quiet = rows.exclude(status__in=[A.QUEUED, *Attempt.ENDS]).order_by("lease_until")
    return sum(_mark(*found, edge) for found in list(quiet.values_list("id", "run__root_id")[:limit]))


def _mark(key: UUID, root_id: UUID | None, edge: datetime) -> int:
    with changing(root_id) as root:
        attempt = Attempt.objects.filter(pk=key, lease_until__lt=edge).exclude(status=A.QUEUED).first()
        if attempt is None or attempt.is_final:
            return 0
        run = fresh_of(attempt, root).run
        if run.may(S.NOT_RESPONDING):
            run.move(S.NOT_RESPONDING)
            return 1
        return 0


def heard(attempts: Iterable[tuple[UUID, UUID | None]]) -> None:
    """The agents of these attempts (with their roots) speak again: their runs show what they did before."""
    for key, root_id in attempts:
        with changing(root_id) as root:
            attempt = Attempt.objects.filter(pk=key).first()
            if attempt is None or attempt.status not in SHOWN:
                continue
            run = fresh_of(attempt, root).run
            if run.status == S.NOT_RESPONDING:
                run.move(SHOWN[A(attempt.status)])


def since(attempt: Attempt) -> datetime | None:
    """When the attempt was last heard of: its lease is renewed when a third of it is used."""
    if attempt.lease_until is None:
        return None
    return attempt.lease_until - timedelta(seconds=settings.DUTO.lease_seconds)
