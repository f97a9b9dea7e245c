"""Which chain of steps decided how long a run took. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """When a step began and ended, in seconds of any one clock; `end` is None while it runs."""

    start: float
    end: float | None

    @property
    def until(self) -> float:
        return float("inf") if self.end is None else self.end


def critical_path(needs: Mapping[str, Collection[str]], spans: Mapping[str, Span]) -> list[str]:
    """Step ids, first to last: from the step that ended last, back each time to the parent that ended last.

    `needs` maps a step to those it waits for. Steps without a span have not begun and are on no path. Where two
    ended together the one that began first was the longer wait.
    """
    begun = {step for step in needs if step in spans}
    if not begun:
        return []
    step = _last(begun, spans)
    path = {step: None}
    while parents := {parent for parent in needs[step] if parent in begun and parent not in path}:
        step = _last(parents, spans)
        path[step] = None
    return list(path)[::-1]


def _last(steps: Collection[str], spans: Mapping[str, Span]) -> str:
    return max(sorted(steps), key=lambda step: (spans[step].until, -spans[step].start))
