"""Wake the agent of a host: it asks for work, or for what changed about the work it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from compute.models import Host
from core import outbox
from core.clock import now
from core.work import later
from environments.models import EnvironmentBuild, EnvironmentVersion

# The host whose call is being answered: the answer itself brings it its work.
_talking_to: ContextVar[str] = ContextVar("talking_to", default="")


@contextmanager
def without_wakeup_of(host: str) -> Iterator[None]:
    """For the length of the block that host need not be woken."""
    token = _talking_to.set(host)
    try:
        yield
    finally:
        _talking_to.reset(token)


def wake_host(name: str, *, by_queue: bool) -> None:
    """Tell a host's agent to ask for work: by the long poll it may be holding, and by its Celery queue, if it has one.

    To a queue that nobody reads, messages would be added for ever: only the studio's own machine knows the broker.
    Hosts of two workspaces may have one name, and one wake-up with it: then both look, and find what is theirs.
    """
    if name == _talking_to.get():
        return
    if by_queue:
        # The name of the wake-up is part of what agents of all releases know.
        later("agent.bell", queue=f"host.{name}")
    outbox.hint(f"host:{name}")


# One of them builds it. Of many more hosts than these there is always one that asks by itself within a moment.
MOST_BUILDERS = 8


def wake_builders(build_id: UUID) -> None:
    """Wake those that could build it and were heard of last, the studio's own first. Call it when the build is committed."""
    heard = now() - timedelta(seconds=settings.DUTO.lease_seconds)
    theirs = EnvironmentVersion.objects.filter(build=build_id).values("workspace")
    hosts = Host.objects.filter(Q(workspace=None) | Q(workspace__in=theirs), revoked_at=None, last_seen_at__gt=heard)
    if EnvironmentBuild.objects.filter(pk=build_id, recipe__has_key="conda").exists():
        hosts = hosts.filter(pk__in=[host.pk for host in hosts.only("facts") if host.facts.get("conda")])
    for name, is_local in hosts.order_by("-is_local", "-last_seen_at").values_list("name", "is_local")[:MOST_BUILDERS]:
        wake_host(name, by_queue=is_local)
