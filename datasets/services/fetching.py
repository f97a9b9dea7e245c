"""Versions with web addresses, and large tables, become ready here, in a worker. Every call may be repeated, doubled or lost."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from core import words
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
from datasets.services.leases import LOST_AFTER, MOST_TRIES, Lease, is_held
from datasets.stored_messages import of_refusal, say
from workspaces.access import WorkspaceContext
from workspaces.models import Role

TASK = "datasets.fetch"


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
    if version is None or is_held(version) or not context():
        return
    if version.tries >= MOST_TRIES:
        _give_up(version, "not_fetched", say("interrupted", tries=MOST_TRIES))
        return
    lease = Lease(version)
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


def _carry(version: DatasetVersion, lease: Lease) -> None:
    try:
        with words.stored():
            facts = _look(version, lease)
    except StudioError as error:
        if isinstance(error, ConcurrentUpdate):
            raise
        _give_up(version, error.code, of_refusal(error))
        return
    version.move(DatasetVersion.Status.READY, lease_until=None, error=None, progress=None, **facts)


def _look(version: DatasetVersion, lease: Lease) -> dict[str, Any]:
    for source in inspection.fetched_of(version.definition):
        if source.get("url"):
            web.copy_of(version.workspace, source["url"], alive=lease.renew)
        else:
            sql.copy_of(datastore(version.workspace, source["datastore"]), source, alive=lease.renew)
        lease.renew()
    lease.renew(at_once=True)
    return inspection.look(
        version.workspace, version.kind, version.definition, seconds=tables.AT_LENGTH, alive=lease.tell_bytes
    )  # fmt: skip


def _give_up(version: DatasetVersion, code: str, sentence: Kept) -> None:
    """What was fetched before stays usable as it was; the rest has failed."""
    to = DatasetVersion.Status.READY if version.is_usable else DatasetVersion.Status.FAILED
    said = parts_of(sentence)
    error = {"code": code, "message": text_of(sentence), **({"said": said} if said else {})}
    version.move(to, lease_until=None, progress=None, error=error)
