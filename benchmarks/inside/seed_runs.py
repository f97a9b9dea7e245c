"""Fill a workspace up to a number of runs, as years of work would."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from benchmarks.inside import open_studio, tell

if TYPE_CHECKING:
    from runs.models import Run

EXPERIMENTS, BATCH = 20, 2000
# The lists count the steps of the runs that they show: those of the newest ones are there.
WITH_STEPS, STEPS = 200, 3
STATUSES = ("Completed", "Completed", "Completed", "Failed", "Canceled")


def main(wanted: int) -> None:
    """Rows in bulk, newest last, as they would have come; then what the server's own housekeeping would do."""
    from django.db import connection

    from runs.models import Run
    from workspaces.models import Workspace

    workspace = Workspace.objects.get(name="main")
    there = Run.objects.filter(workspace=workspace, parent=None).count()
    rows = _runs(workspace, there, wanted)
    while batch := list(islice(rows, BATCH)):
        Run.objects.bulk_create(batch)
    _add_steps(workspace)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    tell(runs=Run.objects.filter(workspace=workspace, parent=None).count())


def _runs(workspace: Any, there: int, wanted: int) -> Iterator[Run]:
    from core.clock import now
    from runs.models import Experiment, Run

    homes = [
        Experiment.objects.get_or_create(workspace=workspace, name=f"experiment {number}")[0]
        for number in range(EXPERIMENTS)
    ]
    moment = now()
    for number in range(there, wanted):
        ended = moment - timedelta(seconds=wanted - number)
        run = Run(
            workspace=workspace,
            experiment=homes[number % EXPERIMENTS],
            kind=Run.Kind.PIPELINE,
            number=number // EXPERIMENTS + 1,
            status=STATUSES[number % len(STATUSES)],
            display_name=f"run {number}",
            graph={"schema": 1, "steps": [], "parameters": []},
            tags={"team": str(number % 7)},
            started_at=ended - timedelta(minutes=3),
            finished_at=ended,
        )
        run.root = run
        yield run


def _add_steps(workspace: Any) -> None:
    from runs.models import Run, StepRun

    newest = Run.objects.filter(workspace=workspace, parent=None, children=None).order_by("-id")[:WITH_STEPS]
    steps = [
        Run(
            workspace=workspace, experiment_id=root.experiment_id, kind=Run.Kind.STEP, parent=root, root=root,
            status=root.status, started_at=root.started_at, finished_at=root.finished_at,
        )
        for root in newest
        for _ in range(STEPS)
    ]  # fmt: skip
    Run.objects.bulk_create(steps)
    names = (f"step-{number % STEPS}" for number in range(len(steps)))
    StepRun.objects.bulk_create(
        [
            StepRun(run=step, workspace=workspace, node_id=name, name=name)
            for step, name in zip(steps, names, strict=True)
        ]
    )


if __name__ == "__main__":
    open_studio()
    main(int(sys.argv[1]))
