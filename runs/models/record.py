from __future__ import annotations

from django.db import models

from core.lifecycle import Row
from runs.models.attempt import Attempt
from runs.models.rank_log import log_name_of
from runs.models.run import Run


class Output(Row):
    """What a step wrote for others: a place on a datastore and the digest of its manifest."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="outputs")
    name = models.CharField(max_length=255)
    datastore = models.CharField(max_length=64)
    path = models.CharField(max_length=1024)
    is_directory = models.BooleanField(default=True)
    digest = models.CharField(max_length=64)
    files = models.JSONField(default=list)
    file_count = models.PositiveIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    dataset_version_id = models.UUIDField(null=True)
    # Of an output that links a dataset: the version that steps read in its place.
    linked_version_id = models.UUIDField(null=True)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("run", "name", name="one_output_per_name")]

    @property
    def place(self) -> dict[str, str]:
        """What the step keeps of it (`StepRun.output_digests`): where it lies, its content, and the version that it links."""
        linked = {"dataset": str(self.linked_version_id)} if self.linked_version_id else {}
        return {"datastore": self.datastore, "path": self.path, "digest": self.digest, **linked}


class Artifact(models.Model):
    """A file that belongs to a run. Its bytes lie in the artifact store below artifacts/<run id>/."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, models.CASCADE, related_name="artifacts")
    attempt = models.ForeignKey(Attempt, models.SET_NULL, null=True, related_name="artifacts")
    path = models.CharField(max_length=1024)
    size = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)
    content_type = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("run", "path", name="one_artifact_per_path")]

    def __str__(self) -> str:
        return self.path

    @property
    def key(self) -> str:
        if self.attempt_id and self.path.startswith("user_logs/"):
            # A log is stored once, under its attempt; the artifact only names it.
            return f"logs/{log_name_of(self.attempt_id, self.path)}"
        return f"artifacts/{self.run_id}/{self.path}"


class MetricPoint(models.Model):
    """One logged value. `value` holds numbers; everything else is in `data`."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, models.CASCADE, related_name="metric_points")
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=20)
    index = models.BigIntegerField()
    value = models.FloatField(null=True)
    data = models.JSONField(null=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index("run", "name", "index", name="metric_series")]

    def __str__(self) -> str:
        return f"{self.name}[{self.index}]"


class MetricDescription(models.Model):
    """What a script says that a metric is, the last time that it said so."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, models.CASCADE, related_name="metric_descriptions")
    name = models.CharField(max_length=255)
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint("run", "name", name="one_description_per_metric")]

    def __str__(self) -> str:
        return self.text
