"""Where data lies, and how it is named."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from core import outbox
from core.lifecycle import Lifecycle, Row
from datasets import stored_messages
from workspaces.models import User, Workspace


class Datastore(Row):
    """A place for files, or a database. A local one is a folder below the data directory, made and named by the studio.

    Each kind is a module of `datasets.kinds`, which says what `options` it takes and which credentials. These lie in
    `sealed`, encrypted, and are told to nobody.
    """

    class Kind(models.TextChoices):
        LOCAL = "local", _("Local folder")
        AZURE_BLOB = "azure_blob", _("Azure Blob container")
        ADLS_GEN2 = "adls_gen2", _("Azure Data Lake Storage Gen2")
        AZURE_FILES = "azure_files", _("Azure file share")
        S3 = "s3", _("S3 bucket")
        GCS = "gcs", _("Google Cloud Storage bucket")
        SFTP = "sftp", _("SFTP folder")
        HTTP = "http", _("Web server or WebDAV (read only)")
        POSTGRESQL = "postgresql", _("PostgreSQL database")
        MYSQL = "mysql", _("MySQL or MariaDB database")
        SQLSERVER = "sqlserver", _("SQL Server or Azure SQL database")
        SQLITE = "sqlite", _("SQLite file")
        DUCKDB = "duckdb", _("DuckDB file")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="datastores")
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.LOCAL)
    description = models.TextField(blank=True)
    options = models.JSONField(default=dict)
    sealed = models.BinaryField(null=True)
    credentials_set_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "name", name="one_datastore_per_name")]

    def __str__(self) -> str:
        return self.name


class Dataset(Row):
    """A name for data; its versions say what it means."""

    class Kind(models.TextChoices):
        FILE = "file", _("Files")
        TABULAR = "tabular", _("Table")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=8, choices=Kind)
    description = models.TextField(blank=True)
    archived_at = models.DateTimeField(null=True)
    latest_version = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "name", name="one_dataset_per_name")]

    def __str__(self) -> str:
        return self.name


class DatasetVersion(Lifecycle):
    """An immutable definition: sources, format, operations. Without a dataset it is anonymous: kept by id, not listed.

    One with web addresses is `fetching` until a worker has copied what is there, and a large table until a worker has
    looked through it; saved again, it is asked for again.
    """

    class Status(models.TextChoices):
        FETCHING = "fetching", _("Fetching")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    KIND = "dataset version"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        Status.FETCHING: frozenset({Status.READY, Status.FAILED}),
        Status.READY: frozenset({Status.FETCHING}),
        Status.FAILED: frozenset({Status.FETCHING}),
    }

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="versions", null=True)
    version = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=8, choices=Dataset.Kind)
    definition = models.JSONField()
    digest = models.CharField(max_length=64)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    # What the studio found when it last looked: sizes and counts, and the digest of names, sizes and times.
    file_count = models.PositiveIntegerField(null=True)
    size = models.BigIntegerField(null=True)
    content_fingerprint = models.CharField(max_length=64, blank=True)
    profile = models.JSONField(null=True)
    # Why it could not be fetched: {"code", "message"}. One that is ready keeps the copy that it had.
    # {"code", "message", "said"}: `said` is what the message is made of (datasets.stored_messages).
    error = models.JSONField(null=True)
    asked_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    # How far looking through a table has come, while it is fetching: [done, total] in bytes.
    progress = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "dataset", "version", name="one_dataset_version", condition=models.Q(dataset__isnull=False)
            ),
        ]
        indexes = [
            models.Index("workspace", "digest", name="dataset_version_digest"),
            models.Index(fields=["id"], name="dataset_version_fetching", condition=models.Q(status="fetching")),
        ]

    @property
    def localized_error(self) -> str:
        """Why it could not be fetched, in the reader's language."""
        return stored_messages.localized(stored_messages.of_error(self.error))

    @property
    def is_usable(self) -> bool:
        """Whether there is something to read. What was fetched once stays so while it is asked for again."""
        return self.status == self.Status.READY or self.file_count is not None

    def on_transition(self, to: str, facts: dict[str, Any]) -> None:
        """Journaled, so that a page which was drawn just before it watches the list still hears of it."""
        super().on_transition(to, facts)
        number = time.time_ns() // 1000
        lists = (f"list:{self.workspace.name}:datasets",)
        outbox.record(f"dataset:{self.pk}", number, {"status": to}, lists=lists)


class ProfileRun(Lifecycle):
    """One computation of the statistics of a table, which a worker does; with a `baseline`, of how it differs from that.

    `result` is what was found: of a profile `{"columns": [...]}`, of a comparison what `datasets.differences` makes.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")
        CANCELED = "canceled", _("Canceled")

    KIND = "profile run"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELED}),
        Status.RUNNING: frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED}),
        Status.COMPLETED: frozenset(),
        Status.FAILED: frozenset(),
        Status.CANCELED: frozenset(),
    }
    OPEN = (Status.QUEUED, Status.RUNNING)

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    version = models.ForeignKey(DatasetVersion, models.CASCADE, related_name="profile_runs")
    baseline = models.ForeignKey(DatasetVersion, models.CASCADE, related_name="+", null=True)
    # The columns by which rows of the two are known, of a comparison.
    keys = models.JSONField(default=list)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    # In percent, while it runs.
    progress = models.PositiveSmallIntegerField(default=0)
    # {"code", "message", "said"}, as of a version.
    error = models.JSONField(null=True)
    row_count = models.BigIntegerField(null=True)
    # What the files were known by that it has read.
    content_fingerprint = models.CharField(max_length=64, blank=True)
    result = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "version", name="one_open_profile_run",
                condition=models.Q(status__in=("queued", "running"), baseline__isnull=True),
            ),
            models.UniqueConstraint(
                "version", "baseline", name="one_open_comparison",
                condition=models.Q(status__in=("queued", "running"), baseline__isnull=False),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["id"], name="profile_run_open", condition=models.Q(status__in=("queued", "running"))),
        ]

    @property
    def localized_error(self) -> str:
        """Why it failed, in the reader's language."""
        return stored_messages.localized(stored_messages.of_error(self.error))

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    def on_transition(self, to: str, facts: dict[str, Any]) -> None:
        super().on_transition(to, facts)
        lists = (f"list:{self.workspace.name}:datasets",)
        outbox.record(f"dataset:{self.version_id}", time.time_ns() // 1000, {"profile": to}, lists=lists)
