"""One placement round in a process of its own: how long, and by how much the process grew. Everything is rolled back."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.inside import open_studio, tell

ME = Path("/proc/self")


def main() -> None:
    """A first round reads what a process reads once; the second is measured. The rollback keeps all wake-ups silent."""
    from django.db import connection

    from runs.models import Attempt

    Attempt.objects.filter(status=Attempt.Status.QUEUED).count()  # connected
    (ME / "clear_refs").write_text("5")  # the peak of memory begins anew
    before = memory("VmRSS")
    _, first = round_()
    grown = memory("VmHWM") - before
    connection.queries_log.clear()
    connection.force_debug_cursor = True
    round_()
    statements = len(connection.queries_log)
    connection.force_debug_cursor = False
    placed, seconds = round_()
    tell(seconds=seconds, first_s=first, grown_mib=grown / 1024, statements=statements, placed=placed)


def round_() -> tuple[int, float]:
    """What is checked at a commit is checked within the time."""
    from django.db import connection, transaction

    from runs.services.scheduling import placing

    with transaction.atomic():
        began = time.perf_counter()
        with transaction.atomic():
            placed = placing.place()
        if connection.vendor == "postgresql":
            connection.check_constraints()
        seconds = time.perf_counter() - began
        transaction.set_rollback(True)
    return placed, seconds


def memory(name: str) -> int:
    """KiB of a line of /proc/self/status."""
    line = next(line for line in (ME / "status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


if __name__ == "__main__":
    open_studio()
    main()
