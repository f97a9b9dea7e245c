"""How long things take by how long they took, as laws and as tables."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runs.critical_path import critical_path
from runs.estimates import Estimate, estimate, timeline

STEPS = [f"s{number}" for number in range(8)]


def test_a_range_is_of_what_was_seen() -> None:
    assert estimate([]) is None
    assert estimate([7.0]) == Estimate(7, 7, 7, 1)
    found = estimate([float(number) for number in range(101)])
    assert found is not None and (found.low, found.median, found.high, found.count) == (10, 50, 90, 101)
    assert found.left_after(30) == Estimate(0, 20, 60, 101)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_it_lies_within_it_and_in_order(seconds: list[float]) -> None:
    found = estimate(seconds)
    assert found is not None
    assert min(seconds) - 1e-6 <= found.low <= found.median + 1e-6 <= found.high + 2e-6 <= max(seconds) + 1e-5


@st.composite
def graphs(draw: Any) -> dict[str, set[str]]:
    return {step: draw(st.sets(st.sampled_from(STEPS[:place]))) if place else set() for place, step in enumerate(STEPS)}


@given(
    graphs(),
    st.lists(st.integers(0, 50), min_size=8, max_size=8),
    st.integers(1, 3),
    st.integers(0, 20),
    st.lists(st.integers(1, 4), min_size=8, max_size=8),
)
def test_no_step_begins_early_and_no_cluster_runs_more_than_it_has(
    needs: dict[str, set[str]], seconds: list[int], nodes: int, built: int, wide: list[int]
) -> None:
    takes, widths = dict(zip(STEPS, map(float, seconds), strict=True)), dict(zip(STEPS, wide, strict=True))
    spans = timeline(needs, takes, dict.fromkeys(STEPS, "cpu"), {"cpu": nodes}, {"s0": float(built)}, widths)
    assert spans.keys() == set(STEPS) and spans["s0"].start >= built
    for step, parents in needs.items():
        assert spans[step].until == spans[step].start + takes[step]
        assert all(spans[parent].until <= spans[step].start for parent in parents)
        at = spans[step].start
        running = [each for each, span in spans.items() if takes[each] > 0 and span.start <= at < span.until]
        assert sum(min(widths[each], nodes) for each in running) <= nodes
    path = critical_path(needs, spans)
    assert spans[path[-1]].until == max(span.until for span in spans.values())
    # Nobody idles: with one node the whole takes as long as the steps, and what it waits for at the beginning.
    if nodes == 1:
        assert spans[path[-1]].until <= sum(takes.values()) + built


def test_a_place_that_is_not_known_holds_nobody_up() -> None:
    spans = timeline({"a": [], "b": [], "gone": ["x"]}, {"a": 5, "b": 5, "gone": 0}, {}, {}, {})
    assert {step: (span.start, span.until) for step, span in spans.items()} == {
        "a": (0, 5), "b": (0, 5), "gone": (0, 0),
    }  # fmt: skip
    two = timeline({"a": [], "b": []}, {"a": 5, "b": 5}, {"a": "cpu", "b": "cpu"}, {"cpu": 0}, {})
    assert two["b"].until == 10
