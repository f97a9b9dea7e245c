"""What clusters and hosts tell the apps above and ask them: runs know what uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compute.models import ComputeTarget, Host
from core.hooks import Hook, Provider


@dataclass(frozen=True)
class ClusterUse:
    """How much of a cluster is in use: steps that run on it, and steps that wait for it."""

    running: int = 0
    waiting: int = 0

    def __bool__(self) -> bool:
        return bool(self.running or self.waiting)

    def __str__(self) -> str:
        runs = ngettext("%(n)d step runs on it", "%(n)d steps run on it", self.running) % {"n": self.running}
        waits = ngettext("%(n)d waits for it", "%(n)d wait for it", self.waiting) % {"n": self.waiting}
        return _(" and ").join(words for count, words in ((self.running, runs), (self.waiting, waits)) if count)


cluster_use: Provider[[ComputeTarget], ClusterUse] = Provider("what runs on a cluster and waits for it")
waiting_counts: Provider[[Sequence[UUID]], dict[UUID, int]] = Provider("how many steps wait for each of these clusters")
runs_on_nodes: Provider[[Sequence[UUID]], dict[UUID, UUID]] = Provider("which run is on which of these nodes")
# A cluster in use is being deleted, after the commit: end what runs on it, in this person's name.
cluster_deleted: Hook[[UUID, str], object] = Hook()
# A host's key was revoked, after the commit: end what runs on it. May be repeated.
host_revoked: Hook[[Host], None] = Hook()
