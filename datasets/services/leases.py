"""The right to work on a row, for a while: changed only by who last wrote it, so that of two workers one gives way."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from core import outbox
from core.clock import now
from core.errors import ConcurrentUpdate
from datasets.models import DatasetVersion, ProfileRun

# Longer than anything that gives no sign of life: reading a table and looking through its text.
LEASE = timedelta(seconds=150)
RENEW_SECONDS = 15.0
TELL_SECONDS = 1.0
# A wake-up that has not come by then was lost.
LOST_AFTER = timedelta(seconds=2)
MOST_TRIES = 5


def is_held(row: DatasetVersion | ProfileRun) -> bool:
    return row.lease_until is not None and row.lease_until >= now()


class Lease:
    """The right to carry a row, while its status is the one that it has now."""

    def __init__(self, row: DatasetVersion | ProfileRun) -> None:
        self._row, self._until = row, row.lease_until
        self._next = self._reported_at = 0.0

    def take(self) -> None:
        """Raises ConcurrentUpdate."""
        self._write(now() + LEASE, tries=self._row.tries + 1)

    def renew(self, *, at_once: bool = False) -> None:
        """Say that the work goes on, every few seconds. Raises ConcurrentUpdate."""
        if at_once or time.monotonic() >= self._next:
            self._write(now() + LEASE)

    def tell(self, progress: Any) -> None:
        """Note how far it has come, once a second. Raises ConcurrentUpdate, also when it was canceled."""
        self.renew()
        if time.monotonic() >= self._reported_at + TELL_SECONDS:
            self._reported_at = time.monotonic()
            if not self._mine().update(progress=progress):
                raise ConcurrentUpdate(f"This {self._row.KIND} is no longer {self._row.status}.")
            outbox.hint(f"list:{self._row.workspace.name}:datasets")

    def tell_bytes(self, done: int, total: int) -> None:
        """`tell()` of a row that keeps both."""
        self.tell([done, total] if total else None)

    def give_back(self, **more: int) -> None:
        with suppress(ConcurrentUpdate):
            self._write(None, **more)

    def _write(self, until: datetime | None, **more: int) -> None:
        if not self._mine().update(lease_until=until, **more):
            raise ConcurrentUpdate(f"Another worker has this {self._row.KIND}.")
        self._until, self._next = until, time.monotonic() + RENEW_SECONDS

    def _mine(self) -> QuerySet[Any]:
        mine = type(self._row).objects.filter(pk=self._row.pk, status=self._row.status)
        return mine.filter(lease_until__isnull=True) if self._until is None else mine.filter(lease_until=self._until)
