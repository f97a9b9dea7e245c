"""The graphs of runs, parsed once a process: a graph never changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from uuid import UUID

from django.db.models import QuerySet

from duto.spec.graph import Graph, Step, read_graph
from duto.spec.sweeps import Sweep, read_sweep
from runs.models import Run

# Graphs of so many roots are kept parsed in a process, and no more of them than have so many steps in all.
KEPT, KEPT_STEPS = 64, 50_000


@dataclass(frozen=True)
class ParsedGraph:
    """The graph of a root, and what is asked of it again and again."""

    graph: Graph

    @cached_property
    def steps(self) -> dict[str, Step]:
        return {step.id: step for step in self.graph.steps}

    @cached_property
    def types(self) -> dict[str, str]:
        """The types of the parameters by their names."""
        return {each.name: each.type for each in self.graph.parameters}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Steps after those they wait for, else as written."""
        placed: dict[str, None] = {}
        for first in self.steps:
            path = [(first, self._before(first))]
            while path:
                node, before = path[-1]
                wanted = next((each for each in before if each in self.steps and each not in placed), None)
                if wanted is not None:
                    path.append((wanted, self._before(wanted)))
                else:
                    placed.setdefault(node)
                    path.pop()
        return tuple(placed)

    def _before(self, node: str) -> Iterator[str]:
        step = self.steps[node]
        return iter([*(each.step for each in step.inputs if each.step), *step.run_after])

    @cached_property
    def needs(self) -> dict[str, frozenset[str]]:
        return self.graph.needs

    @cached_property
    def sweeps(self) -> dict[str, Sweep]:
        """The settings of the steps that are sweeps."""
        found = ((step.id, read_sweep(step.settings)[0]) for step in self.graph.steps if step.kind == "sweep")
        return {node: sweep for node, sweep in found if sweep is not None}

    @cached_property
    def followers(self) -> dict[str, frozenset[str]]:
        return self.graph.followers


def step_runs(run: Run) -> QuerySet[Run]:
    """The runs of the steps of a run's graph: of a root those of its tree but for trials, of a trial itself."""
    if run.kind == Run.Kind.TRIAL:
        return Run.objects.filter(pk=run.pk)
    # Of a child run: none, since it has no graph.
    return Run.objects.filter(root=run.pk, step__isnull=False).exclude(kind=Run.Kind.TRIAL)


_graphs: OrderedDict[UUID, ParsedGraph] = OrderedDict()
_graphs_lock = Lock()


def parsed(root_id: UUID) -> ParsedGraph:
    """The graph of a root. It never changes, so it is parsed once a process.

    That of a long run takes seconds: who is going to lock the root calls parse_graph() before.
    """
    found = parsed_all([root_id])
    if root_id not in found:
        raise Run.DoesNotExist(f"There is no run {root_id}.")
    return found[root_id]


def parse_graph(root_id: UUID | None) -> None:
    """Have the graph of a root parsed, if there is one."""
    if root_id is not None:
        parsed_all([root_id])


def parsed_all(root_ids: Iterable[UUID]) -> dict[UUID, ParsedGraph]:
    """The same of many roots, by one statement for all whose graphs are not kept."""
    wanted = set(root_ids)
    with _graphs_lock:
        found = {key: _graphs[key] for key in wanted if key in _graphs}
        for key in found:
            _graphs.move_to_end(key)
    if missing := wanted - found.keys():
        rows = Run.objects.filter(pk__in=missing).values_list("pk", "graph")
        fresh = {key: ParsedGraph(read_graph(document or {"steps": []})) for key, document in rows}
        found |= fresh
        keep(fresh)
    return found


def keep(graphs: Mapping[UUID, ParsedGraph]) -> None:
    """Remember these graphs, and forget those that were not asked for the longest; the newest is always kept."""
    with _graphs_lock:
        _graphs.update(graphs)
        steps = sum(len(each.graph.steps) for each in _graphs.values())
        while len(_graphs) > KEPT or (steps > KEPT_STEPS and len(_graphs) > 1):
            steps -= len(_graphs.popitem(last=False)[1].graph.steps)
