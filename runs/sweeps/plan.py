"""What a sweep does next: which trials are stopped, how many are started, and whether it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from duto.spec.sweeps import Sweep
from runs.plan import ENDED, GOOD
from runs.sweeps.stopping import Series, interval_of, judge


@dataclass(frozen=True)
class Trial:
    """A trial as far as decisions ask: `values` are those of the primary metric, turned so that more is better."""

    number: int
    status: str
    values: Sequence[float] = ()
    # The interval at which the policy was last applied to it.
    evaluated: int = 0

    @property
    def is_over(self) -> bool:
        return self.status in ENDED

    @property
    def best(self) -> float | None:
        """The best that it has logged; None for nothing that is a number."""
        found = max(self.values, default=None)
        return found if found is not None and found > float("-inf") else None


@dataclass(frozen=True)
class Decision:
    """By number, why a trial is stopped and at which interval one was looked at; how many more may start; how it ended."""

    stop: dict[int, dict[str, Any]] = field(default_factory=dict)
    evaluated: dict[int, int] = field(default_factory=dict)
    start: int = 0
    # Completed, Failed or Canceled; None while a trial can still change, or start.
    end: str | None = None


def decide(sweep: Sweep, trials: Sequence[Trial], *, is_exhausted: bool, is_late: bool, is_canceled: bool) -> Decision:
    """`is_exhausted`: there are no more values to try; `is_late`: its time is over; `is_canceled`: somebody stopped it."""
    stop: dict[int, dict[str, Any]] = {}
    evaluated: dict[int, int] = {}
    at_work = [each for each in trials if not each.is_over]
    stopping = [each for each in at_work if each.status != "CancelRequested"]
    if is_canceled or is_late:
        stop = {each.number: {"code": "canceled" if is_canceled else "late"} for each in stopping}
    else:
        stop, evaluated = _judged(sweep, trials, stopping)
    more = 0
    if not (is_canceled or is_late or is_exhausted):
        more = min(sweep.max_concurrent - len(at_work), sweep.max_total - len(trials))
    may_start = not (is_canceled or is_late or is_exhausted or len(trials) >= sweep.max_total)
    end = None if at_work or may_start else outcome([each.status for each in trials], is_canceled=is_canceled)
    return Decision(stop, evaluated, max(0, more), end)


def _judged(
    sweep: Sweep, trials: Sequence[Trial], stopping: Sequence[Trial]
) -> tuple[dict[int, dict[str, Any]], dict[int, int]]:
    """The policy applied to each trial that has come to its next interval."""
    stop: dict[int, dict[str, Any]] = {}
    evaluated: dict[int, int] = {}
    if sweep.policy.kind == "none":
        return stop, evaluated
    series = {each.number: Series(each.number, each.values, each.is_over) for each in trials}
    for each in stopping:
        interval = interval_of(sweep.policy, len(each.values), each.evaluated)
        if interval is None:
            continue
        evaluated[each.number] = interval
        why = judge(sweep.policy, series[each.number], series.values(), interval)
        if why is not None:
            stop[each.number] = why
    return stop, evaluated


def outcome(states: Sequence[str], *, is_canceled: bool) -> str:
    """How a sweep ended whose trials are all over: well if one completed, unless somebody stopped it."""
    if is_canceled:
        return "Canceled"
    if any(each in GOOD for each in states):
        return "Completed"
    return "Failed" if "Failed" in states or not states else "Canceled"


def best_of(trials: Sequence[Trial], *, states: frozenset[str] = ENDED) -> Trial | None:
    """The trial with the best value of the metric; of equal ones the first."""
    found = [each for each in trials if each.best is not None and each.status in states]
    return max(found, key=lambda each: (each.best, -each.number), default=None)
