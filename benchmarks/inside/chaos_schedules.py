"""End the schedules of a chaos run, or tell how much of them is not over."""

from __future__ import annotations

import sys

from benchmarks.inside import open_studio, tell


def main(what: str) -> None:
    """`end`: due no more from now on. `left`: ticks and runs that are open, and schedules that are due."""
    from core.clock import now
    from runs.models import Run
    from schedules.models import Schedule, Tick

    if what == "end":
        # The one that follows others waits for the ends of their last runs.
        tell(ended=Schedule.objects.filter(trigger__isnull=True).update(end_at=now()))
        return
    open_runs = Run.objects.filter(parent=None, by_tick__isnull=False).exclude(status__in=Run.ENDS)
    due = Schedule.objects.filter(next_at__isnull=False)
    tell(left=Tick.objects.filter(settled_at__isnull=True).count() + open_runs.count() + due.count())


if __name__ == "__main__":
    open_studio()
    main(sys.argv[1])
