"""Make schedules of one published pipeline: all due at one moment, or each at its own within an hour."""

from __future__ import annotations

import sys
from datetime import timedelta

from benchmarks.inside import open_studio, tell

BATCH = 1000


def main(pipeline_id: str, count: int, spread: float, ahead: float) -> None:
    """`spread`: seconds over which they are due; `ahead`: seconds until the first is."""
    from django.db import transaction

    from core.clock import now
    from pipelines.models import PublishedPipeline
    from schedules.models import Schedule

    pipeline = PublishedPipeline.objects.select_related("workspace", "published_by").get(pk=pipeline_id)
    Schedule.objects.all().delete()
    first = now() + timedelta(seconds=ahead)
    made = [
        Schedule(
            workspace=pipeline.workspace, name=f"schedule {number}", pipeline=pipeline, experiment_name="scheduled",
            timetable={"frequency": "Hour", "interval": 1}, next_at=first + timedelta(seconds=spread * number / count),
            created_by=pipeline.published_by,
        )
        for number in range(count)
    ]  # fmt: skip
    with transaction.atomic():
        Schedule.objects.bulk_create(made, BATCH)
        # However long that took: none is due a second time while it is looked at.
        Schedule.objects.update(created_at=first - timedelta(hours=1))
    tell(schedules=len(made))


if __name__ == "__main__":
    open_studio()
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
