"""A run and its steps as the run page knows them: the states of all, and the rows of those that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import F, Prefetch
from django.utils.translation import gettext as _

from core.errors import NotFound
from duto.spec.writing import step_document
from runs import stored_messages
from runs.models import Attempt, Run
from runs.queries.graphs import parsed, step_runs
from workspaces.access import WorkspaceContext

# The step that a reader most likely came for, by state.
FIRST = (
    Run.Status.FAILED,
    Run.Status.NOT_RESPONDING,
    Run.Status.RUNNING,
    Run.Status.FINALIZING,
    Run.Status.PREPARING,
    Run.Status.QUEUED,
)
STATE = ("step__node_id", "status", "step__reused_from")
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
        return stored_messages.error_text(self.run.error)

    @property
    def detail(self) -> str:
        """What the table says beside the state."""
        if self.run.error and self.status in (Run.Status.FAILED, Run.Status.SKIPPED):
            return first_line(self.run.error)
        if self.is_reused:
            return _("adopted") if self.is_adopted else ""
        waiting = self.run.step.waiting
        if waiting and self.status not in Run.ENDS:
            return stored_messages.localized(waiting[0])
        return ""


class Tree:
    """A root run with the states of its steps, in the order of the graph. Rows come for those that are shown."""

    def __init__(self, root: Run) -> None:
        self.root = root
        rows = step_runs(root).order_by("id")
        found = {node: (status, bool(source)) for node, status, source in rows.values_list(*STATE)}
        order = parsed(root.pk).order if found else ()
        known = [node for node in order if node in found]
        self.states = {node: found[node] for node in (*known, *found)}

    @cached_property
    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for status, is_reused in self.states.values():
            key = "Reused" if status == Run.Status.COMPLETED and is_reused else status
            found[key] = found.get(key, 0) + 1
        return found

    @property
    def total(self) -> int:
        return len(self.states)

    @property
    def is_reused(self) -> bool:
        return self.counts.keys() == {"Reused"}

    @property
    def status(self) -> str:
        return self.root.status

    def spec(self, node: str) -> dict[str, Any]:
        """What the graph says of a step; empty for one that it does not hold."""
        step = parsed(self.root.pk).steps.get(node)
        return step_document(step) if step else {}

    def rows(self, nodes: Sequence[str]) -> list[StepRow]:
        """These steps with their attempts, in two queries."""
        attempts = Attempt.objects.filter(node_rank=0).order_by("number").select_related("host")
        rows = step_runs(self.root).filter(step__node_id__in=nodes).select_related("step").defer(*STEP_HEAVY)
        found = {run.step.node_id: StepRow(run) for run in rows.prefetch_related(Prefetch("attempts", attempts))}
        return [found[node] for node in nodes if node in found]

    def row(self, node: str) -> StepRow | None:
        """One step, read once however often it is asked for."""
        if node not in self.states:
            return None
        if node not in self._rows:
            self._rows[node] = next(iter(self.rows([node])), None)
        return self._rows[node]

    @cached_property
    def _rows(self) -> dict[str, StepRow | None]:
        return {}

    def chosen(self, node: str) -> str:
        """The step of the address, else the one that tells most; empty where there is none."""
        for named in (node, (self.root.error or {}).get("step")):
            if named in self.states:
                return str(named)
        for state in FIRST:
            if found := self._nodes(state):
                return found[0]
        done = self._nodes(Run.Status.COMPLETED)
        return done[-1] if done else next(iter(self.states), "")

    def _nodes(self, state: str) -> list[str]:
        return [node for node, (status, _source) in self.states.items() if status == state]


def root_of(context: WorkspaceContext, run_id: UUID) -> Run:
    """The run of this id. Raises NotFound, also for a run of another workspace."""
    run = (
        Run.objects.select_related("experiment", "submitted_by", "cloned_from", "resumed_from", "step")
        .defer("graph", "cloned_from__graph", "resumed_from__graph")
        .annotate(root_version=F("root__version"))
        .filter(workspace=context.workspace, pk=run_id)
        .first()
    )
    if run is None:
        raise NotFound(_("There is no such run in this workspace. It may have been deleted."))
    return run


def first_line(error: dict[str, Any]) -> str:
    text = (error.get("traceback") or {}).get("text") or stored_messages.error_text(error)
    return str(text).strip().split("\n")[0][:300]
