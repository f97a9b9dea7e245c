"""Runs of people who may run nothing any more: who left, became a reader, or whose account was closed."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from core.prepared import Probe
from core.work import later
from runs.models import Run
from runs.services.orchestration.cancel import cancel_tree
from workspaces.models import Member, Role

# One call cancels so many runs; the ticker goes on with the others.
AT_ONCE = 50


def stop_later(workspace_id: UUID) -> None:
    """Somebody of this workspace has lost rights: have it looked at once that is committed. The ticker looks, too."""
    later("runs.stop_unentitled")


def unentitled() -> QuerySet[Run]:
    """Open root runs whose submitter may submit none now. Those that nobody submitted are the studio's own."""
    entitled = Member.objects.filter(
        user=OuterRef("submitted_by"),
        user__is_active=True,
        workspace=OuterRef("workspace"),
        role__in=[role for role in Role if role.rank >= Role.CONTRIBUTOR.rank],
    )
    open_ones = Run.objects.filter(parent__isnull=True, cancel_requested_at__isnull=True).exclude(status__in=Run.ENDS)
    return open_ones.filter(~Exists(entitled), submitted_by__isnull=False)


_UNENTITLED = Probe(unentitled)


def stop_unentitled(most: int = AT_ONCE) -> int:
    """Cancel them, as nobody may answer for them; how many. May be repeated."""
    if not _UNENTITLED():
        return 0
    rows = unentitled().select_related("submitted_by").defer("graph").order_by("id")[:most]
    found = [(run.pk, run.submitted_by.get_username() if run.submitted_by else "") for run in rows]
    for key, name in found:
        cancel_tree(key, f"the studio, since {name} may not submit runs any more"[:150])
    return len(found)
