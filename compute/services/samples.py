"""What hosts use, kept thinly from their words and for two days."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from compute.models import Host, HostSample
from compute.samples import EVERY, KEEP
from core import slices
from core.clock import now

# When this process last looked whether a sample of each host is due: most words of a host then cost no statement.
_looked: dict[UUID, datetime] = {}
_lock = threading.Lock()


def keep(host: Host, sample: Mapping[str, Any] | None, moment: datetime) -> None:
    """Keep what the host uses now, at most one such row in half a minute. The studio's clock says when."""
    if not sample or not _is_due(host.pk, moment):
        return
    # Another web process may have kept one meanwhile.
    if not HostSample.objects.filter(host=host, at__gt=moment - EVERY, at__lte=moment).exists():
        data = {name: value for name, value in sample.items() if name != "at"}
        HostSample.objects.create(host=host, at=moment, data=data)


def prune() -> None:
    """Remove what no chart shows any more."""
    # Named one by one, so that the index by host and time serves.
    hosts = list(Host.objects.values_list("id", flat=True))
    slices.delete(HostSample.objects.filter(host__in=hosts, at__lt=now() - KEEP))


def _is_due(key: UUID, moment: datetime) -> bool:
    with _lock:
        last = _looked.get(key)
        if last is not None and last <= moment < last + EVERY:  # a clock that was set back does not stop it
            return False
        _looked[key] = moment
        return True
