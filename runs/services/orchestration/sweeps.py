"""Carry a sweep forward: stop trials, start others, end it. Called for each change of its tree, under the root's lock.

What is next is said by `runs.sweeps.plan`; all that it asks for stands in the database, so that nothing is lost with a
process, and a decision that was lost is taken again.
"""

from __future__ import annotations

import math
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from core.clock import now
from core.ids import uuid7
from duto.spec import status
from duto.spec.graph import Graph, Step
from duto.spec.kinds import KINDS
from duto.spec.sweeps import Sweep as Settings
from duto.spec.sweeps import arguments_of
from runs import stored_messages
from runs.models import Attempt, Run, StepRun, Sweep, Trial
from runs.plan import GOOD
from runs.queries.trials import states_of
from runs.services.orchestration import failures, members
from runs.services.orchestration.run_state import RunState
from runs.services.orchestration.run_transaction import place_after
from runs.services.orchestration.stopping import stop_steps
from runs.services.results import sweep_outputs
from runs.sweeps import plan, sampling

AT_WORK = (Run.Status.RUNNING, Run.Status.CANCEL_REQUESTED)
# What is stopped before it began ends at once, and makes room for others: then it is decided once more.
ROUNDS = 4


def begin(run_state: RunState, node: str) -> None:
    """Start a sweep: from now on its time runs, and carry() starts its trials."""
    settings = run_state.parsed.sweeps[node]
    run_state.set(node, Run.Status.RUNNING)
    Sweep.objects.create(
        run=run_state.runs[node],
        seed=secrets.randbits(31) if settings.seed is None else settings.seed,
        deadline=run_state.moment + timedelta(minutes=settings.max_minutes),
    )


def carry(run_state: RunState) -> bool:
    """Carry all sweeps of a run forward that are at work; whether one ended, for which others may wait."""
    nodes = [node for node in run_state.parsed.sweeps if run_state.states[node] in AT_WORK]
    run_state.need(nodes)
    for node in nodes:
        for _ in range(ROUNDS):
            if not _SweepState(run_state, node).carry():
                break
    if nodes:
        run_state.save()
    return any(run_state.states[node] in Run.ENDS for node in nodes)


