"""The panel of the chosen step, or of a run itself: a header and tabs; each tab is a fragment that knows its own facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from duto.spec.kinds import KINDS
from duto.spec.status import SNAPSHOT_ID
from runs.models import Attempt, Run, StepRun
from runs.queries.children import children_of
from runs.web import attempts as trials
from runs.web import (
    panel_batches,
    panel_children,
    panel_code,
    panel_details,
    panel_files,
    panel_members,
    panel_metrics,
    panel_searches,
    panel_stages,
    panel_trials,
    panel_why,
    transfers,
)
from runs.web.panel_ranks import Ranks, ranks
from runs.web.panel_request import PanelRequest, StepPanelRequest
from runs.web.tree import StepRow, Tree
from runs.web.waits import Waits, waits_of
from workspaces.access import WorkspaceContext

WORDS = {
    "trials": _("Trials"),
    "batches": _("Mini-batches"),
    "stages": _("Stages"),
    "logs": _("Logs"),
    "metrics": _("Metrics"),
    "members": _("Nodes"),
    "usage": _("Usage"),
    "images": _("Images"),
    "outputs": _("Outputs"),
    "children": _("Child runs"),
    "inputs": _("Inputs"),
    "code": _("Code"),
    "environment": _("Environment"),
    "details": _("Details"),
    "why": _("Why"),
}
# What of a tab's content changes while the run is open without that its row does, by the topic that tells it.
TOPICS = {"metrics": "metrics", "images": "files", "outputs": "files", "children": "children", "trials": "children"}
# Of these the topic is the attempt's ledger.
LEDGERS = frozenset(kind.ledger for kind in KINDS.values() if kind.ledger)
LAST_RUNS = 20


@dataclass(frozen=True)
class Logs:
    """What runs/panel/logs.html may show. `run_id` is whose log it is: a reused step shows that of its source."""

    run_id: Any
    attempt: Attempt | None
    waits: Waits
    is_over: bool
    ranks: Ranks | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the log that is asked for is of what has still to begin; earlier attempts have theirs."""
        return self.waits.is_waiting and (
            self.attempt is None or self.attempt.status == Attempt.Status.QUEUED or self.attempt.is_in_queue
        )


@dataclass(frozen=True)
class Usage:
    """What runs/panel/usage.html may show; the page's element fetches the numbers itself."""

    run_id: Any
    attempt: Attempt | None
    is_over: bool


@dataclass(frozen=True)
class Tab:
    """One tab; `count` is how many things are in it, where that is told."""

    key: str
    word: Any
    count: int | None = None


@dataclass(frozen=True)
class Panel:
    """What runs/panel.html may show: of a step, else of the run itself."""

    run: Run
    evidence_id: UUID
    tab: str
    tabs: list[Tab]
    template: str
    facts: Any
    step: StepRow | None = None
    attempt: Attempt | None = None
    attempts: list[Attempt] = field(default_factory=list)
    note: trials.Note | None = None
    last_runs: list[dict[str, Any]] = field(default_factory=list)
    source: Run | None = None
    # "run" for the panel of a run that has steps, too.
    of: str = ""

    @property
    def node(self) -> str:
        return self.step.node if self.step else ""

    @property
    def name(self) -> str:
        return self.step.name if self.step else self.run.display_name or gettext("Run")

    @property
    def moving(self) -> list[transfers.Way]:
        """Its bytes that are on their way."""
        return transfers.moving(self.attempt)

    @property
    def moved(self) -> list[transfers.Way]:
        """How those came that the tab is about."""
        ways = {"inputs": ("inputs",), "outputs": ("uploads", "outputs")}
        return transfers.moved(self.attempt, ways.get(self.tab, ()))

    @property
    def topic(self) -> str:
        """What tells that the content of the tab is not what it was."""
        if self.tab in LEDGERS and self.facts.attempt is not None and not self.facts.attempt.is_final:
            return f"ledger:{self.facts.attempt.pk}"
        return f"{TOPICS[self.tab]}:{self.evidence_id}" if self.tab in TOPICS and not self.run.is_final else ""


def panel_of(context: WorkspaceContext, tree: Tree, query: QueryDict) -> Panel:
    """The panel that the address asks for: of the whole run, or of a step where there are steps."""
    step = None if query.get("of") == "run" else tree.row(tree.chosen(query.get("step", "")))
    if step is None:
        ask = PanelRequest(context, tree, tree.root, query)
        of = "run" if tree.total else ""
        return _panel(ask, OF_ANY, of=of)
    ask = StepPanelRequest(context, tree, step.run, query, step)
    return _panel(
        ask,
        # What is told of a run beside its data stands among the inputs of a step.
        {key: OF_STEP.get(key) or OF_ANY[key] for key in WORDS if key not in ("details", *_lacking(ask))},
        step=step,
        attempt=_attempt(step.attempts, query.get("attempt", "")),
        attempts=step.attempts,
        note=trials.note_of(step, ask.spec),
        last_runs=_last_runs(step),
        source=_source(step),
    )


