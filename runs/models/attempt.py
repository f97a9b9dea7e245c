from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from compute.models import ComputeTarget, Host, Node
from core.lifecycle import Lifecycle
from runs.models.run import Run
from workspaces.models import User, Workspace


class Attempt(Lifecycle):
    """One try at executing a run: one row, one directory, one name. A retry is a new attempt.

    A try on several nodes has a row for each, its members: what a host does for one is told of by its row as ever, with a lease,
    an epoch, logs and an end of its own. That of `node_rank` 0 stands for the try.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        LEASED = "leased", _("Leased")
        PREPARING = "preparing", _("Preparing")
        RUNNING = "running", _("Running")
        COLLECTING = "collecting", _("Collecting")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")
        CANCELED = "canceled", _("Canceled")
        LOST = "lost", _("Lost")

    KIND = "attempt"
    ENDS = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.LOST})
    MOVES = {
        # Lost: as one of several that begin together.
        Status.QUEUED: frozenset({Status.LEASED, Status.FAILED, Status.CANCELED, Status.LOST}),
        Status.LEASED: frozenset({Status.QUEUED, Status.PREPARING, Status.RUNNING, Status.COLLECTING, *ENDS}),
        Status.PREPARING: frozenset({Status.RUNNING, Status.COLLECTING, *ENDS}),
        Status.RUNNING: frozenset({Status.COLLECTING, *ENDS}),
        Status.COLLECTING: frozenset({*ENDS}),
        Status.COMPLETED: frozenset(),
        Status.FAILED: frozenset(),
        Status.CANCELED: frozenset(),
        Status.LOST: frozenset(),
    }

    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    run = models.ForeignKey(Run, models.CASCADE, related_name="attempts")
    # That of its run: a host may serve many, and one finds its own there.
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+", db_index=False)
    number = models.PositiveIntegerField()
    node_rank = models.PositiveSmallIntegerField(default=0)
    # How many nodes the try is for, and how many of them are given at once, all or none.
    node_count = models.PositiveSmallIntegerField(default=1)
    min_nodes = models.PositiveSmallIntegerField(default=1)
    # Where the other members find this one: {"address", "ports"}, once it is ready to start.
    rendezvous = models.JSONField(null=True)
    # The fencing number: grows with each lease, and every report must carry it.
    epoch = models.PositiveIntegerField(default=0)
    compute_target = models.ForeignKey(ComputeTarget, models.SET_NULL, null=True, related_name="attempts")
    host = models.ForeignKey(Host, models.SET_NULL, null=True, related_name="attempts")
    node = models.ForeignKey(Node, models.SET_NULL, null=True, related_name="attempts")
    node_name = models.CharField(max_length=64, blank=True)
    # What the queue of a cluster is ordered by: priority, then fair share between users, then first come.
    priority = models.SmallIntegerField(default=0)
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    # A retry with a delay is not placed before this moment.
    not_before = models.DateTimeField(null=True)
    # What its kind of step needs of a host beside what its environment does; empty: nothing.
    needs = models.CharField(max_length=16, blank=True)
    launcher = models.CharField(max_length=8, blank=True)
    # Why it waits in a queue of its host's, in a word of that queue; kept as long as it does.
    queue_reason = models.CharField(max_length=64, blank=True)
    # Where it is among those that wait there (1: the next), and when it is expected to begin, as far as that queue tells.
    queue_position = models.PositiveIntegerField(null=True)
    queue_start = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)

    queued_at = models.DateTimeField(null=True)
    leased_at = models.DateTimeField(null=True)
    preparing_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    collecting_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    exit_code = models.IntegerField(null=True)
    signal = models.IntegerField(null=True)
    cause = models.CharField(max_length=16, blank=True)
    message = models.TextField(blank=True)
    # Where the message is the studio's own: {"code", "facts"}, by which it is told in the reader's language (runs.stored_messages).
    said = models.JSONField(null=True)
    traceback = models.JSONField(null=True)
    # What the script said by `run.fail()` while it ran: {"message", "code"}. Its end is a failure then.
    declared = models.JSONField(null=True)
    usage = models.JSONField(null=True)
    # How far its bytes are, and how they came, by way (duto_protocol.messages.Transfers), each with when it was told (`at`).
    transfers = models.JSONField(null=True)
    # What the agent saw after it ended the attempt's processes.
    proof = models.JSONField(null=True)
    warnings = models.JSONField(default=list)
    # Bytes of log and spool that the studio has; the agent continues from there.
    log_size = models.BigIntegerField(default=0)
    # core.loglines.Errors up to there, so that no reader has to count; null for logs of before.
    log_errors = models.JSONField(null=True, default=dict)
    spool_size = models.BigIntegerField(default=0)
    # Bytes of its resource samples, one JSON line each, kept beside the log.
    samples_size = models.BigIntegerField(default=0)
    # Bytes of the ledger of a parallel step, kept there, too.
    ledger_size = models.BigIntegerField(default=0)
    # Its processes that have a log of their own (`RankLog`), where it has several.
    rank_count = models.PositiveSmallIntegerField(default=0)
    log_sealed_at = models.DateTimeField(null=True)
    log_removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("run", "number", "node_rank", name="one_attempt_number")]
        indexes = [
            # What of a workspace ran on a host, of any age.
            models.Index(fields=["host", "workspace", "-id"], name="attempt_on_host"),
            models.Index(
                "host",
                "status",
                name="attempt_of_host",
                condition=~models.Q(status__in=["completed", "failed", "canceled", "lost"]),
            ),
            models.Index(
                fields=["compute_target", "-priority", "user", "id"],
                name="attempt_queue",
                condition=models.Q(status="queued", node__isnull=True),
            ),
            models.Index(
                "lease_until",
                name="attempt_leases",
                condition=~models.Q(status__in=["queued", "completed", "failed", "canceled", "lost"]),
            ),
        ]

    @property
    def is_in_queue(self) -> bool:
        """Whether it has its place, and waits in a queue of its host's."""
        return self.status == Attempt.Status.PREPARING and bool(self.queue_reason)

    @property
    def is_gang(self) -> bool:
        """Whether its members begin together and end together."""
        return 1 < self.node_count == self.min_nodes

    @property
    def log_name(self) -> str:
        """Where the bytes of its log lie, and by which topic pages hear of them."""
        return str(self.pk)
