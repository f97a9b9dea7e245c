"""Plan a run: check what would be submitted as a submit does, and ask of each step what would become of it. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from core import words
from core.clock import now
from core.sentences import Kept
from core.spec import refusing
from datasets import references
from duto.spec import snapshot as snapshots
from duto.spec.graph import Step
from environments.models import EnvironmentBuild, EnvironmentVersion
from environments.services import versions as environment_versions
from runs import differences, stored_messages
from runs.critical_path import Span, critical_path
from runs.estimates import Estimate, timeline
from runs.models import Run
from runs.services.orchestration import members
from runs.services.planning import data, predicted_placement
from runs.services.planning.dry_run import FAILS, RUNS, UNKNOWN, DryRun, Verdict, is_built
from runs.services.planning.history import BuildHistory, History
from runs.services.planning.plan import (
    ENVIRONMENT,
    LATER,
    NOW,
    WAITS,
    Plan,
    PlannedCluster,
    PlannedEnvironment,
    PlannedStep,
)
from runs.services.planning.predicted_placement import PredictedPlacement, Predictions, StepToPlace
from runs.services.scheduling import abilities
from runs.services.submission import experiments
from runs.services.submission.checks import Checked, check, environments, with_notes
from workspaces.access import WorkspaceContext

Versions = Mapping[str, EnvironmentVersion | None]
Estimates = Mapping[str, Estimate | None]


def plan_run(
    context: WorkspaceContext,
    *,
    experiment: str,
    graph: Mapping[str, Any],
    kind: str = Run.Kind.PIPELINE,
    parameters: Mapping[str, Any] | None = None,
    regenerate_outputs: bool = False,
    priority: int = 0,
    resumed_from: Run | None = None,
    warnings: Sequence[Kept] = (),
    snapshots_to_come: Sequence[Mapping[str, Any]] = (),
    datasets_to_come: Mapping[str, Any] | None = None,
    **unrelated: Any,
) -> Plan:
    """What `submit_run` would do with the same arguments; those that do not bear on it are taken and not used.

    `snapshots_to_come`, `datasets_to_come`: manifests of code, and by their ids definitions of datasets, that a program would
    upload before it submits. Raises all that `submit_run` does.
    """
    known, ids = references.Known(context.workspace), dict[str, str]()
    if datasets_to_come:
        unsaved = data.unsaved(context, datasets_to_come)
        known = references.Known(context.workspace, {str(version.pk): version for version in unsaved.values()})
        ids = {name: str(version.pk) for name, version in unsaved.items()}
    checked = check(
        context,
        data.with_ids(graph, ids) if ids else graph,
        {name: data.real_id(value, ids) for name, value in (parameters or {}).items()},
        kind=kind,
        resumed_from=resumed_from,
        manifests=_manifests(snapshots_to_come),
        data=known,
    )
    versions = environments(context, checked, environment_versions.look)
    experiments.require_name(context, experiment or "Default")
    root = Run(
        workspace=context.workspace,
        kind=kind,
        parameters=checked.parameters,
        is_forced=regenerate_outputs,
        resumed_from=resumed_from,
    )
    dry_run = DryRun(root, checked, versions)
    return _Planner(context, dry_run, checked, versions, priority).plan(with_notes(checked, versions, warnings))


def _manifests(documents: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    with refusing():
        found = [snapshots.Manifest.from_document(each) for each in documents]
    return {each.digest: {file.path: file.digest for file in each.files} for each in found}


class _Planner:
    """Makes the plan of what data, reuse, history and placement give."""

    def __init__(
        self, context: WorkspaceContext, dry_run: DryRun, checked: Checked, versions: Versions, priority: int
    ) -> None:
        self.context, self.dry_run, self.checked, self.versions = context, dry_run, checked, versions
        self.priority, self.moment = priority, now()
        self.history = History(context.workspace, checked.graph)

    @cached_property
    def _builds(self) -> BuildHistory:
        return BuildHistory()

    def plan(self, warnings: Sequence[Kept]) -> Plan:
        read = data.inspect_inputs(self.dry_run, self.checked)
        self.dry_run.load()
        order = self.dry_run.parsed.order
        with words.stored():
            verdicts = {node: self.dry_run.verdict(node) for node in order}
        active = [self.dry_run.spec(node) for node in order if verdicts[node][0] in (RUNS, UNKNOWN)]
        waits = self._environments(active)
        starts = {step.id: self._start(step, verdicts) for step in active}
        found = self._predict(active, starts)
        self.history.load({step.name for step in active})
        estimates = {step.id: self.history.estimate(step.name) for step in active}
        spans = {name: self._timeline(name, estimates, waits, found) for name in ("low", "median", "high")}
        ends = {name: max((span.until for span in each.values()), default=0.0) for name, each in spans.items()}
        lacking = sum(each is None for each in estimates.values())
        total = Estimate(**ends, count=min((each.count for each in estimates.values() if each), default=0))
        steps = [
            self._step(self.dry_run.spec(node), *verdicts[node], starts, found, estimates, spans["median"])
            for node in order
        ]
        return Plan(
            steps=steps,
            data=data.read_by(read, (each for step in active for each in step.inputs)),
            environments=[row for row, _ in waits.values()],
            clusters=self._clusters(active, starts, found),
            moment=self.moment,
            seconds=total if lacking < len(active) or not active else None,
            path=self._path(estimates, spans["median"]),
            without_history=lacking,
            warnings=warnings,
            counts=Counter(outcome for outcome, _ in verdicts.values()),
        )

    def _environments(self, active: Sequence[Step]) -> dict[str, tuple[PlannedEnvironment, Estimate | None]]:
        """Those of the steps that run, by their version, with how long steps wait for them."""
        counts = Counter(str(version.pk) for step in active if (version := self.versions[step.id]) is not None)
        by_key = {str(each.pk): each for each in self.versions.values() if each is not None}
        found = {}
        for key, steps in counts.items():
            state, seconds = self._environment(by_key[key])
            found[key] = PlannedEnvironment(by_key[key].label, state, seconds, steps), seconds
        return found

    def _environment(self, version: EnvironmentVersion) -> tuple[str, Estimate | None]:
        build = version.build
        if build is None:
            if is_built(version):
                return "user_managed", None
            return "to_build", self._builds.estimate(version.definition)
        if build.status == EnvironmentBuild.Status.READY:
            return "ready", None
        seconds = self._builds.estimate(version.definition)
        if seconds is not None and build.status == EnvironmentBuild.Status.BUILDING and build.started_at is not None:
            seconds = seconds.left_after((self.moment - build.started_at).total_seconds())
        return "building", seconds

    def _start(self, step: Step, verdicts: Mapping[str, tuple[str, Verdict]]) -> str:
        if any(verdicts[parent][0] in (RUNS, UNKNOWN) for parent in self.dry_run.parsed.needs[step.id]):
            return LATER
        return NOW if is_built(self.versions[step.id]) else ENVIRONMENT

    def _step_to_place(self, step: Step) -> StepToPlace:
        version = self.versions[step.id]
        count, least = members.nodes_of(step, self.checked.parameters)
        needs = abilities.needs_of(step, version.definition if version else {}) | members.needs_of(count, least)
        target = self.checked.targets[(step.compute or "").lower()]
        return StepToPlace(step.id, target, needs, version.pk if version else None, least)

    def _predict(self, active: Sequence[Step], starts: Mapping[str, str]) -> Predictions:
        asked = [self._step_to_place(step) for step in active]
        starting = [each for each in asked if starts[each.node] == NOW]
        others = {each.kind: each for each in asked if starts[each.node] != NOW}
        return predicted_placement.predict(self.context, starting, [*others.values()], self.priority)

    def _timeline(
        self,
        which: str,
        estimates: Estimates,
        waits: Mapping[str, tuple[PlannedEnvironment, Estimate | None]],
        found: Predictions,
    ) -> dict[str, Span]:
        order = self.dry_run.parsed.order
        if not estimates:  # all is reused, and takes nothing
            return dict.fromkeys(order, Span(0, 0))
        takes = {node: getattr(each, which) if (each := estimates.get(node)) else 0.0 for node in order}
        ready = {}
        for node in estimates:
            version = self.versions[node]
            seconds = waits[str(version.pk)][1] if version is not None else None
            ready[node] = getattr(seconds, which) if seconds is not None else 0.0
        targets = {node: self._target(node) for node in estimates}
        widths = {node: self._step_to_place(self.dry_run.spec(node)).nodes for node in estimates}
        needs = {node: self.dry_run.parsed.needs[node] for node in order}
        return timeline(needs, takes, targets, found.most_at_once, ready, widths)

    def _path(self, estimates: Estimates, spans: Mapping[str, Span]) -> list[str]:
        path = critical_path(self.dry_run.parsed.needs, spans) if estimates else []
        return [step for step in path if step in estimates]

    def _target(self, node: str) -> object:
        return self.checked.targets[(self.dry_run.spec(node).compute or "").lower()].pk

    def _clusters(self, active: Sequence[Step], starts: Mapping[str, str], found: Predictions) -> list[PlannedCluster]:
        rows: dict[str, list[Step]] = {}
        for step in active:
            rows.setdefault((step.compute or "").lower(), []).append(step)
        return [self._cluster(key, steps, starts, found) for key, steps in rows.items()]

    def _cluster(
        self, key: str, steps: Sequence[Step], starts: Mapping[str, str], found: Predictions
    ) -> PlannedCluster:
        target = self.checked.targets[key]
        placed = [self._place(step, starts, found) for step in steps]
        starting = [place for step, place in zip(steps, placed, strict=True) if starts[step.id] == NOW]
        reasons = {(each.code, each.text): each for place in placed for each in place.reasons}
        return PlannedCluster(
            name=target.name,
            steps=len(steps),
            nodes=target.max_nodes,
            starts=sum(place.host is not None for place in starting),
            waits=sum(place.host is None for place in starting),
            hosts=sorted({host for place in placed for host in place.hosts}),
            reasons=[{"code": each.code, "text": each.text, "facts": {**each.facts}} for each in reasons.values()],
        )

    def _place(self, step: Step, starts: Mapping[str, str], found: Predictions) -> PredictedPlacement:
        """Of a step whose turn comes later: as another of its kind would be placed now."""
        if starts[step.id] == NOW:
            return found.now[step.id]
        return found.later[self._step_to_place(step).kind]

    def _step(
        self, step: Step, outcome: str, explanation: Verdict, starts: Mapping[str, str], found: Predictions,
        estimates: Estimates, spans: Mapping[str, Span],
    ) -> PlannedStep:  # fmt: skip
        version, span = self.versions[step.id], spans[step.id]
        start = starts.get(step.id)
        place = self._place(step, starts, found) if start is not None else PredictedPlacement()
        return PlannedStep(
            node=step.id,
            name=step.name,
            kind=step.kind,
            outcome=outcome,
            code=explanation["code"],
            text=explanation["text"] if outcome == FAILS else stored_messages.localized(explanation),
            differences=[{**each, "text": differences.localized(each)} for each in explanation["differences"]],
            compared_with=explanation["compared_with"],
            compute=self.checked.targets[(step.compute or "").lower()].name,
            environment=version.label if version else None,
            start=WAITS if start == NOW and place.host is None else start,
            host=place.host,
            nodes=members.nodes_of(step, self.checked.parameters)[0],
            waits_for=[each.code for each in place.reasons],
            seconds=estimates.get(step.id),
            begins=round(span.start, 3),
            ends=round(span.until, 3),
        )
