"""A run and its steps as the run page knows them: three queries, however many steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from django.utils.translation import gettext as _

from core.errors import NotFound
from runs import told
from runs.models import Attempt, Run
from workspaces.access import Room

S = Run.Status
# The step that a reader most likely came for, by state.
FIRST = (S.FAILED, S.NOT_RESPONDING, S.RUNNING, S.FINALIZING, S.PREPARING, S.QUEUED)
STEP_HEAVY = ("graph", "step__fingerprint_document", "step__reuse_explanation")


@dataclass(frozen=True)
class StepRow:
    """One step of the run."""

    run: Run

    @property
    def node(self) -> str:
        return self.run.step.node_id

    @property
    def name(self) -> str:
        return self.run.step.name

    @property
    def status(self) -> str:
        return self.run.status

    @property
    def is_reused(self) -> bool:
        return self.run.step.reused_from_id is not None

    @property
    def is_adopted(self) -> bool:
        return self.run.is_adopted

    @property
    def evidence_id(self) -> UUID:
        """The run whose log, metrics and outputs are shown: a reused step has those of its source."""
        return self.run.step.reused_from_id or self.run.pk

    @property
    def attempts(self) -> list[Attempt]:
        return list(self.run.attempts.all())

    @property
    def last(self) -> Attempt | None:
        attempts = self.attempts
        return attempts[-1] if attempts else None

    @property
    def error_text(self) -> str:
        """The message of its error, in the reader's language."""
        return told.error_text(self.run.error)

    @property
    def detail(self) -> str:
        """What the table says beside the state."""
        if self.run.error and self.status in (S.FAILED, S.SKIPPED):
            return first_line(self.run.error)
        if self.is_reused:
            return _("adopted") if self.is_adopted else ""
        waiting = self.run.step.waiting
        if waiting and self.status not in Run.ENDS:
            return told.said(waiting[0])
        return ""


@dataclass(frozen=True)
class Tree:
    """A root run with its steps in the order of the graph."""

    root: Run
    steps: list[StepRow]

    @cached_property
    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for step in self.steps:
            key = "Reused" if step.status == S.COMPLETED and step.is_reused else step.status
            found[key] = found.get(key, 0) + 1
        return found

    @property
    def done(self) -> int:
        return sum(1 for step in self.steps if step.status in Run.ENDS)

    @property
    def is_reused(self) -> bool:
        return bool(self.steps) and all(step.is_reused and step.status == S.COMPLETED for step in self.steps)

    @property
    def status(self) -> str:
        return self.root.status

    def spec(self, node: str) -> dict[str, Any]:
        """What the graph says of a step; empty for one that it does not hold."""
        steps = (self.root.graph or {}).get("steps", [])
        return next((step for step in steps if step.get("id") == node), {})

    def chosen(self, node: str) -> StepRow | None:
        """The step of the address, else the one that tells most."""
        for step in self.steps:
            if step.node == node:
                return step
        wanted = (self.root.error or {}).get("step")
        for step in self.steps:
            if step.node == wanted:
                return step
        for state in FIRST:
            for step in self.steps:
                if step.status == state:
                    return step
        done = [step for step in self.steps if step.status == S.COMPLETED]
        return done[-1] if done else (self.steps[0] if self.steps else None)


def root_of(room: Room, run_id: UUID) -> Run:
    """The run of this id. Raises NotFound, also for a run of another workspace."""
    run = (
        Run.objects.select_related("experiment", "submitted_by", "cloned_from", "resumed_from", "step")
        .defer("cloned_from__graph", "resumed_from__graph")
        .filter(workspace=room.workspace, pk=run_id)
        .first()
    )
    if run is None:
        raise NotFound(_("There is no such run in this workspace. It may have been deleted."))
    return run


def tree_of(root: Run) -> Tree:
    attempts = Attempt.objects.order_by("number").select_related("host")
    rows: Iterable[Run] = (
        Run.objects.filter(root=root.pk, step__isnull=False)
        .select_related("step")
        .defer(*STEP_HEAVY)
        .prefetch_related(Prefetch("attempts", attempts))
    )
    order = {step.get("id"): place for place, step in enumerate(ordered(root.graph or {}))}
    steps = [StepRow(run) for run in rows]
    return Tree(root, sorted(steps, key=lambda step: (order.get(step.node, len(order)), step.run.pk)))


def ordered(graph: dict[str, Any]) -> list[dict[str, Any]]:
    """Steps after those they wait for, else as written."""
    steps = {step["id"]: step for step in graph.get("steps", [])}
    placed: dict[str, dict[str, Any]] = {}

    def place(node: str) -> None:
        # The graph has no cycle: it was checked when it was submitted.
        if node in placed or node not in steps:
            return
        for parent in parents_of(steps[node]):
            place(parent)
        placed[node] = steps[node]

    for node in steps:
        place(node)
    return list(placed.values())


def parents_of(step: dict[str, Any]) -> list[str]:
    sources = [(entry.get("from") or {}).get("step") for entry in step.get("inputs", [])]
    return [node for node in (*sources, *step.get("run_after", [])) if node]


def first_line(error: dict[str, Any]) -> str:
    text = (error.get("traceback") or {}).get("text") or told.error_text(error)
    return str(text).strip().split("\n")[0][:300]
