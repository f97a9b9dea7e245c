"""What a benchmark is, and how its rounds become one JSON line."""

from __future__ import annotations

import importlib
import json
import operator
import os
import pkgutil
import platform
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.testing.live import LiveStudio

ROUNDS = 5
COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Setting:
    """What is asked of a benchmark: on which database, how often, and whether only to try itself in a tiny size."""

    database: str
    rounds: int = ROUNDS
    small: bool = False
    # A studio that runs already, for tries that are not to be believed. A measurement starts its own.
    live: LiveStudio | None = None
    # What `chaos` is asked for; None is their own choice.
    steps: int | None = None
    kills: int | None = None
    seed: int | None = None
    say: Callable[[str], None] = print

    def size(self, full: int, small: int) -> int:
        """How many of something."""
        return small if self.small else full


@dataclass(frozen=True)
class Sample:
    """One round: the figure, its floor if there is one, and further figures that goals may name."""

    value: float
    floor: float | None = None
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """`ratio <= 2.5`: a figure of the medians, a comparison, a bound."""

    about: str
    compare: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Goal:
        about, compare, bound = text.split()
        return cls(about, compare, float(bound))

    def __str__(self) -> str:
        return f"{self.about} {self.compare} {self.bound:g}"

    def is_met(self, figures: dict[str, float | None]) -> bool:
        figure = figures.get(self.about)
        return figure is not None and COMPARE[self.compare](figure, self.bound)


# Yields one sample a round for as long as it is asked, so that rounds can share one warm studio.
Measure = Callable[[Setting], Iterator[Sample]]


@dataclass(frozen=True)
class Benchmark:
    """A named measurement with its goals; all of them must be met."""

    name: str
    unit: str
    goals: tuple[Goal, ...]
    measure: Measure
    database: str
    rounds: int = ROUNDS

    def judge(self, samples: list[Sample]) -> dict[str, Any]:
        """The medians of the rounds, and whether they meet the goals."""
        value = statistics.median(sample.value for sample in samples)
        floor = _median([sample.floor for sample in samples])
        ratio = value / floor if floor else None
        names = samples[-1].figures
        figures = {name: _median([sample.figures.get(name) for sample in samples]) for name in names}
        judged = {**figures, "value": value, "floor": floor, "ratio": ratio}
        return {
            "bench": self.name,
            "value": _short(value),
            "unit": self.unit,
            "floor": _short(floor),
            "ratio": _short(ratio),
            "goal": " and ".join(map(str, self.goals)),
            "met": all(goal.is_met(judged) for goal in self.goals),
            "samples": [_short(sample.value) for sample in samples],
            "figures": {name: _short(figure) for name, figure in figures.items()},
        }


BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(
    name: str, unit: str, *goals: str, database: str = "sqlite", rounds: int = ROUNDS
) -> Callable[[Measure], Measure]:
    """Register a generator of samples. Goals read `ratio <= 2.5`; `database` and `rounds` hold unless told otherwise."""

    def register(measure: Measure) -> Measure:
        BENCHMARKS[name] = Benchmark(name, unit, tuple(map(Goal.parse, goals)), measure, database, rounds)
        return measure

    return register


def load() -> dict[str, Benchmark]:
    """Every benchmark of this package, by name."""
    import benchmarks

    for module in pkgutil.iter_modules(benchmarks.__path__):
        importlib.import_module(f"benchmarks.{module.name}")
    return BENCHMARKS


def run(
    name: str, say: Callable[[str], None], *, database: str | None = None, rounds: int | None = None, **asked: Any
) -> dict[str, Any]:
    """Measure round after round; the answer is the benchmark's JSON object. `asked`: what else `Setting` has."""
    chosen = load()[name]
    setting = Setting(database or chosen.database, rounds or chosen.rounds, say=say, **asked)
    samples: list[Sample] = []
    measuring = chosen.measure(setting)
    try:
        for sample in islice(measuring, setting.rounds):
            samples.append(sample)
            say(f"{name} {len(samples)}/{setting.rounds}: {_words(sample, chosen.unit)}")
    finally:
        measuring.close()  # type: ignore[attr-defined]  # a generator: its studio stops now, not at some later time
    facts = {"python": platform.python_version(), "cores": len(os.sched_getaffinity(0)), "db": setting.database}
    return {**chosen.judge(samples), **facts, **({"small": True} if setting.small else {})}


def line(result: dict[str, Any]) -> str:
    """The result as the last line on stdout."""
    return json.dumps(result)


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _short(figure: float | None) -> float | None:
    return None if figure is None else float(f"{figure:.5g}")


def _words(sample: Sample, unit: str) -> str:
    words = [f"{sample.value:.4g} {unit}"]
    words += [] if sample.floor is None else [f"floor {sample.floor:.4g} {unit}"]
    words += [f"{name} {figure:.4g}" for name, figure in sample.figures.items()]
    return ", ".join(words)