def _panel(ask: PanelRequest, facts: Mapping[str, Callable[[Any], Any]], **more: Any) -> Panel:
    asked = ask.query.get("tab", "")
    tab = asked if asked in facts else first_of(ask, facts)
    found = facts[tab](ask)
    return Panel(
        run=ask.run,
        evidence_id=ask.evidence_id,
        tab=tab,
        tabs=_tabs(ask, facts, tab),
        template=f"runs/panel/{getattr(found, 'template', tab)}.html",
        facts=found,
        **more,
    )


def first_of(ask: PanelRequest, facts: Mapping[str, Any]) -> str:
    """The tab that is shown where none is asked for: of what has trials these; a sweep has no log."""
    if isinstance(ask, StepPanelRequest) and (_searches(ask) or panel_trials.count_of(ask.run) is not None):
        return "trials"
    return next(each for each in facts if each != "trials")


def _tabs(ask: PanelRequest, facts: Mapping[str, Any], tab: str) -> list[Tab]:
    """Those that hold something for every run, and of the others those that do for this one."""
    children = children_of(ask.evidence_id).count()
    sweep = panel_trials.count_of(ask.run) if isinstance(ask, StepPanelRequest) else None
    searches = _searches(ask)
    held = {
        "trials": searches or sweep is not None,
        "logs": sweep is None,
        "usage": sweep is None,
        "members": isinstance(ask, StepPanelRequest) and any(each.node_count > 1 for each in ask.step.attempts),
        "children": children > 0 and not searches,
        "code": isinstance(ask, StepPanelRequest) or SNAPSHOT_ID in ask.run.properties,
    }
    words = {**WORDS, **({} if isinstance(ask, StepPanelRequest) else {"outputs": _("Files")})}
    counts = {"children": children, "trials": children if searches else sweep}
    return [Tab(key, words[key], counts.get(key)) for key in facts if held.get(key, True) or key == tab]


def _lacking(ask: StepPanelRequest) -> tuple[str, ...]:
    """Tabs that a step of its kind does not have."""
    kind = KINDS.get(str(ask.spec.get("kind", "python_script")))
    return tuple(LEDGERS - {kind.ledger if kind else ""})


def _searches(ask: PanelRequest) -> bool:
    """Whether its trials are child runs: those of automated machine learning."""
    return panel_searches.settings_of(ask) is not None


def _trials(ask: StepPanelRequest) -> panel_trials.Trials | panel_searches.Searched:
    settings = panel_searches.settings_of(ask)
    return panel_trials.trials(ask) if settings is None else panel_searches.searched(ask, settings)


def _batches(ask: StepPanelRequest) -> panel_batches.Batches:
    return panel_batches.batches(ask, _shown(ask))


def _stages(ask: StepPanelRequest) -> panel_stages.StagesShown:
    return panel_stages.stages(ask, _shown(ask))


def _attempt(attempts: list[Attempt], number: str) -> Attempt | None:
    found = next((each for each in attempts if str(each.number) == number), None)
    return found or (attempts[-1] if attempts else None)


def _source(step: StepRow) -> Run | None:
    """The run that a reused step takes its result from, with its root for the number."""
    if not step.is_reused:
        return None
    return Run.objects.select_related("root", "step").defer("graph", "root__graph").filter(pk=step.evidence_id).first()


def _shown(ask: StepPanelRequest) -> Attempt | None:
    """The attempt that the address names, else the last one; of a reused step, of its source."""
    own = ask.step.attempts
    if ask.step.is_reused:
        own = list(Attempt.objects.filter(run=ask.step.evidence_id, node_rank=0).order_by("number"))
    return _attempt(own, ask.query.get("attempt", ""))


def _members(ask: StepPanelRequest) -> panel_members.Members:
    return panel_members.members(ask.step.evidence_id, _shown(ask))


def _usage(ask: StepPanelRequest) -> Usage:
    return Usage(ask.step.evidence_id, _shown(ask), ask.step.status in Run.ENDS)


def _logs(ask: StepPanelRequest) -> Logs:
    attempt, waits = _shown(ask), waits_of(ask.step.run, ask.step.attempts)
    return Logs(ask.step.evidence_id, attempt, waits, ask.step.status in Run.ENDS, ranks(ask, attempt))


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


OF_ANY: dict[str, Callable[[PanelRequest], Any]] = {
    "metrics": panel_metrics.metrics,
    "images": panel_metrics.images,
    "outputs": panel_files.outputs,
    "children": panel_children.children,
    "code": panel_code.code,
    "details": panel_details.details,
}
OF_STEP: dict[str, Callable[[StepPanelRequest], Any]] = {
    "trials": _trials,
    "batches": _batches,
    "stages": _stages,
    "logs": _logs,
    "members": _members,
    "usage": _usage,
    "inputs": panel_files.inputs,
    "environment": panel_why.environment,
    "why": panel_why.why,
}
