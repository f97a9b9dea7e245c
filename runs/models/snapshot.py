from __future__ import annotations

from django.db import models

from core.lifecycle import Row
from workspaces.models import Workspace


class Snapshot(Row):
    """The code of a step, file by file. The bytes are blobs of the artifact store, named by their digest."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    files = models.JSONField()
    file_count = models.PositiveIntegerField()
    size = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "digest", name="one_snapshot_per_digest")]
