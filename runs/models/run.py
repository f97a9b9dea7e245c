from __future__ import annotations

from typing import TypedDict
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.lifecycle import Lifecycle, Row
from duto.spec import status
from workspaces.models import User, Workspace


class Trigger(TypedDict):
    """What started a run, and its name: a page, a program, a published pipeline, the run that is repeated."""

    kind: str
    name: str


class RunWords(TypedDict, total=False):
    """What whoever starts a run says of it."""

    display_name: str
    description: str
    tags: dict[str, str]
    properties: dict[str, str]
    trigger: Trigger


class Experiment(Row):
    """A name that runs are gathered under."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="experiments")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    archived_at = models.DateTimeField(null=True)
    run_count = models.PositiveIntegerField(default=0)
    last_run_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "name", name="one_experiment_per_name")]

    def __str__(self) -> str:
        return self.name


class Run(Lifecycle):
    """A node of a tree of runs. Metrics, tags, properties and artifacts belong to any node; attempts to those that execute."""

    class Kind(models.TextChoices):
        PIPELINE = "pipeline", _("Pipeline")
        STEP = "step", _("Step")
        SCRIPT = "script", _("Script")
        SWEEP = "sweep", _("Sweep")
        AUTOML = "automl", _("Automated ML")
        TRIAL = "trial", _("Trial")
        CHILD = "child", _("Child")
        INTERACTIVE = "interactive", _("Interactive")

    class Status(models.TextChoices):
        NOT_STARTED = "NotStarted", _("Not started")
        QUEUED = "Queued", _("Queued")
        PREPARING = "Preparing", _("Preparing")
        RUNNING = "Running", _("Running")
        FINALIZING = "Finalizing", _("Finalizing")
        CANCEL_REQUESTED = "CancelRequested", _("Canceling")
        NOT_RESPONDING = "NotResponding", _("Not responding")
        COMPLETED = "Completed", _("Completed")
        FAILED = "Failed", _("Failed")
        CANCELED = "Canceled", _("Canceled")
        SKIPPED = "Skipped", _("Skipped")

    KIND = "run"
    ENDS = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.SKIPPED})
    # Forward only, but a retry queues again and a silent run may come back (docs/architecture.md, *States*).
    MOVES = {
        Status.NOT_STARTED: frozenset(
            {Status.QUEUED, Status.PREPARING, Status.RUNNING, Status.CANCEL_REQUESTED, *ENDS}
        ),
        Status.QUEUED: frozenset({Status.PREPARING, Status.RUNNING, Status.CANCEL_REQUESTED, *ENDS}),
        Status.PREPARING: frozenset(
            {Status.QUEUED, Status.RUNNING, Status.FINALIZING, Status.CANCEL_REQUESTED, Status.NOT_RESPONDING, *ENDS}
        ),
        Status.RUNNING: frozenset(
            {Status.QUEUED, Status.FINALIZING, Status.CANCEL_REQUESTED, Status.NOT_RESPONDING, *ENDS}
        ),
        Status.FINALIZING: frozenset({Status.QUEUED, Status.CANCEL_REQUESTED, Status.NOT_RESPONDING, *ENDS}),
        Status.CANCEL_REQUESTED: frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED}),
        Status.NOT_RESPONDING: frozenset(
            {Status.QUEUED, Status.PREPARING, Status.RUNNING, Status.FINALIZING, Status.CANCEL_REQUESTED, *ENDS}
        ),
        Status.COMPLETED: frozenset(),
        Status.FAILED: frozenset(),
        Status.CANCELED: frozenset(),
        Status.SKIPPED: frozenset(),
    }

    status = models.CharField(max_length=16, choices=Status, default=Status.NOT_STARTED)
    kind = models.CharField(max_length=12, choices=Kind)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="runs")
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="runs")
    # Null for a root. A root that is its own parent is hidden (`is_hidden`): no list of roots has it.
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    # The root of the tree; a root points at itself, so that one index serves "all of this tree".
    root = models.ForeignKey("self", models.CASCADE, null=True, related_name="tree")
    number = models.PositiveIntegerField(default=0)
    display_name = models.CharField(max_length=256, blank=True)
    description = models.TextField(blank=True)
    # Grows with each change in the outbox of the tree; only a root's counts.
    version = models.BigIntegerField(default=0)

    graph = models.JSONField(null=True)
    graph_digest = models.CharField(max_length=64, blank=True)
    parameters = models.JSONField(default=dict)
    tags = models.JSONField(default=dict)
    properties = models.JSONField(default=dict)
    is_forced = models.BooleanField(default=False)
    continue_on_step_failure = models.BooleanField(default=False)

    submitted_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    # The root of the tree whose step submitted this root; null where a person did.
    submitted_in = models.UUIDField(null=True)
    trigger = models.JSONField(default=dict)
    published_pipeline_id = models.UUIDField(null=True, db_index=True)
    cloned_from = models.ForeignKey("self", models.SET_NULL, null=True, related_name="clones")
    # The failed run whose finished steps this one adopts.
    resumed_from = models.ForeignKey("self", models.SET_NULL, null=True, related_name="resumes")
    priority = models.SmallIntegerField(default=0)

    queued_at = models.DateTimeField(null=True)
    preparing_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finalizing_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True)
    cancel_requested_at = models.DateTimeField(null=True)
    error = models.JSONField(null=True)
    warnings = models.JSONField(default=list)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "experiment", "number", name="one_run_number", condition=models.Q(parent__isnull=True)
            ),
        ]
        indexes = [
            # The list of runs: roots of a workspace, newest first, also within a state or an experiment.
            models.Index(
                fields=["workspace", "-id"],
                name="run_newest",
                condition=models.Q(parent__isnull=True, archived_at__isnull=True),
            ),
            models.Index(
                fields=["workspace", "status", "-id"], name="run_by_status", condition=models.Q(parent__isnull=True)
            ),
            models.Index(
                fields=["experiment", "-id"], name="run_of_experiment", condition=models.Q(parent__isnull=True)
            ),
            # The runs of a published pipeline, of any age.
            models.Index(
                fields=["published_pipeline_id", "-id"],
                name="run_of_pipeline",
                condition=models.Q(published_pipeline_id__isnull=False, parent__isnull=True),
            ),
            models.Index("root", "id", name="run_tree"),
            models.Index(fields=["parent", "-id"], name="run_children"),
            # Asked for at the end of every run: what is still open below it.
            models.Index(
                "parent",
                name="run_open_children",
                condition=models.Q(kind="child") & ~models.Q(status__in=["Completed", "Failed", "Canceled", "Skipped"]),
            ),
            # The ticker asks for roots that are not final.
            models.Index(
                "id",
                name="run_open",
                condition=models.Q(parent__isnull=True)
                & ~models.Q(status__in=["Completed", "Failed", "Canceled", "Skipped"]),
            ),
        ]

    def __str__(self) -> str:
        return self.display_name or str(self.pk)

    @property
    def topic(self) -> str:
        return f"run:{self.root_id}"

    @property
    def is_root(self) -> bool:
        return self.root_id == self.pk

    @property
    def is_own_step(self) -> bool:
        """Whether this is a root that is the single step of its graph itself, and ends with it."""
        return self.kind in (self.Kind.SCRIPT, self.Kind.SWEEP, self.Kind.AUTOML)

    @property
    def graph_id(self) -> UUID:
        """The run whose graph holds the step of this one: its root, but a trial's, which has one of its own."""
        return self.pk if self.kind == self.Kind.TRIAL else self.root_id or self.pk

    @property
    def is_hidden(self) -> bool:
        """Whether this is a root whose steps are still being laid out, or are being removed: nothing carries it forward."""
        return self.parent_id == self.pk

    @property
    def is_adopted(self) -> bool:
        """Whether this is a step whose result was taken over from the run that its own run resumes."""
        return self.step.reused_from_id is not None and self.properties.get(status.IS_ADOPTED) == "true"


