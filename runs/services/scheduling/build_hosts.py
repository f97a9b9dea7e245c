"""The hosts that could build an environment hear that one waits for it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from compute.models import Host
from core.clock import now
from environments.models import EnvironmentBuild, EnvironmentVersion
from runs.services.scheduling import placing

# One of them builds it. Of many more hosts than these there is always one that asks by itself within a moment.
MOST = 8


def ring(build_id: UUID) -> None:
    """Ring for those that were heard of last, the studio's own first. Call it when the build is committed."""
    heard = now() - timedelta(seconds=settings.DUTO.lease_seconds)
    theirs = EnvironmentVersion.objects.filter(build=build_id).values("workspace")
    hosts = Host.objects.filter(Q(workspace=None) | Q(workspace__in=theirs), revoked_at=None, last_seen_at__gt=heard)
    if EnvironmentBuild.objects.filter(pk=build_id, recipe__has_key="conda").exists():
        hosts = hosts.filter(pk__in=[host.pk for host in hosts.only("facts") if host.facts.get("conda")])
    for name, is_local in hosts.order_by("-is_local", "-last_seen_at").values_list("name", "is_local")[:MOST]:
        placing.ring_host(name, by_queue=is_local)
