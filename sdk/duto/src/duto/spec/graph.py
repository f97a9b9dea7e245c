"""The graph document: what is to run, as values.

`Graph.from_document` reads what `docs/wire.md` describes and raises `SpecError` with every problem at once;
`to_document` writes it back.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Tuple

from duto.spec.checking import cycle_problem, followers_of, problems_of, sort
from duto.spec.errors import Problem, SpecError
from duto.spec.reading import read_parts
from duto.spec.values import (
    INPUT_MODES,
    OUTPUT_KINDS,
    OUTPUT_MODES,
    SCHEMA,
    Distribution,
    Input,
    Output,
    Parameter,
    Parts,
    Step,
)
from duto.spec.writing import graph_document

__all__ = [
    "INPUT_MODES",
    "OUTPUT_KINDS",
    "OUTPUT_MODES",
    "SCHEMA",
    "Distribution",
    "Graph",
    "Input",
    "Output",
    "Parameter",
    "Step",
    "read_graph",
]


@dataclass(frozen=True)
class Graph(Parts):
    """A pipeline's steps and parameters, and what follows from them."""

    @classmethod
    def from_document(cls, document: Any, files: Optional[Mapping[str, Any]] = None) -> Graph:
        """The graph of a document.

        `files` maps a snapshot's digest to the paths in it; with it, a script that its snapshot lacks is a
        problem. Raises `SpecError` that names all problems: of the shape first, then of the meaning.
        """
        graph = read_graph(document)
        problems = graph.problems(files)
        if problems:
            raise SpecError(problems)
        return graph

    def to_document(self) -> Dict[str, Any]:
        """The document, JSON-ready, with every key written out."""
        return graph_document(self)

    def problems(self, files: Optional[Mapping[str, Any]] = None) -> List[Problem]:
        """All that is wrong with the graph's meaning, in the order of its steps; empty when it may run."""
        return problems_of(self, files)

    def step(self, step_id: str) -> Step:
        """The step of this id. Raises `KeyError`."""
        return {step.id: step for step in self.steps}[step_id]

    @property
    def needs(self) -> Dict[str, FrozenSet[str]]:
        """For each step the ids of those that must be over before it."""
        return {step.id: step.parents for step in self.steps}

    @property
    def order(self) -> Tuple[str, ...]:
        """Step ids, parents first, else in the document's order. Raises `SpecError` (`cycle`) that names the
        path."""
        ids, cycle = sort(self.needs)
        if cycle:
            raise SpecError([cycle_problem(cycle)])
        return tuple(ids)

    @property
    def followers(self) -> Dict[str, FrozenSet[str]]:
        """For each step the ids of those that wait for it directly."""
        return {step: frozenset(others) for step, others in followers_of(self.needs).items()}


def read_graph(document: Any) -> Graph:
    """The graph of a document whose meaning was checked before, or is not asked for. Raises `SpecError` for its shape."""
    parts = read_parts(document)
    return Graph(**{each.name: getattr(parts, each.name) for each in fields(parts)})
