"""Models that were registered, and what made them."""

from __future__ import annotations

from django.db import models

from core.lifecycle import Row
from workspaces.models import User, Workspace


class RegisteredModel(Row):
    """A name for a model; its versions hold the files."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="registered_models")
    name = models.CharField(max_length=255)
    latest_version = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "name", name="one_model_per_name")]

    def __str__(self) -> str:
        return self.name


class ModelVersion(Row):
    """Immutable files with a number. `run_id` names the run that made them; runs live in an app above."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    description = models.TextField(blank=True)
    framework = models.CharField(max_length=64, blank=True)
    framework_version = models.CharField(max_length=64, blank=True)
    tags = models.JSONField(default=dict)
    properties = models.JSONField(default=dict)
    # Which dataset versions it came from: scenario → ids; datasets live in a neighbouring app.
    datasets = models.JSONField(default=dict)
    run_id = models.UUIDField(null=True, db_index=True)
    experiment_name = models.CharField(max_length=256, blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    is_file = models.BooleanField(default=True)
    file_count = models.PositiveIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    # What was registered: [{path, size, digest, tag}], the tag as core.storage tells it. Empty of older versions.
    files = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint("model", "version", name="one_model_version")]

    @property
    def prefix(self) -> str:
        """Where its files lie in the workspace's artifact store."""
        return f"models/{self.pk}"
