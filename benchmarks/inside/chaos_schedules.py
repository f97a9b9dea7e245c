"""End the schedules of a chaos run, and wait until all of them is over."""

from __future__ import annotations

import sys
import time

from benchmarks.inside import open_studio, tell


def main(patience: float) -> None:
    """They are due no more from now on. Tells how much is left when the patience (seconds) ends: ticks and runs that are open, and
    schedules that are due."""
    from core.clock import now
    from schedules.models import Schedule

    # The one that follows others waits for the ends of their last runs.
    Schedule.objects.filter(trigger__isnull=True).update(end_at=now())
    until = time.monotonic() + patience
    while (left := open_ones()) and time.monotonic() < until:
        time.sleep(1)
    tell(left=left)


def open_ones() -> int:
    from runs.models import Run
    from schedules.models import Schedule, Tick

    open_runs = Run.objects.filter(parent=None, by_tick__isnull=False).exclude(status__in=Run.ENDS)
    due = Schedule.objects.filter(next_at__isnull=False)
    return Tick.objects.filter(settled_at__isnull=True).count() + open_runs.count() + due.count()


if __name__ == "__main__":
    open_studio()
    main(float(sys.argv[1]))
