"""How the runs before one went: how long it has been failing, and how long it usually takes.

The same means the same published pipeline; of runs that none started, the same experiment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from runs.models import Run

# So many runs back are looked at.
MOST_RUNS = 100
# Fewer runs have no usual time.
LEAST_RUNS = 5
# A run that takes a second is not late after two.
LEAST_TIME = timedelta(minutes=1)
ENDED = (Run.Status.COMPLETED, Run.Status.FAILED)


@dataclass(frozen=True)
class Failures:
    """Failures one after the other: how many, at most `LOOKED_AT`, and when the first of them ended."""

    count: int
    since: datetime


def failures_before(run: Run) -> Failures | None:
    """Those that came without a success between them and the end of this run; None where the one before it succeeded."""
    rows = _ended(run).values_list("finished_at", "status")
    end = run.finished_at
    return streak(sorted((at, status) for at, status in rows if at is not None and end is not None and at <= end))


def streak(ends: Sequence[tuple[datetime, str]]) -> Failures | None:
    """The failures at the end of these, the newest last."""
    found: Failures | None = None
    for at, status in reversed(ends):
        if status != Run.Status.FAILED:
            break
        found = Failures(found.count + 1 if found else 1, at)
    return found


def usual_time(run: Run) -> timedelta | None:
    """How long all but the longest of the runs before it took; None where there are too few."""
    rows = _ended(run).filter(status=Run.Status.COMPLETED).values_list("started_at", "finished_at")
    return percentile([end - start for start, end in rows if start and end])


def percentile(times: Sequence[timedelta], part: float = 0.95) -> timedelta | None:
    """The nearest rank, and not less than `LEAST`."""
    if len(times) < LEAST_RUNS:
        return None
    return max(LEAST_TIME, sorted(times)[math.ceil(part * len(times)) - 1])


def key_of(run: Run) -> tuple[UUID | None, UUID | None]:
    """Equal for runs of the same."""
    return (run.published_pipeline_id, None) if run.published_pipeline_id else (None, run.experiment_id)


def _ended(run: Run) -> QuerySet[Run]:
    rows = Run.objects.filter(workspace=run.workspace_id, parent__isnull=True).exclude(pk=run.pk)
    rows = (
        rows.filter(published_pipeline_id=run.published_pipeline_id)
        if run.published_pipeline_id
        else rows.filter(experiment=run.experiment_id, published_pipeline_id__isnull=True)
    )
    return rows.filter(pk__in=rows.filter(status__in=ENDED).order_by("-id").values("pk")[:MOST_RUNS])
