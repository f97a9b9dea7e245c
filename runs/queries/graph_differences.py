"""What differs between two graphs, step by step: what the endpoint's page tells of two versions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from duto.spec import canonical, fingerprint
from duto.spec.fingerprint import Difference
from duto.spec.graph import Graph, Step


@dataclass(frozen=True)
class StepDifference:
    """A step that is `new`, `gone` or `changed`, and of the last what about it."""

    name: str
    change: str
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class GraphDifference:
    """Parameters that are declared otherwise, and steps."""

    parameters: tuple[tuple[str, Any, Any], ...]
    steps: tuple[StepDifference, ...]

    @property
    def is_empty(self) -> bool:
        return not self.parameters and not self.steps


def compare(old: Graph, new: Graph, files: Mapping[str, Mapping[str, str]]) -> GraphDifference:
    """From `old` to `new`; `files` are the digests of the snapshots' files by the snapshot's digest and the path."""
    before, after = {each.id: each for each in old.steps}, {each.id: each for each in new.steps}
    old_document, new_document = old.to_document(), new.to_document()
    steps = []
    for key in (*after, *(each for each in before if each not in after)):
        first, second = before.get(key), after.get(key)
        if second is None:
            steps.append(StepDifference(before[key].name, "gone"))
        elif first is None:
            steps.append(StepDifference(second.name, "new"))
        elif found := fingerprint.compare(
            _facts(old_document, first),
            _facts(new_document, second),
            files.get(first.snapshot or ""),
            files.get(second.snapshot or ""),
        ):
            steps.append(StepDifference(second.name, "changed", tuple(found)))
    return GraphDifference(_parameters(old_document, new_document), tuple(steps))


def _facts(graph: Mapping[str, Any], step: Step) -> dict[str, Any]:
    """The step as it is when nothing is given: inputs by what the graph says of them."""
    (document,) = (each for each in graph["steps"] if each["id"] == step.id)
    return fingerprint.fingerprint(
        step,
        snapshot=step.snapshot,
        inputs={each["name"]: canonical.digest(each) for each in document.get("inputs", ())},
        parameters={},
        environment=canonical.digest(dict(step.environment)) if step.environment else None,
        compute=step.compute,
    )


def _parameters(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[tuple[str, Any, Any], ...]:
    """Name, and what is declared before and after; None where there is no such parameter."""
    before, after = ({each["name"]: each for each in graph.get("parameters", ())} for graph in (old, new))
    names = [*after, *(name for name in before if name not in after)]
    return tuple((name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name))
