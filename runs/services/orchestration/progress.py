"""Carry a run forward: start what may start, skip what can no longer run, end what is over. Safe to call at any time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from compute.models import ComputeTarget
from core import slices, words
from core.clock import now
from core.errors import StudioError
from core.observations import Observations, Unobserved
from core.prepared import Prepared
from core.sentences import Kept
from core.work import later
from duto.spec import fingerprint
from environments.models import EnvironmentBuild, EnvironmentVersion
from environments.services import versions as environment_versions
from runs import causes, plan, stored_messages
from runs.models import Attempt, Run
from runs.queries.graphs import parse_graph
from runs.services.orchestration import adoption, failures, fingerprints, members, reuse, sweeps
from runs.services.orchestration.run_state import RunState
from runs.services.orchestration.run_transaction import place_after, placing_together, run_transaction
from runs.services.orchestration.stopping import stop_steps

log = logging.getLogger(__name__)
# Where runs are kept that are carried forward later.
_submitted: ContextVar[list[UUID] | None] = ContextVar("submitted", default=None)
# One step that is reused may lead to the next so often within one transaction.
ROUNDS = 120
ROOT_WARNINGS = 20


def advance(root_id: UUID) -> None:
    """Decide and carry out what comes next for a run, slice by slice. Called twice, the second call finds nothing to do."""
    parse_graph(root_id)
    observations = Observations()
    while True:
        with run_transaction(root_id) as root:
            more = _carry(root, observations)
        if not observations.look() and not more:
            return
        slices.pause()


def advance_some(root_id: UUID) -> None:
    """The same for those who must not take long: what is beyond one slice is left to a worker."""
    parse_graph(root_id)
    observations = Observations()
    with run_transaction(root_id) as root:
        more = _carry(root, observations)
    if observations.look():
        with run_transaction(root_id) as root:
            more = _carry(root, observations) or observations.are_missed
    if more:
        later("runs.advance", root_id=str(root_id))


def advance_submitted(root_id: UUID) -> None:
    """Carry a run forward that was just submitted: now, or when those who submit several say so."""
    submitted = _submitted.get()
    if submitted is None:
        advance_some(root_id)
    else:
        submitted.append(root_id)


@contextmanager
def advancing_later(submitted: list[UUID]) -> Iterator[None]:
    """Runs that are submitted in the block are added to `submitted` instead of being carried forward; whoever opens it does so
    later (`advance_together`). Whoever dies on the way leaves them to the ticker."""
    token = _submitted.set(submitted)
    try:
        yield
    finally:
        _submitted.reset(token)


def advance_together(root_ids: Sequence[UUID]) -> None:
    """Carry several runs forward, with one round of placement for all."""
    with placing_together():
        for root_id in root_ids:
            try:
                advance_some(root_id)
            except Exception:  # one run's fault must not keep the others from starting
                log.exception("advance of %s failed", root_id)


def carry_forward(root: Run) -> None:
    """The same for those who hold the root's lock already: what lies elsewhere is looked at by a worker."""
    observations = Observations()
    if _carry(root, observations) or observations.are_missed:
        later("runs.advance", root_id=str(root.pk))


@words.stored()
def _carry(root: Run, observations: Observations) -> bool:
    """Carry out at most a slice of decisions, since others wait for the lock; whether there are more. What has to be looked at
    before is noted."""
    with observations.deciding():
        return _carry_on(root)


def _carry_on(root: Run) -> bool:
    if root.is_final or root.is_hidden or root.kind == Run.Kind.INTERACTIVE:
        return False
    run_state = RunState(root)
    if root.status == Run.Status.NOT_STARTED and not root.is_own_step:
        root.move(Run.Status.RUNNING, started_at=now())
    places = Places(run_state)
    more = False
    sweeps.carry(run_state)
    if root.cancel_requested_at is None:
        more = _decide(run_state, places)
    more = _stop(run_state) or more
    run_state.save()
    # Those that were begun or asked to stop just now: what waits for one that ended is looked at once more.
    more = sweeps.carry(run_state) or more
    places.queue()
    _end(run_state)
    return more


