"""Attempts of hosts that take no more steps: given up where they run, given back where they only wait there."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from compute.models import Host
from core.clock import format_utc, now
from core.prepared import Probe
from environments.services import builds as environment_builds
from environments.services import images as environment_images
from runs.models import Attempt, Run
from runs.queries.graphs import parse_graph
from runs.services.orchestration import failures
from runs.services.orchestration.attempt_end import end_attempt, fresh_of
from runs.services.orchestration.run_transaction import place_after, run_transaction
from runs.services.scheduling import nodes


def give_up(host: Host) -> None:
    """The host was detached: what it runs is lost now, and retried elsewhere by policy. May be repeated."""
    environment_builds.give_back_builds(host)
    environment_images.interrupt_images(host, "host_gone")
    open_ones = Attempt.objects.filter(host=host).exclude(status__in=Attempt.ENDS)
    for key, root_id, status in list(open_ones.values_list("id", "run__root_id", "status")):
        if status == Attempt.Status.QUEUED:
            _give_back(key, root_id)
        else:
            _lose(host, key, root_id)


_UNFETCHED = Probe(lambda: Attempt.objects.filter(status=Attempt.Status.QUEUED, node__isnull=False))


def give_back_unfetched(limit: int = 100) -> int:
    """Attempts that were placed on a host which has gone since, before it fetched them, wait again; how many."""
    if not _UNFETCHED():
        return 0
    silent = Q(host__last_seen_at__lt=now() - timedelta(seconds=settings.DUTO.lease_seconds))
    gone = silent | Q(host__revoked_at__isnull=False) | Q(host__drained_at__isnull=False)
    rows = Attempt.objects.filter(gone, status=Attempt.Status.QUEUED, node__isnull=False)
    return sum(_give_back(key, root_id) for key, root_id in list(rows.values_list("id", "run__root_id")[:limit]))


def _lose(host: Host, key: UUID, root_id: UUID | None) -> None:
    parse_graph(root_id)
    with run_transaction(root_id) as root:
        rows = Attempt.objects.filter(pk=key).exclude(status__in=[Attempt.Status.QUEUED, *Attempt.ENDS])
        attempt = rows.defer("run__graph").first()
        if attempt is None:
            return
        attempt = fresh_of(attempt, root)
        evidence = {
            "attempt": attempt.number, "host": host.name, "detached": format_utc(host.revoked_at),
            "seen": format_utc(host.last_seen_at), "bytes": attempt.log_size,
        }  # fmt: skip
        end_attempt(attempt, Attempt.Status.LOST, cause="host_lost", **failures.sentence("detached", **evidence))


def _give_back(key: UUID, root_id: UUID | None) -> int:
    """Nobody has it: the same attempt waits for another place. Its root's lock keeps it from being fetched meanwhile."""
    parse_graph(root_id)
    with run_transaction(root_id) as root:
        attempt = (
            Attempt.objects.select_related("run", "host")
            .filter(pk=key, status=Attempt.Status.QUEUED, node__isnull=False)
            .first()
        )
        if attempt is None:
            return 0
        if attempt.is_gang:  # the others were given their nodes with it
            _lose_member(attempt, root)
            return 1
        nodes.free_node(attempt)
        Attempt.objects.filter(pk=key).update(node=None, host=None, node_name="", launcher="")
        place_after(attempt.run, attempt.compute_target_id)
        return 1


def _lose_member(attempt: Attempt, root: Run) -> None:
    host, fresh = attempt.host, fresh_of(attempt, root)
    facts = {"attempt": fresh.number, "host": host.name if host else "?"}
    end_attempt(fresh, Attempt.Status.LOST, cause="host_lost", **failures.sentence("never_taken", **facts))
