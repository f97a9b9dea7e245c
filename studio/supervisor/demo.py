"""`manage.py demo`: submit the sample pipeline and show it in the terminal, step by step."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from duto.spec.units import duration_text, number_text

POLL_SECONDS = 0.25
ENDS = frozenset({"Completed", "Failed", "Canceled", "Skipped"})
MARKS = {"Completed": "✓", "Failed": "✗", "Canceled": "⊘", "Skipped": "–", "Running": "▸", "Finalizing": "▸"}


@dataclass(frozen=True)
class StepLine:
    """What one line of the terminal says of one step."""

    name: str
    status: str
    seconds: float | None
    reused: bool = False
    metrics: dict[str, float] = field(default_factory=dict)
    why: str = ""

    @property
    def state(self) -> str:
        """The status in the words of the pages."""
        return "Reused" if self.reused else self.status

    def text(self, width: int) -> str:
        """Mark, name, state, time, metrics: in columns."""
        clock = "" if self.seconds is None else duration_text(self.seconds)
        shown = "  ".join(f"{name} {number_text(value)}" for name, value in sorted(self.metrics.items())[:3])
        # What went wrong matters more than what was measured; a line stays a line.
        shown = " ".join(self.why.split())[:80] or shown
        return f"  {MARKS.get(self.status, '·')} {self.name:<{width}}  {self.state:<12} {clock:>8}  {shown}".rstrip()


def run(url: str, between: Callable[[], bool], say: Callable[[str], None]) -> int:
    """Submit, follow, and give 0 only for a run that completed. `between` says True to stop early."""
    run_id, page = submit(url)
    say(f"Running the sample pipeline: {page}")
    say("")
    screen = Screen(sys.stdout.isatty())
    status = "NotStarted"
    while status not in ENDS:
        if between():
            screen.finish()
            return 1
        status, lines = read(run_id)
        screen.show(lines)
        if status not in ENDS:
            time.sleep(POLL_SECONDS)
    screen.finish()
    say("")
    say(f"The run {'completed' if status == 'Completed' else 'ended as ' + status}: {page}")
    return 0 if status == "Completed" else 1


def submit(url: str) -> tuple[Any, str]:
    """Submit the sample as the owner, in the first workspace."""
    from django.urls import reverse

    from runs.services.submission.sample import rounds_to_watch, submit_sample
    from studio.supervisor.people import os_user
    from workspaces.access import FIRST_WORKSPACE, WorkspaceContext
    from workspaces.models import Role, Workspace
    from workspaces.services.first_start import ensure_first_owner

    owner = ensure_first_owner(os_user())
    workspace = Workspace.objects.get(name=FIRST_WORKSPACE)
    # Else a second demo would reuse all, with nothing to watch.
    rounds = rounds_to_watch(workspace)
    submitted = submit_sample(WorkspaceContext(workspace, Role.OWNER, user=owner), rounds=rounds)
    return submitted.pk, url + reverse("runs:run", args=[workspace.name, submitted.pk])


def read(run_id: Any) -> tuple[str, list[StepLine]]:
    """The run and its steps as they are now, in the order of its graph: three queries, whatever its size."""
    from django.utils import timezone

    from runs.models import Run

    root = Run.objects.only("status", "graph").get(pk=run_id)
    place = {step["id"]: number for number, step in enumerate((root.graph or {}).get("steps", []))}
    now, metrics = timezone.now(), last_metrics(run_id)
    steps = Run.objects.filter(root_id=run_id, kind=Run.Kind.STEP).select_related("step")
    lines = []
    for step in sorted(steps, key=lambda one: place.get(one.step.node_id, 0)):
        started, detail = step.started_at or step.preparing_at, step.step
        seconds = ((step.finished_at or now) - started).total_seconds() if started else None
        reused = detail.reused_from_id is not None
        why = (step.error or {}).get("message", "")
        lines.append(
            StepLine(detail.name, step.status, None if reused else seconds, reused, metrics.get(step.pk, {}), why)
        )
    return str(root.status), lines


def last_metrics(run_id: Any) -> dict[Any, dict[str, float]]:
    """The newest number of each metric, by step. A screen has room for the last of many points, not for all."""
    from runs.models import MetricPoint

    found: dict[Any, dict[str, float]] = {}
    points = MetricPoint.objects.filter(run__root_id=run_id, value__isnull=False).order_by("-id")
    for step, name, value in points.values_list("run_id", "name", "value")[:500]:
        found.setdefault(step, {}).setdefault(name, float(value or 0))
    return found


class Screen:
    """One updating line per step on a terminal; one line per change anywhere else."""

    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal = is_terminal
        self.drawn = 0
        self.shown: dict[str, str] = {}

    def show(self, lines: list[StepLine]) -> None:
        """Draw the steps as they are."""
        width = max((len(line.name) for line in lines), default=0)
        if not self.is_terminal:
            self._tell_changes(lines, width)
            return
        up = f"\x1b[{self.drawn}A" if self.drawn else ""
        sys.stdout.write(up + "".join(f"\x1b[2K{line.text(width)}\n" for line in lines))
        sys.stdout.flush()
        self.drawn = len(lines)

    def _tell_changes(self, lines: list[StepLine], width: int) -> None:
        for line in lines:
            if self.shown.get(line.name) != line.state:
                self.shown[line.name] = line.state
                print(line.text(width), flush=True)

    def finish(self) -> None:
        """Leave the last picture where it is."""
        self.drawn = 0
