"""Pipelines that can be run again by name, form or address, endpoints whose address outlives them, drafts that are still
changed, and modules: steps that many pipelines share."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.lifecycle import Row
from core.text import isolated
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

    @property
    def title(self) -> str:
        """Name and version, as a line of text has them."""
        return f"{isolated(self.name)} {self.version}".strip()


class PipelineEndpoint(Row):
    """One address for the published pipelines that follow each other: a call runs the default one, or the version that it names."""

    class Status(models.TextChoices):
        ACTIVE = "Active", _("Active")
        DISABLED = "Disabled", _("Disabled")
        ARCHIVED = "Archived", pgettext_lazy("endpoint", "Archived")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="pipeline_endpoints")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    default_version = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        # An archived one gives its name away.
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name"], condition=~models.Q(status="Archived"), name="one_endpoint_per_name"
            )
        ]

    def __str__(self) -> str:
        return self.name


class PipelineEndpointVersion(Row):
    """One published pipeline of an endpoint, by a number that counts from 0 as in Azure ML."""

    endpoint = models.ForeignKey(PipelineEndpoint, models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    pipeline = models.ForeignKey(PublishedPipeline, models.CASCADE, related_name="endpoint_versions")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint("endpoint", "version", name="one_number_per_endpoint"),
            models.UniqueConstraint("endpoint", "pipeline", name="one_pipeline_per_endpoint"),
        ]

    def __str__(self) -> str:
        return str(self.version)


class PipelineDraft(Row):
    """A graph that is still changed, and what it is going to be run with. Its `version` grows with each change."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="pipeline_drafts")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    # Empty: the experiment is called as the draft.
    experiment = models.CharField(max_length=255, blank=True)
    # Of the runs that it makes: a copy of a script run stays one.
    kind = models.CharField(max_length=12, default="pipeline")
    # It can be read, but need not be able to run: that is asked when it is checked and submitted.
    graph = models.JSONField()
    # Values of its parameters where they are others than the defaults.
    parameters = models.JSONField(default=dict)
    priority = models.SmallIntegerField(default=0)
    tags = models.JSONField(default=dict)
    properties = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    changed_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField()
    # What it was copied from; that may be gone since.
    of_run_id = models.UUIDField(null=True)
    of_pipeline_id = models.UUIDField(null=True)
    of_draft_id = models.UUIDField(null=True)
    last_run_id = models.UUIDField(null=True)

    class Meta:
        indexes = [models.Index(fields=["workspace", "-id"], name="drafts_newest")]

    def __str__(self) -> str:
        return self.name


class Module(Row):
    """A step by a name, for the pipelines of a workspace. What it runs is said by its versions."""

    class Status(models.TextChoices):
        ACTIVE = "Active", _("Active")
        DEPRECATED = "Deprecated", _("Deprecated")
        DISABLED = "Disabled", _("Disabled")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="modules")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    # The version that programs get which name none; empty: the newest that is active.
    default_version = models.CharField(max_length=64, blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "name", name="one_module_per_name")]

    def __str__(self) -> str:
        return self.name


class ModuleVersion(Row):
    """One published form of a module: code, ports, arguments. Only its status and its description change."""

    module = models.ForeignKey(Module, models.CASCADE, related_name="versions")
    version = models.CharField(max_length=64)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Module.Status, default=Module.Status.ACTIVE)
    # What a step is made of (docs/wire.md, *Modules*), checked when it was published.
    definition = models.JSONField()
    snapshot_digest = models.CharField(max_length=64)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint("module", "version", name="one_version_per_module")]

    def __str__(self) -> str:
        return f"{self.module_id} {self.version}"