class _SweepState:
    """One sweep with its trials, as they are now."""

    def __init__(self, run_state: RunState, node: str) -> None:
        self.run_state, self.node = run_state, node
        self.run = run_state.runs[node]
        self.settings: Settings = run_state.parsed.sweeps[node]
        self.sweep = Sweep.objects.get(run=self.run.pk)
        rows = Trial.objects.filter(sweep=self.sweep).select_related("run__step").defer("run__graph")
        self.rows = {row.number: row for row in rows.order_by("number")}
        self.trials = states_of(self.settings, list(self.rows.values()))

    def carry(self) -> bool:
        """Carry out what is decided now; whether that changed what is to be decided."""
        decision = plan.decide(
            self.settings,
            self.trials,
            is_exhausted=self.sweep.is_exhausted,
            is_late=self.sweep.deadline <= now(),
            is_canceled=self.run_state.states[self.node] == Run.Status.CANCEL_REQUESTED,
        )
        self._note(decision)
        if decision.stop:
            self._stop(decision.stop)
            return True
        if decision.start:
            return self._start(decision.start)
        if decision.end is not None:
            self._end(decision.end)
        return False

    def _note(self, decision: plan.Decision) -> None:
        rows = [self.rows[number] for number in decision.evaluated | decision.stop]
        for row in rows:
            row.evaluated = decision.evaluated.get(row.number, row.evaluated)
            if row.number in decision.stop:
                row.stopped = _stop_reason(self.settings, decision.stop[row.number])
        Trial.objects.bulk_update(rows, ["evaluated", "stopped"])

    def _stop(self, stop: Mapping[int, Mapping[str, Any]]) -> None:
        root = self.run_state.root
        inner = RunState(root)
        nodes = [self.rows[number].run.step.node_id for number in stop]
        inner.need(nodes)
        for node in nodes:
            inner.states[node] = inner.runs[node].status
        by = self.run.cancel_requested_by or root.cancel_requested_by or stored_messages.SWEEP
        stop_steps(inner, nodes, by=by)

    def _start(self, count: int) -> bool:
        """Start trials, fewer where there are no more values; whether there are none."""
        known = [
            sampling.Known(
                tuple(self.rows[each.number].values), tuple(self.rows[each.number].point), each.best, each.is_over
            )
            for each in self.trials
        ]
        known += known_of(self.settings)
        draws = sampling.draw(self.settings, self.sweep.seed, known, count)
        if draws:
            start_trials(self.run_state, self.node, self.sweep, draws, len(self.rows) + 1)
        if len(draws) < count:
            self.sweep.is_exhausted = True
            self.sweep.save(update_fields=["is_exhausted"])
        return len(draws) < count

    def _end(self, end: str) -> None:
        best = plan.best_of(self.trials, states=GOOD)
        step = self.run_state.touch(self.node)
        facts: dict[str, Any] = {}
        if end == Run.Status.COMPLETED:
            warned = []
            if all(each.best is None for each in self.trials):
                warned.append(sweep_outputs.nothing_logged(self.settings, self.rows.values()))
            spec = self.run_state.spec(self.node)
            refusal = sweep_outputs.write(self.run, spec, self.settings, self.rows, best.number if best else None)
            if warned:
                facts["warnings"] = [*self.run.warnings, *warned]
            if refusal:
                end, facts["error"] = Run.Status.FAILED, refusal
        elif end == Run.Status.FAILED:
            facts["error"] = self._failure()
        elif self.run_state.states[self.node] == Run.Status.CANCEL_REQUESTED:
            by = self.run.cancel_requested_by or self.run_state.root.cancel_requested_by
            facts["error"] = failures.canceled_by(by)
        else:
            facts["error"] = failures.kept("canceled", "no_trial_completed", {"trials": len(self.rows)})
        self.sweep.is_over = True
        self.sweep.save(update_fields=["is_over"])
        is_source = end == Run.Status.COMPLETED and step.allow_reuse and not self.run_state.root.is_forced
        step.is_source = is_source and bool(step.fingerprint)
        self.run_state.set(self.node, end, **facts)

    def _failure(self) -> dict[str, Any]:
        """Of a sweep none of whose trials completed: why the first one failed."""
        failed = [row for row in self.rows.values() if row.run.status == Run.Status.FAILED]
        first = min(
            failed, key=lambda row: (row.run.finished_at is None, row.run.finished_at, row.number), default=None
        )
        if first is None:
            return failures.kept("user_error", "no_trials", {})
        error = dict(first.run.error or {})
        why = {"text": error.get("message") or "", **(error.get("said") or {})}
        facts = {"trials": len(self.rows), "number": first.number, "why": why}
        kept = stored_messages.keep("trials_failed", **facts)
        said = {"code": "trials_failed", "facts": facts}
        return {**error, "message": kept["text"], "said": said, "run": str(first.run_id)}


def known_of(settings: Settings) -> list[sampling.Known]:
    """The trials of the sweeps that this one goes on from."""
    if not settings.resume_from:
        return []
    rows = (
        Trial.objects.filter(sweep__in=[UUID(each) for each in settings.resume_from])
        .select_related("run")
        .defer("run__graph")
    )
    found = list(rows.order_by("sweep_id", "number"))
    states = states_of(settings, found)
    return [
        sampling.Known(tuple(row.values), tuple(row.point), state.best, is_over=True)
        for row, state in zip(found, states, strict=True)
        if state.is_over and state.best is not None
    ]


