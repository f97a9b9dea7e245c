"""What a benchmark is, how often it runs, and what it prints."""

from __future__ import annotations

import importlib
import json
import operator
import pkgutil
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ROUNDS = 5
COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Sample:
    """One round: the figure, its floor if there is one, and what else is worth knowing."""

    value: float
    floor: float | None = None
    more: dict[str, Any] = field(default_factory=dict)
    # A benchmark with several goals judges itself; None leaves it to the goal.
    met: bool | None = None


@dataclass(frozen=True)
class Benchmark:
    """A named measurement. The goal is about the ratio to the floor, or about the value itself."""

    name: str
    unit: str
    about: str
    compare: str
    goal: float
    measure: Callable[[str], Sample]
    rounds: int = ROUNDS

    def judge(self, samples: list[Sample]) -> dict[str, Any]:
        """The medians, and whether they meet the goal."""
        value = statistics.median(sample.value for sample in samples)
        floors = [sample.floor for sample in samples if sample.floor is not None]
        floor = statistics.median(floors) if floors else None
        ratio = value / floor if floor else None
        judged = {"value": value, "ratio": ratio}[self.about]
        met = judged is not None and COMPARE[self.compare](judged, self.goal)
        met = met and all(sample.met is not False for sample in samples)
        return {
            "bench": self.name,
            "value": round(value, 6),
            "unit": self.unit,
            "floor": None if floor is None else round(floor, 6),
            "ratio": None if ratio is None else round(ratio, 4),
            "goal": f"{self.about} {self.compare} {self.goal:g}",
            "met": met,
            "rounds": [round(sample.value, 6) for sample in samples],
            **samples[-1].more,
        }


BENCHMARKS: dict[str, Benchmark] = {}
Measure = Callable[[str], Sample]


def benchmark(name: str, unit: str, goal: str, rounds: int = ROUNDS) -> Callable[[Measure], Measure]:
    """Register a function of the database's name (`sqlite` or `postgres`). The goal reads `ratio <= 2.5`."""
    about, compare, figure = goal.split()

    def register(measure: Measure) -> Measure:
        BENCHMARKS[name] = Benchmark(name, unit, about, compare, float(figure), measure, rounds)
        return measure

    return register


def load() -> dict[str, Benchmark]:
    """Every benchmark of this package, by name."""
    import benchmarks

    for module in pkgutil.iter_modules(benchmarks.__path__):
        importlib.import_module(f"benchmarks.{module.name}")
    return BENCHMARKS


def run(name: str, database: str, rounds: int | None, say: Callable[[str], None]) -> str:
    """Measure round after round; the last line is one JSON object."""
    chosen = load()[name]
    samples = []
    for number in range(1, (rounds or chosen.rounds) + 1):
        sample = chosen.measure(database)
        floor = "" if sample.floor is None else f", floor {sample.floor:.4g} {chosen.unit}"
        say(f"{name} {number}: {sample.value:.4g} {chosen.unit}{floor}")
        samples.append(sample)
    return json.dumps({**chosen.judge(samples), "db": database})
