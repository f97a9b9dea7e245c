"""Early termination: whether a trial is stopped at an interval, and by what comparison. Azure ML's documented rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from duto.spec.sweeps import Policy

# What a value that is no number counts as: worse than any.
WORST = float("-inf")


@dataclass(frozen=True)
class Series:
    """What a trial has logged of the primary metric, in order, turned so that more is better."""

    number: int
    values: Sequence[float]
    is_over: bool = False

    def best(self, interval: int) -> float:
        """The best of the first so many values."""
        return max(self.values[:interval])


def interval_of(policy: Policy, count: int, evaluated: int) -> int | None:
    """The interval at which the policy is to be applied to a trial that has logged `count` values and was last looked at
    at `evaluated`; None for nothing to do."""
    interval = count - count % policy.evaluation_interval
    return interval if interval > evaluated and interval >= policy.delay_evaluation else None


def judge(policy: Policy, mine: Series, trials: Collection[Series], interval: int) -> dict[str, Any] | None:
    """Why a trial is stopped at this interval, as the facts of a sentence; None where it goes on.

    Compared are the trials that have got as far, each by what it had logged by then. Facts are turned as the series are.
    """
    reached = [each for each in trials if len(each.values) >= interval]
    best = mine.best(interval)
    facts = {"interval": interval, "value": best, "trials": len(reached)}
    if policy.kind == "bandit":
        first = max(each.best(interval) for each in reached)
        limit = _slack(policy, first)
        return {"code": "bandit", **facts, "best": first, "limit": limit} if best < limit else None
    if policy.kind == "median_stopping":
        limit = median(_mean(each.values[:interval]) for each in reached)
        return {"code": "median_stopping", **facts, "limit": limit} if best < limit else None
    if policy.kind == "truncation_selection":
        if policy.exclude_finished_jobs:
            reached = [each for each in reached if not each.is_over or each.number == mine.number]
        most = len(reached) * (policy.truncation_percentage or 0) // 100
        # Of equal ones the later goes first.
        worst = sorted(reached, key=lambda each: (each.best(interval), -each.number))[:most]
        if any(each.number == mine.number for each in worst):
            share = policy.truncation_percentage
            return {"code": "truncation_selection", **facts, "trials": len(reached), "percentage": share}
    return None


def _slack(policy: Policy, best: float) -> float:
    """The worst that is still good enough.

    By a factor it is best / (1 + factor) of what grows, best * (1 + factor) of what shrinks. Below zero the other of the
    two is the worse one: what is documented would stop the best trial itself.
    """
    if policy.slack_amount is not None:
        return best - policy.slack_amount
    factor = 1 + (policy.slack_factor or 0)
    return best / factor if best >= 0 else best * factor


def _mean(values: Sequence[float]) -> float:
    return WORST if WORST in values else fmean(values)
