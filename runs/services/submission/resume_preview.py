"""What resuming a run would adopt and what would run, step by step, before anything is submitted.

Of a run of very many steps all are counted, and those are told of that are looked at: a page of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from compute.models import ComputeTarget
from core import paging, sealed, slices
from core.errors import StudioError
from duto.spec import fingerprint
from duto.spec import parameters as parameter_rules
from duto.spec.errors import SpecError
from duto.spec.graph import Graph, Step
from duto.spec.secrets import merged
from environments.models import EnvironmentBuild, EnvironmentVersion
from environments.services import versions as environment_versions
from runs.models import Run, StepRun
from runs.queries.graphs import ParsedGraph, parsed
from runs.services.orchestration import adoption, fingerprints
from runs.services.orchestration.run_state import RunState
from runs.services.submission.checks import refused
from runs.services.submission.resume import check

COMPLETED = Run.Status.COMPLETED
ADOPTED, RUNS, LATER = "adopted", "runs", "later"
# What counting takes of an earlier step: its documents are large, and only those that are told of are explained.
LIGHT = (
    "node_id", "fingerprint", "output_digests", "environment_version_id", "reused_from", "run__status", "run__properties",
    "run__root",
)  # fmt: skip


@dataclass(frozen=True)
class StepOutcome:
    """What would become of one step: `adopted`, `runs`, or `later` where it hangs on what another step will write."""

    node: str
    name: str
    outcome: str
    code: str
    text: str
    differences: list[dict[str, Any]]


@dataclass(frozen=True)
class Preview:
    """What resuming would do: how many steps by outcome and reason, and a page of them in the order of the graph."""

    run: Run
    counts: Counter[tuple[str, str]]
    lines: list[StepOutcome]
    next: str | None

    def count(self, outcome: str) -> int:
        return sum(number for (found, _code), number in self.counts.items() if found == outcome)

    @property
    def adopted(self) -> int:
        return self.count(ADOPTED)

    @property
    def running(self) -> int:
        return self.total - self.adopted

    @property
    def total(self) -> int:
        return self.counts.total()

    def as_document(self) -> dict[str, Any]:
        return {
            "run": str(self.run.pk),
            "number": self.run.number,
            "adopted": self.adopted,
            "runs": self.count(RUNS),
            "later": self.count(LATER),
            "reasons": [
                {"outcome": outcome, "code": code, "count": count}
                for (outcome, code), count in self.counts.most_common()
            ],
            "steps": [asdict(line) for line in self.lines],
            "next": self.next,
        }


def preview(
    run: Run,
    parameters: Mapping[str, Any] | None = None,
    *,
    after: str | None = None,
    limit: int | str = paging.MAX_LIMIT,
) -> Preview:
    """What resume() would adopt and what would run, and why: all are counted, a page is told of. Writes nothing.

    Raises what check() does, Unprocessable for parameters that do not fit, and Invalid for a cursor that is none.
    """
    check(run)
    graph = parsed(run.pk).graph
    try:
        bound = parameter_rules.bind(graph.parameters, merged(run.parameters, parameters or {}), is_whole=True)
    except SpecError as error:
        raise refused(error) from error
    values = sealed.seal(run.workspace_id, graph.parameters, bound)
    page, following = paging.part_of(graph.order, after=after, limit=limit, label=f"resume:{run.pk}")
    state = PreviewState(run, graph, values)
    adoption.load(state, page)
    state.count_on(run)
    state.look_around()
    lines: list[StepOutcome] = []
    counts: Counter[tuple[str, str]] = Counter()
    shown = frozenset(page)
    for part in slices.cut(graph.order):
        state.look_at([node for node in part if node not in shown])
        for node in part:
            if node in shown:
                lines.append(state.outcome_of(node))
            counts[(lines[-1].outcome, lines[-1].code) if node in shown else state.judge(node)] += 1
    return Preview(run, counts, lines, following)


class PreviewState(RunState):
    """A run that nobody has submitted, in memory only. Steps that it would adopt have the rows of the earlier run."""

    def __init__(self, source: Run, graph: Graph, parameters: dict[str, Any]) -> None:
        self.root = Run(workspace=source.workspace, parameters=parameters, resumed_from=source)
        self.parsed = ParsedGraph(graph)
        self.runs = {}
        self.reset_lookups()

    def count_on(self, run: Run) -> None:
        """Learn of the earlier steps that are only counted what that takes: two queries, none where all are told of."""
        self.unfinished: frozenset[str] = frozenset()
        if len(self.sources) == len(self.parsed.steps):
            return
        rows, done = StepRun.objects.filter(run__root=run.pk), Q(run__status=COMPLETED)
        self.unfinished = frozenset(rows.exclude(done).values_list("node_id", flat=True))
        for row in rows.filter(done).select_related("run").only(*LIGHT):
            row.run.root = run
            self.sources.setdefault(row.node_id, row)

    def look_at(self, nodes: Sequence[str]) -> None:
        """Learn what those of these steps wrote that completed."""
        found = [source for node in nodes if (source := self.sources.get(node)) is not None]
        if found:
            adoption.load_written(self, found)

    def look_around(self) -> None:
        """Learn the clusters and environments that submitting would choose: two queries, and one for each name."""
        targets = ComputeTarget.objects.filter(workspace=self.root.workspace)
        self._compute = {target.name.lower(): target for target in targets}
        kept = {row.environment_version_id for row in self.sources.values() if row.environment_version_id}
        self._kept = EnvironmentVersion.objects.select_related("build").in_bulk(kept)
        self._named: dict[tuple[str, str], EnvironmentVersion] = {}

    def judge(self, node: str) -> tuple[str, str]:
        """What would become of the step and the code of why, knowing what becomes of those before it."""
        step, source = self.spec(node), self.sources.get(node)
        if source is None:
            return RUNS, "unfinished" if node in self.unfinished else "no_step"
        try:
            environment = self._environment(step)
            if code := self._unknown(step, environment):
                return LATER, code
            document = self._document(step, environment)
        except StudioError as error:
            return RUNS, error.code
        code, _lost = adoption.verdict(self, source, fingerprint.digest(document))
        if code != ADOPTED:
            return RUNS, code
        self.runs[node] = source.run
        return ADOPTED, code

    def outcome_of(self, node: str) -> StepOutcome:
        """The same in words."""
        step, source = self.spec(node), self.sources.get(node)
        if source is None:
            return StepOutcome(node, step.name, RUNS, "no_step", _("The earlier run has no such step."), [])
        try:
            environment = self._environment(step)
            unknown = self._unknown(step, environment)
            document = None if unknown else self._document(step, environment)
        except StudioError as error:  # its data or an environment of that name are gone
            code = error.code if source.run.status == COMPLETED else "unfinished"
            return StepOutcome(node, step.name, RUNS, code, error.message, [])
        answer = adoption.unfinished(self, source, node, document)
        if answer is None and document is None:
            return StepOutcome(node, step.name, LATER, unknown, self._why_later(step, unknown), [])
        if answer is None:
            answer = adoption.compare(self, source, node, document or {}, fingerprint.digest(document or {}))
        if answer.source is not None:
            self.runs[node] = source.run
        explanation = answer.explanation
        outcome = ADOPTED if answer.source else RUNS
        return StepOutcome(
            node, step.name, outcome, explanation["code"], explanation["text"], explanation["differences"]
        )

    def _unknown(self, step: Step, environment: EnvironmentVersion | None) -> str:
        """The code of why the step cannot be compared yet; empty when it can."""
        if self._again(step) is not None:
            return "reads_again"
        return "to_build" if environment is not None and not _is_built(environment) else ""

    def _again(self, step: Step) -> str | None:
        """The first of the steps it reads from that runs again."""
        return next((each.step for each in step.inputs if each.step is not None and each.step not in self.runs), None)

    def _why_later(self, step: Step, code: str) -> str:
        if code == "to_build":
            return _("Its environment has to be built first: adopted if the packages are the same, else it runs.")
        text = _("It reads what `%(name)s` writes, which runs again: adopted if that writes the same, else it runs.")
        return text % {"name": self.spec(self._again(step) or "").name}

    def _document(self, step: Step, environment: EnvironmentVersion | None) -> dict[str, Any]:
        compute = self._compute.get((step.compute or "").lower())
        return fingerprints.document_of(self, step.id, environment=environment, compute=compute)

    def _environment(self, step: Step) -> EnvironmentVersion | None:
        """The version that submitting would find. A definition has the version that it had."""
        reference = step.environment
        if not reference:
            return None
        if "python" in reference:
            key = self.sources[step.id].environment_version_id
            return self._kept.get(key) if key else None
        name, version = str(reference.get("name") or ""), str(reference.get("version") or "")
        if (name, version) not in self._named:
            self._named[name, version] = environment_versions.find(self.root.workspace, name, version)
        return self._named[name, version]


def _is_built(version: EnvironmentVersion) -> bool:
    """Whether the packages are known: by a build that is ready, or because they are the user's affair."""
    if version.build is not None:
        return version.build.status == EnvironmentBuild.Status.READY
    return bool(version.definition["python"]["user_managed"])