def _decide(run_state: RunState, places: Places) -> bool:
    left, needs = slices.SLICE, run_state.parsed.needs
    for rounds in range(ROUNDS):
        decisions = _decisions(run_state, places, needs, left)
        if not decisions:
            return False
        nodes = [decision.step for decision in decisions]
        if rounds and any(node not in run_state.runs for node in nodes):
            # One reuse leads to the next: load what may follow at once instead of step by step.
            run_state.need([node for node, state in run_state.states.items() if state == plan.WAITING][: slices.SLICE])
        _carry_out(run_state, places, decisions)
        left -= len(decisions)
        if left <= 0:
            return True
        needs = _following(run_state, nodes)
    return True


def _following(run_state: RunState, nodes: Sequence[str]) -> dict[str, frozenset[str]]:
    """What may have come nearer by the new states of these steps: those after them, unless one that failed stops all."""
    needs = run_state.parsed.needs
    if not run_state.go_on and any(run_state.states[node] in plan.BAD for node in nodes):
        return needs
    after = dict.fromkeys(other for node in nodes for other in run_state.parsed.followers[node])
    return {node: needs[node] for node in after}


_TARGET: Prepared[ComputeTarget] = Prepared(lambda key: ComputeTarget.objects.filter(pk=key))
_VERSION: Prepared[EnvironmentVersion] = Prepared(
    lambda key: EnvironmentVersion.objects.select_related("build", "environment").filter(pk=key)
)


class Places:
    """The compute and environments of the steps that start now, each looked up once; and the attempts they get."""

    def __init__(self, run_state: RunState) -> None:
        self.run_state = run_state
        self.waiting: set[str] = set()
        self.starting: list[Run] = []
        self._compute: dict[UUID, ComputeTarget] = {}
        self._environments: dict[UUID, EnvironmentVersion] = {}

    def load(self, nodes: Sequence[str]) -> None:
        """Load what these steps refer to: each once, and most refer to the same."""
        steps = [self.run_state.runs[node].step for node in nodes]
        targets = {s.compute_target_id for s in steps if s.compute_target_id} - self._compute.keys()
        versions = {s.environment_version_id for s in steps if s.environment_version_id} - self._environments.keys()
        for key in targets:
            self._compute.update({row.pk: row for row in _TARGET.all(key)})
        for key in versions:
            self._environments.update({row.pk: row for row in _VERSION.all(key)})

    def compute(self, run: Run) -> ComputeTarget | None:
        key = run.step.compute_target_id
        return self._compute.get(key) if key else None

    def environment(self, run: Run) -> EnvironmentVersion | None:
        key = run.step.environment_version_id
        return self._environments.get(key) if key else None

    def warn(self, warnings: Sequence[Kept]) -> None:
        """The run itself tells what is to be known of the environments of its steps, each once."""
        root = self.run_state.root
        fresh = [each for each in warnings if each not in root.warnings][: max(0, ROOT_WARNINGS - len(root.warnings))]
        if fresh and not root.is_own_step:  # which is its own step
            root.warnings = [*root.warnings, *fresh]
            Run.objects.filter(pk=root.pk).update(warnings=root.warnings)

    def queue(self) -> None:
        """Give each starting step an attempt, and ask for places once the transaction holds."""
        if not self.starting:
            return
        moment = now()
        root = self.run_state.root
        # Among it the columns that a cluster's queue is ordered by.
        order = {
            "workspace_id": root.workspace_id,
            "priority": root.priority,
            "user_id": root.submitted_by_id,
            "queued_at": moment,
        }
        steps = self.run_state.parsed.steps
        attempts = [
            Attempt(
                run=run,
                number=1,
                compute_target_id=run.step.compute_target_id,
                **members.asked_for(steps[run.step.node_id], root.parameters),
                warnings=run.warnings,
                **order,
            )
            for run in self.starting
        ]
        Attempt.objects.bulk_create(attempts)
        for run in self.starting:
            place_after(run, run.step.compute_target_id)


def _decisions(
    run_state: RunState, places: Places, needs: Mapping[str, frozenset[str]], most: int
) -> list[plan.Decision]:
    """What the plan says now of these steps, without those that wait for their environment."""
    decisions = plan.decide(needs, run_state.states, go_on=run_state.go_on)
    found = [decision for decision in decisions if decision.step not in places.waiting]
    if len(found) > most:  # those that go on waiting would come first again and again
        still = run_state.still_waiting()
        found = [decision for decision in found if decision.act is plan.Act.SKIP or decision.step not in still]
    return found[:most]