def start_trials(
    run_state: RunState, node: str, sweep: Sweep, draws: Sequence[sampling.Draw], first: int
) -> list[Trial]:
    """A run for each draw, with an attempt that waits for its place: placed, run and retried like that of any step."""
    root, above, base = run_state.root, run_state.runs[node], run_state.spec(node)
    settings, moment = run_state.parsed.sweeps[node], run_state.moment
    runs, details, trials, attempts = [], [], [], []
    for number, draw in enumerate(draws, first):
        key = uuid7()
        step = step_of(base, settings, draw.values, str(key), f"{base.name} #{number}")
        names = [each.name for each in settings.space]
        run = Run(
            pk=key, workspace=root.workspace, experiment=root.experiment, kind=Run.Kind.TRIAL, parent=above, root=root,
            display_name=step.name, graph=Graph((step,), run_state.parsed.graph.parameters).to_document(),
            parameters=dict(zip(names, draw.values, strict=True)), submitted_by=root.submitted_by, warnings=above.warnings,
            properties=_properties(root, above, step),
        )  # fmt: skip
        runs.append(run)
        details.append(
            StepRun(
                run=run, workspace=root.workspace, node_id=step.id, name=step.name, allow_reuse=False,
                compute_target_id=above.step.compute_target_id, snapshot_digest=above.step.snapshot_digest,
                environment_version_id=above.step.environment_version_id,
            )
        )  # fmt: skip
        trials.append(Trial(run=run, sweep=sweep, number=number, values=list(draw.values), point=list(draw.point)))
        attempts.append(
            Attempt(
                run=run, number=1, compute_target_id=above.step.compute_target_id, warnings=run.warnings,
                workspace_id=root.workspace_id, priority=root.priority, user_id=root.submitted_by_id, queued_at=moment,
                **members.asked_for(base, root.parameters),
            )
        )  # fmt: skip
    Run.objects.bulk_create(runs)
    StepRun.objects.bulk_create(details)
    Trial.objects.bulk_create(trials)
    Run.move_all(runs, Run.Status.QUEUED, queued_at=moment)
    Attempt.objects.bulk_create(attempts)
    for run in runs:
        place_after(run, above.step.compute_target_id)
    return trials


def step_of(base: Step, settings: Settings, values: Sequence[Any], node: str, name: str) -> Step:
    """The step of one trial: the sweep's, with the values behind its arguments, where they win over the same options."""
    own = [output for output in base.outputs if output.name not in settings.made]
    added = arguments_of(settings.space, values)
    kind = "python_script" if base.script else "command"
    if kind == "command":  # a line for a shell, in which a text is one word
        added = [shlex.quote(each) if isinstance(each, str) else each for each in added]
    return replace(
        base, id=node, name=name, kind=kind, settings={}, run_after=(), allow_reuse=False,
        arguments=(*base.arguments, *added),
        # The sweep's own output is registered, which is that of its best trial.
        outputs=tuple(replace(output, register=None) for output in own),
    )  # fmt: skip


def _properties(root: Run, above: Run, step: Step) -> dict[str, str]:
    return {
        status.RUN_SOURCE: "azureml.scriptrun",
        status.SNAPSHOT_ID: step.snapshot or "",
        status.STEP_TYPE: KINDS[step.kind].step_type,
        status.COMPUTE_TYPE: "AmlCompute",
        status.PIPELINE_RUN_ID: str(root.pk),
        status.SWEEP_RUN_ID: str(above.pk),
    }


def _stop_reason(settings: Settings, why: Mapping[str, Any]) -> dict[str, Any]:
    """Why a trial is stopped as it is kept: numbers as the script logged them."""
    facts = {name: value for name, value in why.items() if name != "code"}
    for name in ("value", "best", "limit"):
        value = facts.get(name)
        if isinstance(value, float):
            facts[name] = float(f"{settings.sign * value:.6g}") if math.isfinite(value) else "NaN"
    facts["metric"] = settings.metric
    return stored_messages.keep(f"stopped_{why['code']}", **facts)
