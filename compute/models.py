"""Machines, and how they are shared out."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from compute import stored_messages
from core.lifecycle import Lifecycle, Row
from core.sentences import Kept
from workspaces.models import ApiToken, User, Workspace


class Host(Row):
    """A machine with an agent. It speaks with a host key, of which only the digest is kept."""

    class Launcher(models.TextChoices):
        PROCESS = "process", _("Processes")
        DOCKER = "docker", _("Containers")
        SLURM = "slurm", _("Slurm")

    # Unique in its workspace alone: whether another workspace has a host of that name is nobody's business there.
    name = models.SlugField(max_length=64)
    key_digest = models.CharField(max_length=64, unique=True)
    is_local = models.BooleanField(default=False)
    # Whose steps it runs; without a workspace those of every one (the studio's own machine).
    workspace = models.ForeignKey(Workspace, models.CASCADE, null=True, related_name="hosts")
    launcher = models.CharField(max_length=8, choices=Launcher, default=Launcher.PROCESS)
    # Since when it takes no new steps: a person drains it before its machine goes down.
    drained_at = models.DateTimeField(null=True)
    cores = models.FloatField(default=0)
    memory = models.BigIntegerField(default=0)
    disk_free = models.BigIntegerField(default=0)
    gpus = models.JSONField(default=list)
    pythons = models.JSONField(default=list)
    agent_version = models.CharField(max_length=32, blank=True)
    store_marker = models.CharField(max_length=64, blank=True)
    # What else the agent told of its machine: engine, isolation, disk (docs/wire.md, *Agents' API*).
    facts = models.JSONField(default=dict)
    # Keys of the environments and tags of the images that stand there: placement prefers such a host.
    environments = models.JSONField(default=list)
    # Bytes in its cache of what inputs read, by the name of that (runs.input_sources): placement prefers such a host, too.
    cached_inputs = models.JSONField(default=dict)
    agent_started_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("workspace", "name", name="one_host_per_name"),
            models.UniqueConstraint("name", name="one_shared_host_per_name", condition=models.Q(workspace=None)),
        ]

    def __str__(self) -> str:
        return self.name


class Enrolment(Row):
    """A one-time token by which a new machine becomes a host of a workspace. Only its digest is kept."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="enrolments")
    token_digest = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=64, blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    # What it was made with, if not in a session: it ends with that.
    token = models.ForeignKey(ApiToken, models.CASCADE, null=True, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    host = models.ForeignKey(Host, models.SET_NULL, null=True, related_name="+")


class HostSample(models.Model):
    """What a host used at one moment: shares of its cores, bytes of its memory and disk, and the same of each device."""

    id = models.BigAutoField(primary_key=True)
    host = models.ForeignKey(Host, models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    data = models.JSONField()

    class Meta:
        indexes = [models.Index("host", "at", name="host_samples")]

    def __str__(self) -> str:
        return f"{self.host_id} at {self.at}"


class ComputeTarget(Row):
    """A cluster: up to `max_nodes` nodes of one size that come when they are needed and go when they are idle."""

    class Policy(models.TextChoices):
        ELASTIC = "elastic", _("Elastic")
        STRICT = "strict", _("Strict")

    class Type(models.TextChoices):
        """The class that programs know it by. All are clusters."""

        CLUSTER = "AmlCompute", _("Cluster")
        DATA_FACTORY = "DataFactory", _("Data transfers")
        BATCH = "Batch", _("Batch")
        SYNAPSE = "SynapseSpark", _("Spark")
        DATABRICKS = "Databricks", _("Spark (Databricks)")
        SLURM = "Slurm", _("Slurm")

    class Network(models.TextChoices):
        NONE = "none", pgettext_lazy("network", "None")
        STUDIO = "studio", _("The studio only")
        OPEN = "open", pgettext_lazy("network", "Open")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="compute_targets")
    name = models.CharField(max_length=24)
    type = models.CharField(max_length=16, choices=Type, default=Type.CLUSTER)
    description = models.TextField(blank=True)
    vm_size = models.CharField(max_length=64)
    vm_priority = models.CharField(max_length=16, default="dedicated")
    cores = models.FloatField()
    memory = models.BigIntegerField()
    gpus = models.PositiveIntegerField(default=0)
    min_nodes = models.PositiveIntegerField(default=0)
    max_nodes = models.PositiveIntegerField(default=1)
    idle_seconds = models.PositiveIntegerField(default=1800)
    policy = models.CharField(max_length=8, choices=Policy, default=Policy.ELASTIC)
    # The hosts that its nodes may stand on; none named means all hosts of the workspace.
    hosts = models.ManyToManyField(Host, blank=True, related_name="compute_targets")
    # Which kind of host it needs; empty: any.
    launcher = models.CharField(max_length=8, choices=Host.Launcher, blank=True)
    network = models.CharField(max_length=8, choices=Network, default=Network.OPEN)
    # The master of Spark that its Spark steps work with, such as spark://host:7077; empty: all of Spark is on the step's node.
    spark_master = models.CharField(max_length=256, blank=True)
    # What its owner relaxed of the hardened container options; server policy is applied after it.
    container_options = models.JSONField(default=dict)
    tags = models.JSONField(default=dict)
    modified_at = models.DateTimeField(auto_now=True)
    resized_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "name", name="one_compute_target_per_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_leaving(self) -> bool:
        """Deleted with steps on it: it takes none any more, and goes with the last. Nobody can ask for no node at all."""
        return self.max_nodes == 0


class Node(Lifecycle):
    """A reservation of cores, memory and devices on one host for one cluster. It serves one step at a time."""

    class Status(models.TextChoices):
        PREPARING = "preparing", _("Preparing")
        IDLE = "idle", _("Idle")
        RUNNING = "running", _("Running")
        LEAVING = "leaving", _("Leaving")
        UNUSABLE = "unusable", _("Unusable")

    KIND = "node"
    MOVES = {
        Status.PREPARING: frozenset({Status.IDLE, Status.LEAVING, Status.UNUSABLE}),
        Status.IDLE: frozenset({Status.RUNNING, Status.LEAVING, Status.UNUSABLE}),
        Status.RUNNING: frozenset({Status.IDLE, Status.LEAVING, Status.UNUSABLE}),
        Status.UNUSABLE: frozenset({Status.IDLE, Status.LEAVING}),
        Status.LEAVING: frozenset(),
    }

    status = models.CharField(max_length=16, choices=Status, default=Status.PREPARING)
    compute_target = models.ForeignKey(ComputeTarget, models.CASCADE, related_name="nodes")
    host = models.ForeignKey(Host, models.CASCADE, related_name="nodes")
    name = models.CharField(max_length=64)
    cores = models.FloatField()
    memory = models.BigIntegerField()
    gpus = models.JSONField(default=list)
    warning = models.TextField(blank=True)
    # What the warning is made of: its code and facts (compute.stored_messages).
    said = models.JSONField(default=dict)
    idle_since = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index("compute_target", "status", name="node_of_target")]

    @property
    def kept_warning(self) -> Kept:
        """The warning as it is kept with the attempts that run here."""
        return {"text": self.warning, **self.said} if self.said else self.warning

    @property
    def localized_warning(self) -> str:
        """The warning in the reader's language."""
        return stored_messages.localized(self.kept_warning)
