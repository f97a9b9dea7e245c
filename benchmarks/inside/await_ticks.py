"""Wait until so many ticks have fired, or for so many seconds, and tell how late each was."""

from __future__ import annotations

import sys
import time
from statistics import quantiles

from benchmarks.inside import open_studio, tell

GIVE_UP_S = 300


def main(wanted: int, seconds: float) -> None:
    from django.db.models import Count

    from core.clock import now
    from schedules.models import Schedule, Tick

    fired = Tick.objects.filter(status="fired")
    until = time.monotonic() + (seconds or GIVE_UP_S)
    while time.monotonic() < until and (seconds or fired.count() < wanted):
        time.sleep(0.2)
    late = sorted((each.settled_at - each.due_at).total_seconds() for each in fired if each.settled_at)
    twice = Tick.objects.values("schedule").annotate(count=Count("id")).filter(count__gt=1).count()
    overdue = Schedule.objects.filter(next_at__lt=now()).count()
    cuts = quantiles(late, n=100, method="inclusive") if len(late) > 1 else [*late * 99] or [0.0] * 99
    tell(fired=len(late), twice=twice, overdue=overdue, p99_s=cuts[98], worst_s=max(late, default=0.0))


if __name__ == "__main__":
    open_studio()
    main(int(sys.argv[1]), float(sys.argv[2]))
