"""All rows that a chaos run is judged by, as one JSON document."""

from __future__ import annotations

from typing import Any

from benchmarks.inside import open_studio, tell

RUN = ("id", "root_id", "experiment__name", "display_name", "status", "version", "started_at", "finished_at", "error")
TICK = ("schedule_id", "due_at", "status", "run_id", "cause", "settled_at", "reason")
ATTEMPT = (
    "id", "number", "epoch", "status", "exit_code", "signal", "cause", "message", "log_size", "node_id", "host__name",
    "run_id", "run__step__name", "queued_at", "leased_at", "started_at", "finished_at", "lease_until", "log_sealed_at",
)  # fmt: skip


def main() -> None:
    from compute.models import Node
    from core.models import Event
    from runs.models import Attempt, MetricPoint, Output, Run
    from schedules.models import Schedule, Tick

    roots = Run.objects.filter(parent__isnull=True)
    tell(
        runs=[*map(plain, roots.order_by("id").values(*RUN))],
        steps=[*map(plain, Run.objects.filter(step__isnull=False).values("id", "root_id", "status", "step__name"))],
        attempts=[*map(plain, Attempt.objects.order_by("run_id", "number").values(*ATTEMPT))],
        nodes=[*map(plain, Node.objects.values("id", "name", "status", "host__name"))],
        metrics=[*map(plain, MetricPoint.objects.order_by("id").values("run_id", "name", "index", "value"))],
        outputs=[*map(plain, Output.objects.values("run_id", "name", "files", "datastore", "path"))],
        events=[[row[0], row[1]] for row in Event.objects.order_by("id").values_list("topic", "version")],
        schedules=[*map(plain, Schedule.objects.values("id", "name", "timetable", "trigger", "end_at"))],
        ticks=[*map(plain, Tick.objects.order_by("due_at").values(*TICK))],
        undelivered=Event.objects.filter(delivered_at__isnull=True).count(),
    )


def plain(row: Any) -> dict[str, Any]:
    """Values as JSON knows them; times as ISO 8601."""
    return {
        name: value if isinstance(value, int | float | list | dict | None) else _text(value)
        for name, value in row.items()
    }


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


if __name__ == "__main__":
    open_studio()
    main()
