"""How much of the studio's disk a workspace takes, and the limit of that.

The folders are counted now and then, by a worker. Where there is a limit, what comes in between is added, so that
the number is never too small by more than what comes at once; before anything is refused it is counted anew.
"""

from __future__ import annotations

from datetime import timedelta
from typing import BinaryIO, cast
from uuid import UUID

from django.db.models import F, Q
from django.utils.translation import gettext as _

from core.clock import now
from core.errors import Conflict
from core.storage import workspace_roots
from core.words import size_text
from core.work import send
from workspaces import limits
from workspaces.models import Workspace

# A count this young is believed where something is about to be refused.
FRESH = timedelta(seconds=10)
EVERY = timedelta(minutes=30)


def measure(workspace_id: UUID) -> int:
    """Count the bytes of all its files and write the number down."""
    total = sum(root.bytes_below() for root in workspace_roots(workspace_id))
    Workspace.objects.filter(pk=workspace_id).update(storage_bytes=total, storage_at=now())
    return total


def recount_stale() -> None:
    """Have those counted that were not for a while; a lost wake-up means later."""
    stale = Q(storage_at__isnull=True) | Q(storage_at__lt=now() - EVERY)
    for key in Workspace.objects.filter(stale, deleted_at__isnull=True).values_list("id", flat=True):
        send("workspaces.measure", workspace_id=str(key))


def left(workspace: Workspace, wanted: int = 0) -> int | None:
    """How many more bytes it may take; None without a limit. Counted anew where fewer than `wanted` seem left."""
    most = limits.of_settings(workspace.settings).storage_bytes
    if most is None:
        return None
    row = Workspace.objects.only("storage_bytes", "storage_at").get(pk=workspace.pk)
    used = row.storage_bytes
    if used + max(1, wanted) > most and (row.storage_at is None or row.storage_at < now() - FRESH):
        used = measure(workspace.pk)
    return most - used


def require(workspace: Workspace, more: int) -> None:
    """Raises Conflict (`storage_limit`) where that many more bytes are too many."""
    free = left(workspace, more)
    if free is not None and more > free:
        raise _full(workspace, free)


def note(workspace: Workspace, more: int) -> None:
    """So many bytes have come."""
    if limits.of_settings(workspace.settings).storage_bytes is not None:
        Workspace.objects.filter(pk=workspace.pk).update(storage_bytes=F("storage_bytes") + more)


def metered(workspace: Workspace, source: BinaryIO) -> BinaryIO:
    """A reader of the source that gives no more bytes than the workspace may still take. Raises Conflict (`storage_limit`)."""
    free = left(workspace)
    if free is None:
        return source
    if free <= 0:
        raise _full(workspace, free)
    return cast(BinaryIO, _Metered(workspace, source, free))


class _Metered:
    """A length may be absent, or a lie: what counts are the bytes that come."""

    def __init__(self, workspace: Workspace, source: BinaryIO, free: int) -> None:
        self._workspace, self._source, self._room, self._given = workspace, source, free, 0

    def read(self, count: int) -> bytes:
        data = self._source.read(count)
        self._given += len(data)
        if self._given > self._room:  # what was removed since the last count makes room
            self._room = left(self._workspace, self._given) or 0
        if self._given > self._room:
            raise _full(self._workspace, self._room)
        return data


def _full(workspace: Workspace, free: int) -> Conflict:
    most = limits.of_settings(workspace.settings).storage_bytes or 0
    return Conflict(
        _("Workspace '%(workspace)s' may keep %(most)s, and %(left)s of that are left: this is more. Delete runs or files that are not needed, or ask an owner to raise the limit.")
        % {"workspace": workspace.name, "most": size_text(most), "left": size_text(max(0, free))},
        code="storage_limit",
        workspace=workspace.name,
        storage_bytes=most,
        left=max(0, free),
    )  # fmt: skip
