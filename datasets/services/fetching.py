"""Versions with web addresses, and large tables, become ready here, in a worker. Every call may be repeated, doubled or lost."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from core import outbox, words
from core.clock import now
from core.errors import ConcurrentUpdate, Conflict, StudioError
from core.prepared import Probe
from core.sentences import Kept, parts_of, text_of
from core.work import later, send
from datasets import fetch as web
from datasets import sql, tables
from datasets.models import DatasetVersion
from datasets.services import inspection
from datasets.services.datastores import datastore
from datasets.stored_messages import of_refusal, say
from workspaces.access import WorkspaceContext
from workspaces.models import Role

TASK = "datasets.fetch"
# Longer than anything that gives no sign of life: reading a table and looking through its text.
LEASE = timedelta(seconds=150)
RENEW_SECONDS = 15.0
TELL_SECONDS = 1.0
LOST_AFTER = timedelta(seconds=2)
MOST_TRIES = 5


@transaction.atomic
def ask(version: DatasetVersion) -> None:
    """Fetch what is not here yet, and ask whether what is here has changed."""
    locked = DatasetVersion.objects.select_related("workspace").select_for_update(of=("self",)).get(pk=version.pk)
    if locked.status != DatasetVersion.Status.FETCHING:
        locked.move(DatasetVersion.Status.FETCHING, asked_at=now(), lease_until=None, tries=0, progress=None)
        version.status = locked.status
    later(TASK, version_id=str(version.pk))


@transaction.atomic
def cancel(context: WorkspaceContext, version: DatasetVersion) -> None:
    """End the fetching. What was there before stays usable as it was. Raises Conflict when nothing is under way."""
    context.require(Role.CONTRIBUTOR).require_own("dataset version", version.pk)
    locked = DatasetVersion.objects.select_related("workspace").select_for_update(of=("self",)).get(pk=version.pk)
    if locked.status != DatasetVersion.Status.FETCHING:
        raise Conflict(_("This dataset is not being fetched or read."), code="not_fetching")
    # Its worker hears of it when it next signs its lease.
    _give_up(locked, "canceled", say("reading_canceled"))


def fetch(version_id: UUID) -> None:
    """Carry one version to ready or failed, unless somebody else does or too many are under way."""
    found = DatasetVersion.objects.select_related("dataset", "workspace")
    version = found.filter(pk=version_id, status=DatasetVersion.Status.FETCHING).first()
    if version is None or _is_held(version) or not context():
        return
    if version.tries >= MOST_TRIES:
        _give_up(version, "not_fetched", say("interrupted", tries=MOST_TRIES))
        return
    lease = _Lease(version)
    try:
        lease.take()
        _carry(version, lease)
    except ConcurrentUpdate:
        return  # another worker has it
    except Exception:
        lease.give_back()
        raise


_FETCHING = Probe(lambda: DatasetVersion.objects.filter(status=DatasetVersion.Status.FETCHING))


def resume_waiting() -> None:
    """Versions whose wake-up was lost, or whose worker is gone."""
    if not _FETCHING():
        return
    moment = now()
    left = Q(lease_until__isnull=True, asked_at__lt=moment - LOST_AFTER) | Q(lease_until__lt=moment)
    waiting = DatasetVersion.objects.filter(left, status=DatasetVersion.Status.FETCHING).order_by("id")
    for key in waiting.values_list("pk", flat=True)[: context()]:
        send(TASK, version_id=str(key))


def context() -> int:
    """How many more may be fetched now: the other half of a worker's threads is for runs."""
    return max(0, max(1, settings.DUTO.worker_threads // 2) - _held().count())


def _held() -> QuerySet[DatasetVersion]:
    return DatasetVersion.objects.filter(status=DatasetVersion.Status.FETCHING, lease_until__gte=now())


def _is_held(version: DatasetVersion) -> bool:
    return version.lease_until is not None and version.lease_until >= now()


def _carry(version: DatasetVersion, lease: _Lease) -> None:
    try:
        with words.stored():
            facts = _look(version, lease)
    except StudioError as error:
        if isinstance(error, ConcurrentUpdate):
            raise
        _give_up(version, error.code, of_refusal(error))
        return
    version.move(DatasetVersion.Status.READY, lease_until=None, error=None, progress=None, **facts)


def _look(version: DatasetVersion, lease: _Lease) -> dict[str, Any]:
    for source in inspection.fetched_of(version.definition):
        if source.get("url"):
            web.copy_of(version.workspace, source["url"], alive=lease.renew)
        else:
            sql.copy_of(datastore(version.workspace, source["datastore"]), source, alive=lease.renew)
        lease.renew()
    lease.renew(at_once=True)
    return inspection.look(
        version.workspace, version.kind, version.definition, seconds=tables.AT_LENGTH, alive=lease.tell
    )  # fmt: skip


def _give_up(version: DatasetVersion, code: str, sentence: Kept) -> None:
    """What was fetched before stays usable as it was; the rest has failed."""
    to = DatasetVersion.Status.READY if version.is_usable else DatasetVersion.Status.FAILED
    said = parts_of(sentence)
    error = {"code": code, "message": text_of(sentence), **({"said": said} if said else {})}
    version.move(to, lease_until=None, progress=None, error=error)


class _Lease:
    """The right to fetch a version: changed only by who last wrote it, so that of two workers one gives way."""

    def __init__(self, version: DatasetVersion) -> None:
        self._version, self._until = version, version.lease_until
        self._next = self._reported_at = 0.0

    def take(self) -> None:
        """Raises Outrun."""
        self._write(now() + LEASE, tries=self._version.tries + 1)

    def renew(self, *, at_once: bool = False) -> None:
        """Say that the work goes on, every few seconds. Raises Outrun."""
        if at_once or time.monotonic() >= self._next:
            self._write(now() + LEASE)

    def tell(self, done: int, total: int) -> None:
        """Note how far it has come, once a second. Raises Outrun, also when it was canceled."""
        self.renew()
        if time.monotonic() >= self._reported_at + TELL_SECONDS:
            self._reported_at = time.monotonic()
            if not self._mine().update(progress=[done, total] if total else None):
                raise ConcurrentUpdate("This dataset is no longer being fetched.")
            outbox.hint(f"list:{self._version.workspace.name}:datasets")

    def give_back(self) -> None:
        with suppress(ConcurrentUpdate):
            self._write(None)

    def _write(self, until: datetime | None, **more: int) -> None:
        if not self._mine().update(lease_until=until, **more):
            raise ConcurrentUpdate("Another worker fetches this dataset.")
        self._until, self._next = until, time.monotonic() + RENEW_SECONDS

    def _mine(self) -> QuerySet[DatasetVersion]:
        mine = DatasetVersion.objects.filter(pk=self._version.pk, status=DatasetVersion.Status.FETCHING)
        return mine.filter(lease_until__isnull=True) if self._until is None else mine.filter(lease_until=self._until)
