"""The plan of a run: each step with what would become of it, the data, environments and clusters, and when it would be over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from core.clock import iso
from core.sentences import Kept
from runs.estimates import Estimate
from runs.services.planning.data import Data
from runs.services.planning.dry_run import REUSED, RUNS, UNKNOWN

# When a step would get its place: at once, not yet, when its environment is built, when steps before it are over.
NOW, WAITS, ENVIRONMENT, LATER = "now", "waits", "environment", "later"


@dataclass(frozen=True)
class PlannedStep:
    """One step. `seconds`: how long it would run, None where it never did; `begins` and `ends` by the medians, in seconds from
    now. `start` and `host` are None where nothing starts, `host` also where none has room. `nodes`: so many it asks for."""

    node: str
    name: str
    kind: str
    outcome: str
    code: str
    text: str
    differences: list[dict[str, Any]]
    compared_with: dict[str, Any] | None
    compute: str
    environment: str | None
    start: str | None
    host: str | None
    nodes: int
    waits_for: list[str]
    seconds: Estimate | None
    begins: float
    ends: float


@dataclass(frozen=True)
class PlannedEnvironment:
    """An environment that steps need: `ready`, `building`, `to_build`, or `user_managed`, with how long that goes on, in seconds."""

    name: str
    state: str
    seconds: Estimate | None
    steps: int


@dataclass(frozen=True)
class PlannedCluster:
    """A cluster: how many steps go there, how many of them start at once on which hosts, how many wait, and for what.

    `reasons` are also those of steps whose turn comes later, as if it were now.
    """

    name: str
    steps: int
    nodes: int
    starts: int
    waits: int
    hosts: list[str]
    reasons: list[dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """What a submit would do. `seconds` and `path` as far as anything is known of how long steps run; `without_history`: of so
    many steps that run, or may, nothing is known."""

    steps: Sequence[PlannedStep]
    data: Sequence[Data]
    environments: Sequence[PlannedEnvironment]
    clusters: Sequence[PlannedCluster]
    moment: datetime
    seconds: Estimate | None
    path: Sequence[str]
    without_history: int
    warnings: Sequence[Kept] = ()
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, outcome: str) -> int:
        return self.counts[outcome]

    @property
    def reused(self) -> int:
        return self.counts[REUSED]

    @property
    def size(self) -> int:
        """Bytes of all data that would be read, as far as they are known."""
        return sum(each.size or 0 for each in self.data)

    def finish(self, which: str) -> datetime | None:
        """When it would be over: `low`, `median` or `high`."""
        return None if self.seconds is None else self.moment + timedelta(seconds=getattr(self.seconds, which))

    def as_document(self) -> dict[str, Any]:
        return {
            "steps": [_document(each) for each in self.steps],
            "counts": {name: self.counts[name] for name in (REUSED, RUNS, UNKNOWN, "fails", "skipped")},
            "data": [each.as_document() for each in self.data],
            "environments": [_document(each) for each in self.environments],
            "clusters": [_document(each) for each in self.clusters],
            "expected": {
                "seconds": None if self.seconds is None else self.seconds.as_document(),
                "finish": {name: iso(self.finish(name)) for name in ("low", "median", "high")}
                if self.seconds
                else None,
                "path": [*self.path],
                "without_history": self.without_history,
            },
            "warnings": [each if isinstance(each, str) else each["text"] for each in self.warnings],
        }


def _document(row: PlannedStep | PlannedEnvironment | PlannedCluster) -> dict[str, Any]:
    found = asdict(row)
    if isinstance(row, PlannedStep | PlannedEnvironment):
        found["seconds"] = None if row.seconds is None else row.seconds.as_document()
    return found
