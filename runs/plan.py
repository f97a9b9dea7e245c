"""What a run does next, as a function of its graph and the states of its steps. Touches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

WAITING = "NotStarted"
GOOD = frozenset({"Completed"})
BAD = frozenset({"Failed", "Canceled", "Skipped"})
ENDED = GOOD | BAD


class Act(Enum):
    """What is to happen to a step."""

    START = "start"
    SKIP = "skip"


@dataclass(frozen=True)
class Decision:
    step: str
    act: Act
    # For a skip: the parents that it can no longer get.
    because: tuple[str, ...] = ()


def decide(needs: Mapping[str, Iterable[str]], states: Mapping[str, str], *, go_on: bool) -> Iterator[Decision]:
    """Start what has all it waits for; skip what can no longer get it.

    With `go_on` a failure costs only what depends on it; without, nothing new starts after one
    (Azure ML's `continue_on_step_failure`).
    """
    stopped = not go_on and any(state in ("Failed", "Canceled") for state in states.values())
    for step, parents in needs.items():
        if states[step] != WAITING:
            continue
        lost = tuple(sorted(parent for parent in parents if states[parent] in BAD))
        if lost or stopped:
            yield Decision(step, Act.SKIP, lost)
        elif all(states[parent] in GOOD for parent in parents):
            yield Decision(step, Act.START)


def to_stop(states: Mapping[str, str], *, go_on: bool) -> Iterator[str]:
    """The running steps that a failure cancels."""
    if go_on or "Failed" not in states.values():
        return
    yield from (
        step for step, state in states.items() if state not in ENDED and state not in (WAITING, "CancelRequested")
    )


def outcome(states: Iterable[str], *, canceled: bool = False) -> str | None:
    """How the run ended, or None while a step can still change."""
    ends = set(states)
    if not ends <= ENDED:
        return None
    if canceled and "Failed" not in ends and ends != GOOD:
        return "Canceled"
    if "Failed" in ends:
        return "Failed"
    return "Completed" if ends <= GOOD else "Canceled"
