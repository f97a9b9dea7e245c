"""The safety net: once a second one thread in one worker looks for what a lost wake-up has left behind."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q

from compute.services import samples
from core import duties, once, outbox_publisher, slices, spools
from core.clock import now
from core.heartbeats import beat
from core.models import Event
from core.prepared import Probe
from core.work import send
from datasets.services import fetching as dataset_fetching
from datasets.services import staging as dataset_staging
from environments.services import builds as environment_builds
from runs.models import Attempt
from runs.queries.clusters import waiting
from runs.services.agent_reports import claims
from runs.services.maintenance import (
    delete_run,
    host_removal,
    lease_expiry,
    revoked_submitters,
    unresponsive,
    workspace_removal,
)
from runs.services.orchestration import build_ends, cluster_removal, open_children, run_transaction, sweep_looks
from runs.services.orchestration.progress import advance_some
from runs.services.results import part_uploads
from runs.services.scheduling import autoscaler, placing, wakeups
from workspaces.models import Workspace
from workspaces.services import auditing, storage

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=10)
# Whoever has it signs so often; the write of each second cost more than most looks.
SIGNED_S = 3.0
KEEP_EVENTS = timedelta(days=7)
PRUNED = 5_000


def start() -> threading.Thread:
    """Start the ticker's thread. Every worker runs one; a lease in the database lets one of them work."""
    thread = threading.Thread(target=_run, name="ticker", daemon=True)
    thread.start()
    return thread


class Turn:
    """Whether this process is the one whose ticker works, by a lease that it signs every few seconds."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._signed: float | None = None

    def is_ours(self) -> bool:
        # By a clock that goes on while the process stands still: one that was stopped asks before it goes on.
        moment = time.monotonic()
        if self._signed is None or moment - self._signed >= SIGNED_S:
            self._signed = moment if beat("ticker", self._owner, silence=LEASE) else None
        return self._signed is not None


def _run() -> None:
    turn = Turn(f"{socket.gethostname()}:{os.getpid()}")
    pause = threading.Event()
    count = 0
    while True:
        pause.wait(1.0)
        count += 1
        try:
            if turn.is_ours():
                tick(count)
        except Exception:  # the net must not tear: whatever is wrong now is tried again in a second
            log.exception("tick failed")
            connection.close()
        finally:
            if connection.vendor != "sqlite":  # to open a file takes longer than to look into it
                connection.close()


def tick(count: int) -> None:
    """One look around; slower duties come only every few ticks."""
    all_of_them: list[tuple[int, Callable[[], object]]] = [
        (1, deliver_events),
        (1, place_waiting),
        (2, lease_expiry.expire),
        (2, host_removal.give_back_unfetched),
        (2, unresponsive.note),
        (2, wake_for_claims),
        (2, advance_silent),
        (5, sweep_looks.advance_open),
        (5, autoscaler.reconcile_all),
        (2, cluster_removal.drop_left),
        (2, cluster_removal.finish_leaving),
        (2, dataset_fetching.resume_waiting),
        (5, part_uploads.look_for_left),
        (5, revoked_submitters.stop_unentitled),
        (5, end_left),
        (5, environment_builds.expire_builds),
        (5, build_ends.fail_unbuildable),
        (5, workspace_removal.resume_deletions),
        (2, spools.wake),
        (60, delete_run.remove_hidden),
        (60, storage.recount_stale),
        (600, prune_events),
        (600, once.prune),
        (600, samples.prune),
        (300, auditing.prune),
        (3600, dataset_staging.sweep),
        (3600, start_retention),
        *duties.registered(),
    ]
    for every, duty in all_of_them:
        if count % every == 0:
            try:
                duty()
            except Exception:  # one duty's fault must not keep the others from theirs
                log.exception("%s failed", duty.__name__)


# What there mostly is nothing of.
_UNDELIVERED = Probe(lambda late: Event.objects.filter(delivered_at__isnull=True, created_at__lt=late), datetime)
_WAITING = Probe(waiting)
_PLACED = Q(status=Attempt.Status.QUEUED, node__isnull=False)
_UNHEARD = Probe(lambda: Attempt.objects.filter(_PLACED | Q(status=Attempt.Status.LEASED)))


def deliver_events() -> None:
    """Events that are older than a wake-up's way: the wake-up was lost."""
    if _UNDELIVERED(now() - timedelta(seconds=1)):
        outbox_publisher.deliver()


def place_waiting() -> None:
    """One round in case a wake-up was lost, a host has come, or a retry's delay is over."""
    if _WAITING():
        placing.place()


def wake_for_claims() -> None:
    """Placed attempts that their host has not fetched, and those of which it may not have got what it fetched."""
    if not _UNHEARD():
        return
    moment, rows = now(), Attempt.objects.order_by().values_list("host__name", "host__is_local")
    unfetched = rows.filter(
        status=Attempt.Status.QUEUED, node__isnull=False, queued_at__lt=moment - timedelta(seconds=2)
    )
    unheard = rows.filter(status=Attempt.Status.LEASED, leased_at__lt=moment - claims.RESEND_AFTER)
    for name, is_local in unfetched.union(unheard):
        wakeups.wake_host(name, by_queue=is_local)


def advance_silent() -> None:
    for run in lease_expiry.silent_runs():
        try:
            advance_some(run.pk)
        except Exception:  # nor one run's fault the other runs
            log.exception("advance of %s failed", run.pk)


def end_left() -> None:
    """What programs left open below runs that are over."""
    for root_id in open_children.left_open():
        run_transaction.end_left(root_id)


def prune_events() -> None:
    """So many at a time: a day of a busy studio is a million rows."""
    slices.delete(
        Event.objects.filter(created_at__lt=now() - KEEP_EVENTS, delivered_at__isnull=False).order_by("id"), PRUNED
    )


def start_retention() -> None:
    """Once an hour; a lost wake-up means an hour later."""
    for key in Workspace.objects.filter(deleted_at__isnull=True).values_list("id", flat=True):
        send("runs.retain", workspace_id=str(key))
