"""Give a host the attempts that were placed on it: lease, fence, spec."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from compute.models import Host
from core.clock import now
from core.errors import StudioError
from runs.models import Attempt, Run
from runs.services.changes import changing
from runs.services.spec import SpecOf

S = Attempt.Status
# A lease that its agent does not hold after this long was lost on the way: the same spec is sent again.
RESEND_AFTER = timedelta(seconds=3)


def claim(host: Host, want: int, holding: Collection[UUID]) -> list[dict[str, Any]]:
    """Up to `want` pieces of work for this host. A repeated or lost answer does no harm: the epoch is the same."""
    found = _claimable(host, want, holding)
    work = []
    for key, root_id in found:
        document = _lease(host, key, root_id)
        if document is not None:
            work.append(document)
    return work


def _claimable(host: Host, want: int, holding: Collection[UUID]) -> list[tuple[UUID, UUID | None]]:
    lost = Q(status=S.LEASED, leased_at__lt=now() - RESEND_AFTER) & ~Q(pk__in=holding)
    rows = Attempt.objects.filter(Q(status=S.QUEUED, node__isnull=False) | lost, host=host)
    return list(rows.order_by("id").values_list("id", "run__root_id")[: max(0, want)])


def _lease(host: Host, key: UUID, root_id: UUID | None) -> dict[str, Any] | None:
    with changing(root_id) as root:
        rows = Attempt.objects.select_related("run__step", "node", "run__submitted_by").defer("run__graph")
        attempt = rows.filter(pk=key, host=host, status__in=[S.QUEUED, S.LEASED]).first()
        if attempt is None:
            return None
        attempt.run = root if attempt.run_id == root.pk else attempt.run
        if attempt.run is root and not hasattr(root, "step"):
            root.refresh_from_db()
        attempt.run.root = root
        attempt.run.workspace = root.workspace
        moment = now()
        until = moment + timedelta(seconds=settings.DUTO.lease_seconds)
        if attempt.status == S.QUEUED:
            attempt.move(S.LEASED, epoch=attempt.epoch + 1, leased_at=moment, lease_until=until)
            _prepare(attempt.run)
        return _work(attempt)


def _prepare(run: Run) -> None:
    if run.may(Run.Status.PREPARING):
        run.move(Run.Status.PREPARING, preparing_at=now())


def _work(attempt: Attempt) -> dict[str, Any] | None:
    """The work item. Data that is gone by now ends the attempt in words instead of failing the call for ever."""
    try:
        spec = SpecOf(attempt).document()
    except StudioError as error:
        from runs.services.finish import end_attempt

        end_attempt(attempt, S.FAILED, cause="data_missing", message=error.message)
        return None
    return {"type": "attempt", "attempt": str(attempt.pk), "epoch": attempt.epoch, "spec": spec}
