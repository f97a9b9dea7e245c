"""Which chain of steps decided how long a run took: a table over a pure function."""

from __future__ import annotations

import pytest

from runs.critical_path import Span, critical_path

DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


@pytest.mark.parametrize(
    ("needs", "spans", "path"),
    [
        ({}, {}, []),
        (DIAMOND, {}, []),
        ({"a": []}, {"a": (0, 1)}, ["a"]),
        (DIAMOND, {"a": (0, 1), "b": (1, 5), "c": (1, 9), "d": (9, 10)}, ["a", "c", "d"]),
        (DIAMOND, {"a": (0, 1), "b": (1, 5), "c": (1, 2), "d": (5, 6)}, ["a", "b", "d"]),
        # What runs has not ended yet: it is what everybody waits for.
        (DIAMOND, {"a": (0, 1), "b": (1, None), "c": (1, 9)}, ["a", "b"]),
        # Of two that ended together the one that began first was the longer wait.
        (DIAMOND, {"a": (0, 1), "b": (1, 5), "c": (2, 5), "d": (5, 6)}, ["a", "b", "d"]),
        # A step that never began is on no path.
        (DIAMOND, {"a": (0, 1), "b": (1, 2)}, ["a", "b"]),
        ({"x": [], "y": []}, {"x": (0, 3), "y": (0, 9)}, ["y"]),
        ({"x": ["gone"]}, {"x": (0, 1)}, ["x"]),
    ],
)
def test_the_critical_path_is_walked_back_from_what_ended_last(needs, spans, path):
    assert critical_path(needs, {step: Span(*span) for step, span in spans.items()}) == path


def test_a_long_chain_is_walked_without_recursion():
    needs = {str(place): [str(place - 1)] if place else [] for place in range(5000)}
    spans = {str(place): Span(place, place + 1) for place in range(5000)}
    assert len(critical_path(needs, spans)) == 5000
