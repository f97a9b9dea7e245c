"""The pure part of sweeps against references: quantiles by brute force, policies by Azure ML's documented formulas."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from typing import Any

import pytest

from duto.spec.sweeps import Hyperparameter, Policy, Sweep, read_sweep
from duto.sweep.expressions import choice
from runs.sweeps import plan, sampling, stopping

EXPRESSIONS: dict[str, tuple[Any, ...]] = {
    "choice": ("a", 2, 0.5),
    "randint": (7,),
    "uniform": (0.5, 2),
    "quniform": (1, 10, 3),
    "loguniform": (-3, 1),
    "qloguniform": (0, 3, 2),
    "normal": (10, 3),
    "qnormal": (10, 3, 0.5),
    "lognormal": (0, 0.5),
    "qlognormal": (1, 0.5, 0.1),
}
# The same by the formulas of Azure ML's documents.
REFERENCE = {
    "choice": lambda chance, v: chance.choice(v),
    "randint": lambda chance, v: chance.randrange(v[0]),
    "uniform": lambda chance, v: chance.uniform(*v),
    "quniform": lambda chance, v: round(chance.uniform(v[0], v[1]) / v[2]) * v[2],
    "loguniform": lambda chance, v: math.exp(chance.uniform(*v)),
    "qloguniform": lambda chance, v: round(math.exp(chance.uniform(v[0], v[1])) / v[2]) * v[2],
    "normal": lambda chance, v: chance.gauss(*v),
    "qnormal": lambda chance, v: round(chance.gauss(v[0], v[1]) / v[2]) * v[2],
    "lognormal": lambda chance, v: math.exp(chance.gauss(*v)),
    "qlognormal": lambda chance, v: round(math.exp(chance.gauss(v[0], v[1])) / v[2]) * v[2],
}


def sweep(*space: Hyperparameter, **more: Any) -> Sweep:
    facts: dict[str, Any] = {
        "sampling": "random", "metric": "loss", "goal": "maximize", "max_total": 10, "max_concurrent": 3, "max_minutes": 60.0,
        **more,
    }  # fmt: skip
    return Sweep(space or (Hyperparameter("x", "uniform", (0, 1)),), **facts)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_is_distributed_as_its_formula(name: str) -> None:
    found = Hyperparameter("x", name, EXPRESSIONS[name])
    assert found.problem == ""
    chance = random.Random(5)
    drawn = sorted((found.at(chance.random()) for _ in range(4000)), key=repr)
    wanted = sorted((REFERENCE[name](chance, EXPRESSIONS[name]) for _ in range(4000)), key=repr)
    if name in ("choice", "randint", "quniform", "qloguniform"):
        every = [found.nth(place) for place in range(found.count or 0)]
        assert {repr(float(each)) if not isinstance(each, str) else each for each in drawn} <= {
            repr(float(each)) if not isinstance(each, str) else each for each in every
        }
        for value in every:
            share = sum(each == value for each in drawn) - sum(each == value for each in wanted)
            assert abs(share) / 4000 < 0.05, value
    else:
        for part in (400, 2000, 3600):
            lower, upper = sorted(float(each) for each in drawn)[part], sorted(float(each) for each in wanted)[part]
            assert lower == pytest.approx(upper, rel=0.12, abs=0.06)


def test_values_are_spelt_as_they_are_meant() -> None:
    assert [Hyperparameter("x", "quniform", (0, 1, 0.1)).nth(place) for place in (3, 7)] == [0.3, 0.7]
    whole = Hyperparameter("x", "quniform", (16, 64, 16))
    assert [whole.nth(place) for place in range(whole.count or 0)] == [16, 32, 48, 64]
    assert all(type(whole.nth(place)) is int for place in range(4))
    assert Hyperparameter("x", "qnormal", (0, 1, 1)).at(0.5) == 0


@pytest.mark.parametrize(
    "name,values,word",
    [
        ("choice", (), "no options"),
        ("choice", (1, 1), "twice"),
        ("choice", ([1],), "no text"),
        ("randint", (0,), "at least 1"),
        ("uniform", (2, 1), "below max_value"),
        ("uniform", (1,), "takes min_value, max_value"),
        ("uniform", ("1", 2), "no number"),
        ("uniform", (True, 2), "no number"),
        ("quniform", (1, 2, 0), "above 0"),
        ("normal", (0, -1), "above 0"),
        ("loguniform", (1, 1e6), "too large"),
        ("gamma", (1,), "no expression"),
    ],
)
def test_what_is_wrong_with_an_expression_is_said(name: str, values: tuple[Any, ...], word: str) -> None:
    assert word in Hyperparameter("x", name, values).problem


def test_a_sweep_survives_its_document_and_names_all_that_is_wrong() -> None:
    whole = sweep(
        Hyperparameter("--lr", "loguniform", (-3, 0)), policy=Policy("bandit", 2, 4, slack_factor=0.2), seed=3,
        resume_from=("a",),
    )  # fmt: skip
    assert read_sweep(whole.to_document()) == (whole, [])
    assert list(whole.problems()) == []
    wrong = sweep(
        Hyperparameter("lr", "uniform", (0, 1)), Hyperparameter("--lr", "choice", (1,)), sampling="grid", metric=" ", goal="more",
        max_total=2000, max_concurrent=0, max_minutes=0, policy=Policy("bandit"), resume_from=tuple("abcdef"),
    )  # fmt: skip
    text = "\n".join(wrong.problems())
    for word in (
        "twice",
        "a grid takes",
        "primary metric",
        "goal",
        "2000",
        "max_concurrent",
        "max_duration",
        "one of slack",
        "6 sweeps",
    ):
        assert word in text, word
    assert read_sweep({"max_total": "3"})[1] == ["`max_total` of its sweep is '3', and must be int"]
    assert read_sweep([])[0] is None


def test_a_grid_is_the_product_in_order() -> None:
    space = (Hyperparameter("a", "choice", ("x", "y")), Hyperparameter("b", "quniform", (1, 3, 1)))
    found = sampling.draw(sweep(*space, sampling="grid"), 1, [], 10)
    assert [each.values for each in found] == list(itertools.product(("x", "y"), (1, 2, 3)))
    known = [sampling.Known(each.values, (), None, True) for each in found[:4]]
    assert [each.values for each in sampling.draw(sweep(*space, sampling="grid"), 1, known, 10)] == [("y", 2), ("y", 3)]


def test_draws_at_random_repeat_none_of_a_finite_space_and_follow_from_the_seed() -> None:
    space = (Hyperparameter("a", "choice", (1, 2, 3)), Hyperparameter("b", "randint", (4,)))
    settings = sweep(*space)
    found = sampling.draw(settings, 7, [], 100)
    assert sorted(each.values for each in found) == sorted(itertools.product((1, 2, 3), range(4)))
    # What was drawn in two turns is what is drawn at once: a decision that was lost is taken again.
    first = sampling.draw(settings, 7, [], 5)
    known = [sampling.Known(each.values, each.point, None, False) for each in first]
    assert first + sampling.draw(settings, 7, known, 7) == found[:12]
    assert sampling.draw(settings, 8, [], 5) != first


def test_a_bayesian_search_comes_nearer_than_chance() -> None:
    space = (Hyperparameter("x", "uniform", (-5, 5)), Hyperparameter("kind", "choice", ("good", "bad", "worse")), Hyperparameter("n", "qnormal", (0, 3, 1)))  # fmt: skip

    def value(values: tuple[Any, ...]) -> float:
        x, kind, n = values
        return -((x - 2) ** 2) - 3 * ("good", "bad", "worse").index(kind) - abs(n)

    def best(kind: str, seed: int) -> float:
        settings, known = sweep(*space, sampling=kind), []
        for _ in range(35):
            (one,) = sampling.draw(settings, seed, known, 1)
            known.append(sampling.Known(one.values, one.point, value(one.values), True))
        return max(each.result for each in known)

    seeds = range(2)
    assert statistics.fmean(best("bayesian", seed) for seed in seeds) > statistics.fmean(best("random", seed) for seed in seeds)  # fmt: skip


def test_a_bayesian_search_over_few_values_tries_each_once() -> None:
    space = (Hyperparameter("a", "choice", (1, 2)), Hyperparameter("b", "choice", ("x", "y")))
    found = sampling.draw(sweep(*space, sampling="bayesian"), 1, [], 9)
    assert sorted(each.values for each in found) == sorted(itertools.product((1, 2), ("x", "y")))


def series(number: int, *values: float, is_over: bool = False) -> stopping.Series:
    return stopping.Series(number, values, is_over)


def test_the_bandit_of_the_document() -> None:
    """The best has 0.8 and the slack factor is 0.2: below 0.8 / 1.2 = 0.66 a trial is stopped."""
    best = series(1, 0.5, 0.8)
    policy = Policy("bandit", slack_factor=0.2)
    for value, is_stopped in ((0.66, True), (0.67, False)):
        mine = series(2, 0.1, value)
        why = stopping.judge(policy, mine, [best, mine], 2)
        assert (why is not None) == is_stopped
    assert why is None
    # To be minimized: 0.2 * 1.2 = 0.24 is the limit. Series are turned, so that more is better.
    for value, is_stopped in ((0.25, True), (0.23, False)):
        mine = series(2, -value)
        assert (stopping.judge(policy, mine, [series(1, -0.2), mine], 1) is not None) == is_stopped
    amount = Policy("bandit", slack_amount=0.2)
    assert stopping.judge(amount, series(2, 0.59), [best, series(2, 0.59)], 1) is None
    assert stopping.judge(amount, series(2, 0.1, 0.59), [best, series(2, 0.1, 0.59)], 2)
    # The best is never stopped by itself, of whatever sign it is.
    for value in (-3.0, 0.0, 3.0):
        assert stopping.judge(policy, series(1, value), [series(1, value)], 1) is None


def test_median_stopping_is_by_the_median_of_running_averages() -> None:
    chance = random.Random(2)
    for _ in range(200):
        trials = [series(number, *(chance.random() for _ in range(chance.randint(1, 6)))) for number in range(1, 6)]
        interval = chance.randint(1, 6)
        for mine in trials:
            if len(mine.values) < interval:
                continue
            averages = [sum(t.values[:interval]) / interval for t in trials if len(t.values) >= interval]
            wanted = max(mine.values[:interval]) < statistics.median(averages)
            assert (stopping.judge(Policy("median_stopping"), mine, trials, interval) is not None) == wanted


def test_truncation_takes_the_lowest_share() -> None:
    trials = [series(number, value) for number, value in enumerate((0.5, 0.1, 0.9, 0.1, 0.7), 1)]
    for share in range(1, 100):
        policy = Policy("truncation_selection", truncation_percentage=share)
        stopped = {each.number for each in trials if stopping.judge(policy, each, trials, 1)}
        # Worst first, and of equal ones the later.
        assert stopped == set([4, 2, 1, 5, 3][: math.floor(5 * share / 100)])
    over = [series(2, 0.1, is_over=True), series(4, 0.1, is_over=True), series(1, 0.5), series(3, 0.9), series(5, 0.7)]
    without = Policy("truncation_selection", truncation_percentage=40, exclude_finished_jobs=True)
    assert [each.number for each in over[2:] if stopping.judge(without, each, over, 1)] == [1]


def test_a_value_that_is_no_number_is_worse_than_any() -> None:
    worst = series(2, stopping.WORST)
    assert stopping.judge(Policy("bandit", slack_amount=9), worst, [series(1, -1e9), worst], 1)
    assert stopping.judge(Policy("median_stopping"), worst, [series(1, 1), series(3, 1), worst], 1)
    assert stopping.judge(Policy("bandit", slack_amount=9), worst, [worst], 1) is None


@pytest.mark.parametrize(
    "count,evaluated,interval,delay,wanted",
    [
        (4, 0, 5, 0, None), (5, 0, 5, 0, 5), (7, 5, 5, 0, None), (12, 5, 5, 0, 10), (5, 0, 5, 6, None), (10, 0, 5, 6, 10),
        (1, 0, 1, 0, 1), (0, 0, 1, 0, None),
    ],
)  # fmt: skip
def test_a_policy_is_applied_at_intervals(count: int, evaluated: int, interval: int, delay: int, wanted: int) -> None:
    assert stopping.interval_of(Policy("bandit", interval, delay), count, evaluated) == wanted


def decide(trials: list[plan.Trial], **more: Any) -> plan.Decision:
    facts = {"is_exhausted": False, "is_late": False, "is_canceled": False, **more}
    return plan.decide(sweep(policy=Policy("bandit", slack_amount=0.1)), trials, **facts)


def test_what_is_decided() -> None:
    assert decide([]).start == 3
    running = [plan.Trial(1, "Running", (0.9,)), plan.Trial(2, "Running", (0.2,)), plan.Trial(3, "Queued")]
    found = decide(running)
    assert (set(found.stop), found.evaluated, found.start, found.end) == ({2}, {1: 1, 2: 1}, 0, None)
    assert decide([plan.Trial(1, "Running", (0.9,), 1), plan.Trial(2, "Running", (0.2,), 1)]).stop == {}
    assert decide(running, is_late=True).stop.keys() == {1, 2, 3}
    assert decide([plan.Trial(1, "CancelRequested", (0.9,))], is_canceled=True).stop == {}
    done = [plan.Trial(number, "Completed", (0.1,)) for number in range(1, 9)]
    assert decide(done).start == 2  # ten at most
    assert decide(done, is_exhausted=True).end == "Completed"
    assert decide(done, is_canceled=True).end == "Canceled"
    assert decide([plan.Trial(1, "Failed")], is_exhausted=True).end == "Failed"
    assert decide([plan.Trial(1, "Canceled")], is_late=True).end == "Canceled"
    assert decide([], is_exhausted=True).end == "Failed"
    best = plan.best_of(
        [
            plan.Trial(1, "Completed", (1,)),
            plan.Trial(2, "Canceled", (3, 0)),
            plan.Trial(3, "Failed", (stopping.WORST,)),
        ]
    )
    assert best is not None and best.number == 2


def test_an_option_that_a_program_gives_twice_counts_once() -> None:
    assert choice(range(1, 3)) == choice(1, 2) == choice([1, 2]) == ["choice", [[1, 2]]]
    with pytest.warns(UserWarning, match="has the option 0.1 more than once"):
        assert choice(0.1, "0.1", 0.1) == ["choice", [[0.1, "0.1"]]]
