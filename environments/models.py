"""The packages a step runs with."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core import outbox, sentences
from core.lifecycle import Lifecycle, Row
from core.sentences import Kept
from environments import stored_messages
from workspaces.models import Workspace


class Environment(Row):
    """A name for a set of packages; its versions say which."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="environments")
    name = models.CharField(max_length=255)
    is_curated = models.BooleanField(default=False)
    latest_version = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "name", name="one_environment_per_name")]

    def __str__(self) -> str:
        return self.name


class LocalizedLifecycle(Lifecycle):
    """Columns of sentences, and by their names what those are made of."""

    message = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    said = models.JSONField(default=dict)

    class Meta:
        abstract = True

    @property
    def localized_message(self) -> str:
        return stored_messages.localized({"text": self.message, **(self.said.get("message") or {})})

    @property
    def localized_reason(self) -> str:
        return stored_messages.localized({"text": self.reason, **(self.said.get("reason") or {})})


class EnvironmentBuild(LocalizedLifecycle):
    """One resolution of a recipe to a lock. Equal recipes of any name share it, in the whole installation."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        BUILDING = "building", _("Building")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    KIND = "environment build"
    MOVES = {
        Status.QUEUED: frozenset({Status.BUILDING, Status.READY, Status.FAILED}),
        Status.BUILDING: frozenset({Status.QUEUED, Status.READY, Status.FAILED}),
        Status.READY: frozenset(),
        Status.FAILED: frozenset(),
    }

    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    recipe_digest = models.CharField(max_length=64)
    recipe = models.JSONField()
    lock = models.TextField(blank=True)
    lock_digest = models.CharField(max_length=64, blank=True)
    python = models.CharField(max_length=16, blank=True)
    host_id = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    log_size = models.BigIntegerField(default=0)
    log_errors = models.JSONField(null=True, default=dict)  # core.loglines.Errors; null for logs of before
    warnings = models.JSONField(default=list)

    class Meta:
        constraints = [
            # A recipe has one build that is under way or ready; failed ones stay as history.
            models.UniqueConstraint(
                "recipe_digest", name="one_live_build_per_recipe", condition=~models.Q(status="failed")
            ),
        ]
        indexes = [models.Index("status", "id", name="build_queue")]

    def on_transition(self, to: str, facts: dict[str, Any]) -> None:
        outbox.hint(f"build:{self.pk}", {"status": to})

    @property
    def localized_warnings(self) -> list[str]:
        return [stored_messages.localized(each) for each in self.warnings]


class EnvironmentVersion(Row):
    """An immutable definition under a name, or anonymous."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    environment = models.ForeignKey(Environment, models.CASCADE, related_name="versions", null=True)
    version = models.PositiveIntegerField(default=0)
    definition = models.JSONField()
    digest = models.CharField(max_length=64)
    recipe_digest = models.CharField(max_length=64)
    build = models.ForeignKey(EnvironmentBuild, models.SET_NULL, null=True, related_name="versions")
    # What its images are built on: the tag of the base that it describes or names itself, empty for that of the host.
    base_tag = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "environment", "version", name="one_environment_version", condition=models.Q(environment__isnull=False)
            ),
        ]
        indexes = [models.Index("workspace", "digest", name="environment_version_digest")]

    @property
    def unused(self) -> list[Kept]:
        """What of the lists of its program the studio does not use."""
        python = self.definition.get("python") or {}
        return [sentences.kept(python, each) for each in python.get("unused") or []]

    @property
    def localized_unused(self) -> list[str]:
        return [stored_messages.localized(each) for each in self.unused]

    @property
    def label(self) -> str:
        if self.environment:
            return f"{self.environment.name}:{self.version}"
        return gettext("anonymous %(digest)s") % {"digest": self.digest[:8]}


class Image(LocalizedLifecycle):
    """An environment, or a base of one, as a container image on one host. The tag is a key of the cache, or stands for the
    fetch of a base image; the image's id is the truth."""

    class Status(models.TextChoices):
        BUILDING = "building", _("Building")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")
        REMOVED = "removed", _("Removed")

    KIND = "image"
    MOVES = {
        Status.BUILDING: frozenset({Status.READY, Status.FAILED, Status.REMOVED}),
        Status.READY: frozenset({Status.BUILDING, Status.REMOVED}),
        Status.FAILED: frozenset({Status.BUILDING, Status.READY, Status.REMOVED}),
        Status.REMOVED: frozenset({Status.BUILDING, Status.READY}),
    }

    status = models.CharField(max_length=16, choices=Status, default=Status.BUILDING)
    # Hosts belong to a sibling app.
    host_id = models.UUIDField()
    host_name = models.CharField(max_length=64)
    tag = models.CharField(max_length=128)
    image_id = models.CharField(max_length=80, blank=True)
    lock_digest = models.CharField(max_length=64, blank=True, db_index=True)
    # That of the environment it was first built for; null where nobody knows.
    base_tag = models.CharField(max_length=64, null=True)  # noqa: DJ001 - unknown is not the host's own
    # The named parts that the tag is a digest of: comparing two says why it was built anew.
    recipe = models.JSONField(default=dict)
    # {"done": 1, "total": 4, "text": what it does now, "unit": steps of a build, or bytes of a fetch}
    progress = models.JSONField(default=dict)
    size = models.BigIntegerField(default=0)
    # The attempt whose log tells of the build.
    attempt_id = models.UUIDField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("host_id", "tag", name="one_image_per_host")]

    def on_transition(self, to: str, facts: dict[str, Any]) -> None:
        """Whoever has the environment looks again."""
        if self.lock_digest:
            rows = EnvironmentVersion.objects.filter(build__lock_digest=self.lock_digest)
            for name in rows.values_list("workspace__name", flat=True).distinct():
                outbox.hint(f"list:{name}:images")
