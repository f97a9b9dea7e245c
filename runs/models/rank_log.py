from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models

from runs.models.attempt import Attempt

if TYPE_CHECKING:
    from runs.models.run import Run


OF_RANK = re.compile(r"/std_log_process_(\d+)\.txt$")


class RankLog(models.Model):
    """What one process of an attempt said, and how it ended. It is written, sealed and removed with the attempt's own log."""

    attempt = models.ForeignKey(Attempt, models.CASCADE, related_name="ranks")
    rank = models.PositiveSmallIntegerField()
    # `worker`, or `ps`: one of TensorFlow's servers of parameters.
    role = models.CharField(max_length=8, default="worker")
    log_size = models.BigIntegerField(default=0)
    log_errors = models.JSONField(null=True, default=dict)
    exit_code = models.IntegerField(null=True)
    signal = models.IntegerField(null=True)
    # Whether it was ended since another one had failed, or was needed no more.
    was_ended = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint("attempt", "rank", name="one_log_a_rank")]

    def __str__(self) -> str:
        return self.log_name

    @property
    def log_name(self) -> str:
        return rank_log_name(self.attempt_id, self.rank)

    @property
    def log_sealed_at(self) -> datetime | None:
        return self.attempt.log_sealed_at

    @property
    def log_removed_at(self) -> datetime | None:
        return self.attempt.log_removed_at

    @property
    def workspace_id(self) -> UUID:
        return self.attempt.workspace_id

    @property
    def run(self) -> Run:
        return self.attempt.run


def rank_log_name(attempt_id: object, rank: int) -> str:
    """Where its bytes lie, and by which topic pages hear of them."""
    return f"{attempt_id}-rank{rank}"


def file_of_rank(rank: int) -> str:
    """The file of a run that is the log of a process, by Azure's name."""
    return f"user_logs/std_log_process_{rank}.txt"


def log_name_of(attempt_id: object, path: str) -> str:
    """Where the bytes of the log lie that this file of a run is."""
    found = OF_RANK.search(path)
    return rank_log_name(attempt_id, int(found[1])) if found else str(attempt_id)


def log_names(attempt_id: object, rank_count: int) -> list[str]:
    """The logs of an attempt that has had so many ranks: its own, and that of each."""
    return [str(attempt_id), *(rank_log_name(attempt_id, rank) for rank in range(rank_count))]
