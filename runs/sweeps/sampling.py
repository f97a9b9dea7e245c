"""Which values the next trials have: at random, from a grid, or by a Bayesian search. The same trials before it, the same
answer: a decision that was lost is taken again."""

from __future__ import annotations

import itertools
import random
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from duto.spec.sweeps import Sweep

# A number that a quantile function takes is neither 0 nor 1.
EDGE = 1e-9
# So many draws find one of few values that are left; then they are counted out.
DRAWS = 100
# A finite space of up to so many trials is counted out.
COUNTED = 100_000


@dataclass(frozen=True)
class Draw:
    """The values of a trial in the order of the space, and where in the space of quantiles they lie; empty for a grid."""

    values: tuple[Any, ...]
    point: tuple[float, ...] = ()


@dataclass(frozen=True)
class Known:
    """A trial that was started before: what it tried, and how good it was (more is better) where that is known."""

    values: tuple[Any, ...]
    point: tuple[float, ...]
    result: float | None
    is_over: bool


def draw(sweep: Sweep, seed: int, known: Sequence[Known], count: int) -> list[Draw]:
    """The next trials, at most `count`; fewer where all of a finite space have been tried."""
    if count <= 0:
        return []
    seen = {_key(each.values) for each in known}
    if sweep.sampling == "grid":
        fresh = (values for values in grid(sweep) if _key(values) not in seen)
        return [Draw(values) for values in itertools.islice(fresh, count)]
    if sweep.sampling == "bayesian":
        return _bayesian(sweep, seed, known, seen, count)
    return _random(sweep, seed, len(known), seen, count)


def grid(sweep: Sweep) -> Iterator[tuple[Any, ...]]:
    """All trials of a finite space; the last hyperparameter changes first."""
    counts = [each.count or 0 for each in sweep.space]
    for places in itertools.product(*map(range, counts)):
        yield tuple(each.nth(place) for each, place in zip(sweep.space, places, strict=True))


def _random(sweep: Sweep, seed: int, first: int, seen: set[str], count: int) -> list[Draw]:
    found: list[Draw] = []
    for number in range(first, first + count):
        chance = random.Random(f"{seed}:{number}")  # noqa: S311 - a draw that can be repeated, no secret
        one = _unseen(sweep, chance, seen)
        if one is None:
            break
        seen.add(_key(one.values))
        found.append(one)
    return found


def _unseen(sweep: Sweep, chance: random.Random, seen: set[str]) -> Draw | None:
    """A draw that is none of those that were; in a space without end no look is needed."""
    size = sweep.size
    for _ in range(DRAWS):
        one = _at(sweep, [chance.random() for _ in sweep.space])
        if size is None or _key(one.values) not in seen:
            return one
    if size is None or size > COUNTED:
        return _at(sweep, [chance.random() for _ in sweep.space])
    left = [values for values in grid(sweep) if _key(values) not in seen]
    return Draw(chance.choice(left)) if left else None


def _at(sweep: Sweep, point: Sequence[float]) -> Draw:
    inside = tuple(min(max(each, EDGE), 1 - EDGE) for each in point)
    return Draw(tuple(each.at(place) for each, place in zip(sweep.space, inside, strict=True)), inside)


def _bayesian(sweep: Sweep, seed: int, known: Sequence[Known], seen: set[str], count: int) -> list[Draw]:
    """By Optuna's tree-structured Parzen estimator, in the space of quantiles; options of `choice` are categories.

    Trials that still run count as bad ones, so that those that run at once are not all the same.
    """
    import optuna  # a second of imports and 40 MiB, for those who want it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spaces: dict[str, Any] = {
        each.name: optuna.distributions.CategoricalDistribution(range(len(each.values)))
        if each.expression == "choice"
        else optuna.distributions.FloatDistribution(EDGE, 1 - EDGE)
        for each in sweep.space
    }
    with warnings.catch_warnings():  # that `constant_liar` is new
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=(seed + len(known)) % 2**32, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for each in known:
        if not each.point or (each.is_over and each.result is None):
            continue
        state = optuna.trial.TrialState.COMPLETE if each.is_over else optuna.trial.TrialState.RUNNING
        given = {
            p.name: min(int(place * len(p.values)), len(p.values) - 1) if p.expression == "choice" else place
            for p, place in zip(sweep.space, each.point, strict=True)
        }
        made = optuna.trial.create_trial(
            state=state, params=given, distributions=spaces, value=each.result if each.is_over else None
        )
        study.add_trial(made)
    found: list[Draw] = []
    for number in range(len(known), len(known) + count):
        asked = study.ask(spaces).params
        one = _at(
            sweep,
            [(asked[p.name] + 0.5) / len(p.values) if p.expression == "choice" else asked[p.name] for p in sweep.space],
        )
        if sweep.size is not None and _key(one.values) in seen:
            chance = random.Random(f"{seed}:{number}")  # noqa: S311 - a draw that can be repeated, no secret
            other = _unseen(sweep, chance, seen)
            if other is None:
                break
            one = other
        seen.add(_key(one.values))
        found.append(one)
    return found


def _key(values: Sequence[Any]) -> str:
    """1 and 1.0 are the same argument, 1 and True are not."""
    return repr([float(each) if type(each) is int else each for each in values])
