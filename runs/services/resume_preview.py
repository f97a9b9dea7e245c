"""What resuming a run would adopt and what would run, step by step, before anything is submitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

from compute.models import ComputeTarget
from core.errors import StudioError
from duto.spec import fingerprint
from duto.spec import parameters as parameter_rules
from duto.spec.errors import SpecError
from duto.spec.graph import Graph, Step
from duto.spec.reading import read_graph
from environments import services as environments
from environments.models import EnvironmentBuild, EnvironmentVersion
from runs.models import Run
from runs.services import adoption, fingerprints
from runs.services.board import Board, Parsed
from runs.services.resume import check
from runs.services.submit import refused

ADOPTED, RUNS, LATER = "adopted", "runs", "later"


@dataclass(frozen=True)
class Line:
    """What would become of one step: `adopted`, `runs`, or `later` where it hangs on what another step will write."""

    node: str
    name: str
    outcome: str
    text: str
    differences: list[dict[str, Any]]


@dataclass(frozen=True)
class Preview:
    """What resuming would do, step by step in the order of the graph."""

    run: Run
    lines: list[Line]

    def count(self, outcome: str) -> int:
        return sum(1 for line in self.lines if line.outcome == outcome)

    @property
    def adopted(self) -> int:
        return self.count(ADOPTED)

    @property
    def running(self) -> int:
        return len(self.lines) - self.adopted

    def as_document(self) -> dict[str, Any]:
        return {
            "run": str(self.run.pk),
            "number": self.run.number,
            "adopted": self.adopted,
            "runs": self.count(RUNS),
            "later": self.count(LATER),
            "steps": [asdict(line) for line in self.lines],
        }


def preview(run: Run, parameters: Mapping[str, Any] | None = None) -> Preview:
    """What resume() would adopt and what would run, and why. Writes nothing.

    Raises what check() does, and Unprocessable for parameters that do not fit.
    """
    check(run)
    graph = read_graph(run.graph or {"steps": []})
    try:
        values = parameter_rules.bind(graph.parameters, {**run.parameters, **(parameters or {})})
    except SpecError as error:
        raise refused(error) from error
    draft = Draft(run, graph, values)
    adoption.learn(draft, graph.order)
    draft.look_around()
    return Preview(run, [draft.foresee(node) for node in graph.order])


class Draft(Board):
    """A run that nobody has submitted, in memory only. Steps that it would adopt have the rows of the earlier run."""

    def __init__(self, source: Run, graph: Graph, parameters: dict[str, Any]) -> None:
        self.root = Run(workspace=source.workspace, parameters=parameters, resumed_from=source)
        self.parsed = Parsed(graph)
        self.runs = {}
        self.look_back()

    def look_around(self) -> None:
        """Learn the clusters and environments that submitting would choose: two queries, and one for each name."""
        targets = ComputeTarget.objects.filter(workspace=self.root.workspace)
        self._compute = {target.name.lower(): target for target in targets}
        kept = {row.environment_version_id for row in self.sources.values() if row.environment_version_id}
        self._kept = EnvironmentVersion.objects.select_related("build").in_bulk(kept)
        self._named: dict[tuple[str, str], EnvironmentVersion] = {}

    def foresee(self, node: str) -> Line:
        """What would become of the step, knowing what becomes of those before it."""
        step, source = self.spec(node), self.sources.get(node)
        if source is None:
            return Line(node, step.name, RUNS, _("The earlier run has no such step."), [])
        try:
            environment = self._environment(step)
            unknown = self._unknown(step, environment)
            document = None if unknown else self._document(step, environment)
        except StudioError as error:  # its data or an environment of that name are gone
            return Line(node, step.name, RUNS, error.message, [])
        answer = adoption.unfinished(self, source, node, document)
        if answer is None and document is None:
            return Line(node, step.name, LATER, unknown, [])
        if answer is None:
            answer = adoption.compare(self, source, node, document or {}, fingerprint.digest(document or {}))
        if answer.source is not None:
            self.runs[node] = source.run
        told = answer.explanation
        return Line(node, step.name, ADOPTED if answer.source else RUNS, told["text"], told["differences"])

    def _unknown(self, step: Step, environment: EnvironmentVersion | None) -> str:
        """Why the step cannot be compared yet; empty when it can."""
        again = [each.step for each in step.inputs if each.step is not None and each.step not in self.runs]
        if again:
            name = self.spec(again[0]).name
            text = _(
                "It reads what `%(name)s` writes, which runs again: adopted if that writes the same, else it runs."
            )
            return text % {"name": name}
        if environment is not None and not _is_built(environment):
            return _("Its environment has to be built first: adopted if the packages are the same, else it runs.")
        return ""

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
            self._named[name, version] = environments.find(self.root.workspace, name, version)
        return self._named[name, version]


def _is_built(version: EnvironmentVersion) -> bool:
    """Whether the packages are known: by a build that is ready, or because they are the user's affair."""
    if version.build is not None:
        return version.build.status == EnvironmentBuild.Status.READY
    return bool(version.definition["python"]["user_managed"])
