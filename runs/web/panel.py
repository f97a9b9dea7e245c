"""The panel of the chosen step: one header, nine tabs; each tab is a fragment that knows its own facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from runs.models import Attempt, Run, StepRun
from runs.web import attempts as trials
from runs.web import panel_code, panel_files, panel_metrics, panel_why
from runs.web.tree import StepRow, Tree
from runs.web.waits import Waits, waits_of
from workspaces.access import Room

TABS = {
    "logs": _("Logs"),
    "metrics": _("Metrics"),
    "usage": _("Usage"),
    "images": _("Images"),
    "outputs": _("Outputs"),
    "inputs": _("Inputs"),
    "code": _("Code"),
    "environment": _("Environment"),
    "why": _("Why"),
}
LAST_RUNS = 20


@dataclass(frozen=True)
class Ask:
    """What the address says about the panel."""

    room: Room
    tree: Tree
    step: StepRow
    query: QueryDict


@dataclass(frozen=True)
class Logs:
    """What runs/panel/logs.html may show. `run_id` is whose log it is: a reused step shows that of its source."""

    run_id: Any
    attempt: Attempt | None
    waits: Waits
    is_over: bool

    @property
    def is_waiting(self) -> bool:
        """Whether the log that is asked for is of what has still to begin; earlier attempts have theirs."""
        return self.waits.is_waiting and (self.attempt is None or self.attempt.status == Attempt.Status.QUEUED)


@dataclass(frozen=True)
class Usage:
    """What runs/panel/usage.html may show; the page's element fetches the numbers itself."""

    run_id: Any
    attempt: Attempt | None
    is_over: bool


@dataclass(frozen=True)
class Panel:
    """What runs/panel.html may show."""

    step: StepRow
    tab: str
    tabs: list[tuple[str, Any]]
    template: str
    facts: Any
    attempt: Attempt | None
    attempts: list[Attempt]
    note: trials.Note | None = None
    last_runs: list[dict[str, Any]] = field(default_factory=list)
    source: Run | None = None


def panel_of(room: Room, tree: Tree, query: QueryDict) -> Panel | None:
    """The panel that the address asks for; None for a run without steps."""
    step = tree.row(tree.chosen(query.get("step", "")))
    if step is None:
        return None
    tab = query.get("tab", "")
    tab = tab if tab in TABS else "logs"
    ask = Ask(room, tree, step, query)
    attempts = step.attempts
    return Panel(
        step=step,
        tab=tab,
        tabs=list(TABS.items()),
        template=f"runs/panel/{tab}.html",
        facts=FACTS[tab](ask),
        attempt=_attempt(attempts, query.get("attempt", "")),
        attempts=attempts,
        note=trials.note_of(step, tree.spec(step.node)),
        last_runs=_last_runs(step),
        source=_source(step),
    )


def _attempt(attempts: list[Attempt], number: str) -> Attempt | None:
    found = next((each for each in attempts if str(each.number) == number), None)
    return found or (attempts[-1] if attempts else None)


def _source(step: StepRow) -> Run | None:
    """The run that a reused step takes its result from, with its root for the number."""
    if not step.is_reused:
        return None
    return Run.objects.select_related("root", "step").defer("graph", "root__graph").filter(pk=step.evidence_id).first()


def _shown(ask: Ask) -> Attempt | None:
    """The attempt that the address names, else the last one; of a reused step, of its source."""
    own = ask.step.attempts
    if ask.step.is_reused:
        own = list(Attempt.objects.filter(run=ask.step.evidence_id).order_by("number"))
    return _attempt(own, ask.query.get("attempt", ""))


def _usage(ask: Ask) -> Usage:
    return Usage(ask.step.evidence_id, _shown(ask), ask.step.status in Run.ENDS)


def _logs(ask: Ask) -> Logs:
    return Logs(
        ask.step.evidence_id, _shown(ask), waits_of(ask.step.run, ask.step.attempts), ask.step.status in Run.ENDS
    )


def _last_runs(step: StepRow) -> list[dict[str, Any]]:
    """The last runs of the step of this name, oldest first, as tiny bars."""
    rows = (
        StepRun.objects.filter(workspace_id=step.run.workspace_id, name=step.name, run_id__lte=step.run.pk)
        .order_by("-run_id")
        .values_list("run__status", "run__started_at", "run__finished_at", "reused_from_id", "run__root__number")[
            :LAST_RUNS
        ]
    )
    bars = []
    for status, start, end, source, number in rows:
        seconds = (end - start).total_seconds() if start and end else None
        shown = "Reused" if status == Run.Status.COMPLETED and source else status
        bars.append({"status": shown, "seconds": seconds, "title": f"#{number}"})
    return bars[::-1]


FACTS: dict[str, Callable[[Ask], Any]] = {
    "logs": _logs,
    "metrics": panel_metrics.metrics,
    "usage": _usage,
    "images": panel_metrics.images,
    "outputs": panel_files.outputs,
    "inputs": panel_files.inputs,
    "code": panel_code.code,
    "environment": panel_why.environment,
    "why": panel_why.why,
}
