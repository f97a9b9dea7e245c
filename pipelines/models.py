"""Pipelines that can be run again by name, form or address."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.lifecycle import Row
from workspaces.models import User, Workspace


class PublishedPipeline(Row):
    """A frozen graph with parameters. Only its status changes."""

    class Status(models.TextChoices):
        ACTIVE = "Active", _("Active")
        DISABLED = "Disabled", _("Disabled")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="published_pipelines")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    version = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    graph = models.JSONField()
    graph_digest = models.CharField(max_length=64)
    continue_on_step_failure = models.BooleanField(default=False)
    source_run_id = models.UUIDField(null=True)
    published_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    last_run_id = models.UUIDField(null=True)
    last_run_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["workspace", "-id"], name="published_newest")]

    def __str__(self) -> str:
        return self.name