class StepRun(models.Model):
    """What a step or script run adds to its run: what was asked, and why it was reused or not."""

    run = models.OneToOneField(Run, models.CASCADE, primary_key=True, related_name="step")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    node_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    compute_target_id = models.UUIDField(null=True)
    environment_version_id = models.UUIDField(null=True)
    snapshot_digest = models.CharField(max_length=64, blank=True)
    allow_reuse = models.BooleanField(default=True)
    # A forced or failed step run is no source; this column makes the look-up one index probe.
    is_source = models.BooleanField(default=False)
    fingerprint = models.CharField(max_length=64, blank=True)
    fingerprint_document = models.JSONField(null=True)
    reuse_explanation = models.JSONField(null=True)
    reused_from = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="reused_by")
    # What the step wrote, by output name: {"datastore", "path", "digest"}; a reused step has its source's.
    output_digests = models.JSONField(default=dict)
    # Why it waits for something other than a place; those reasons are worked out when asked for.
    waiting = models.JSONField(default=list)

    class Meta:
        indexes = [
            models.Index(
                fields=["workspace", "fingerprint", "-run"], name="step_fingerprint", condition=models.Q(is_source=True)
            ),
            # "The last runs of this step", and the nearest candidate when nothing matched.
            models.Index(fields=["workspace", "name", "-run"], name="step_history"),
            # "Who uses it" of an environment.
            models.Index(
                fields=["environment_version_id", "-run"], name="step_environment",
                condition=models.Q(environment_version_id__isnull=False),
            ),
            # The same of a cluster; a reused step was sent to none.
            models.Index(
                fields=["compute_target_id", "-run"], name="step_cluster",
                condition=models.Q(compute_target_id__isnull=False, reused_from__isnull=True),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name


class DataUse(models.Model):
    """A run reads a version of a dataset: noted when it is submitted, of what its graph and its parameters name.

    One row a run and version, with the first step in the order of the graph that reads it.
    """

    root = models.ForeignKey(Run, models.CASCADE, related_name="data_uses")
    run = models.ForeignKey(Run, models.CASCADE, related_name="+")
    dataset_version_id = models.UUIDField()

    class Meta:
        constraints = [models.UniqueConstraint("root", "dataset_version_id", name="one_use_a_run")]
        # "Who uses it", the newest first, of any age.
        indexes = [models.Index(fields=["dataset_version_id", "-root"], name="data_use")]

    def __str__(self) -> str:
        return f"{self.root_id} reads {self.dataset_version_id}"


class ModelUse(models.Model):
    """A step, or a run that a program keeps open, copies a version of a model: noted when its program says so."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="model_uses")
    model_version_id = models.UUIDField()

    class Meta:
        constraints = [models.UniqueConstraint("run", "model_version_id", name="one_model_use")]
        # "Who uses it", the newest first, of any age.
        indexes = [models.Index(fields=["model_version_id", "-run"], name="model_use")]

    def __str__(self) -> str:
        return f"{self.run_id} reads {self.model_version_id}"