def _carry_out(run_state: RunState, places: Places, decisions: Sequence[plan.Decision]) -> None:
    starts = [d.step for d in decisions if d.act is plan.Act.START]
    parents = {source.step for node in starts for source in run_state.spec(node).inputs if source.step}
    run_state.need([*(d.step for d in decisions), *parents])
    places.load(starts)
    adoption.load(run_state, starts)
    for decision in decisions:
        if decision.act is plan.Act.SKIP:
            run_state.set(decision.step, Run.Status.SKIPPED, error=failures.skipped(decision.because))
        else:
            _start(run_state, places, decision.step)


def _start(run_state: RunState, places: Places, node: str) -> None:
    """Adopt or reuse an earlier result, wait for the environment, or queue an attempt."""
    run = run_state.runs[node]
    compute, environment = places.compute(run), places.environment(run)
    if compute is None or compute.is_leaving:
        run_state.set(node, Run.Status.FAILED, error=failures.compute_gone(run_state.spec(node).compute or ""))
        return
    build = environment.build if environment else None
    if environment is not None and build is not None and build.status != EnvironmentBuild.Status.READY:
        _await_environment(run_state, places, node, environment, build)
        return
    run.warnings = environment_versions.warnings_of(environment, run_state.spec(node).environment)
    places.warn(run.warnings)
    try:
        document = fingerprints.document_of(run_state, node, environment=environment, compute=compute)
        digest = fingerprint.digest(document)
        answer = adoption.look_up(run_state, node, document, digest)
    except Unobserved:  # it comes again once that was done
        places.waiting.add(node)
        return
    except StudioError as error:  # data that were there at submit are gone, or not to be had
        run_state.touch(node).waiting = []
        run_state.set(node, Run.Status.FAILED, error=failures.refused(causes.of_refusal(error.code), error))
        return
    step = run_state.touch(node)
    step.waiting = []
    step.fingerprint_document, step.fingerprint = document, digest
    step.reuse_explanation = answer.explanation
    if answer.source is not None:
        reuse.take(run_state, node, answer)
        return
    if node in run_state.parsed.sweeps:
        sweeps.begin(run_state, node)
        return
    run_state.set(node, Run.Status.QUEUED, **({"warnings": run.warnings} if run.warnings else {}))
    places.starting.append(run)


def _await_environment(
    run_state: RunState, places: Places, node: str, environment: EnvironmentVersion, build: EnvironmentBuild
) -> None:
    if build.status == EnvironmentBuild.Status.FAILED:
        run_state.touch(node).waiting = []
        warned = environment_versions.warnings_of(environment, run_state.spec(node).environment)
        places.warn(warned)
        run_state.set(
            node, Run.Status.FAILED, error=failures.environment(build), **({"warnings": warned} if warned else {})
        )
        return
    places.waiting.add(node)
    if not run_state.runs[node].step.waiting:
        text = stored_messages.say("environment")
        run_state.touch(node).waiting = [{"code": "environment", "text": text, "facts": {"build": str(build.pk)}}]
        run_state.set(node, Run.Status.PREPARING)
        run_state.states[node] = Run.Status.NOT_STARTED


def _stop(run_state: RunState) -> bool:
    """A canceled run stops all its steps, and a failure those that still run, unless the run goes on after failures.

    Whether there are more than one slice of them.
    """
    root = run_state.root
    if root.cancel_requested_at is not None:
        nodes = [
            node
            for node, state in run_state.states.items()
            if state not in Run.ENDS and state != Run.Status.CANCEL_REQUESTED
        ]
    else:
        nodes = list(plan.to_stop(run_state.states, go_on=run_state.go_on))
    if not nodes:
        return False
    run_state.save()
    run_state.need(nodes[: slices.SLICE])
    stop_steps(run_state, nodes[: slices.SLICE], by=root.cancel_requested_by or stored_messages.ANOTHER_STEP)
    return len(nodes) > slices.SLICE


def _end(run_state: RunState) -> None:
    root = run_state.root
    if root.is_own_step:  # it is its own step, and has ended with it
        return
    end = plan.outcome(run_state.states.values(), canceled=bool(root.cancel_requested_at))
    if end is None:
        return
    error = failures.of_pipeline(root) if end == Run.Status.FAILED else root.error
    root.move(end, finished_at=now(), error=error)
