"""What a run does next, as tables and as laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.models import Attempt, Run
from runs.plan import ENDED, Act, decide, outcome, to_stop

CHAIN = {"a": frozenset(), "b": frozenset({"a"}), "c": frozenset({"b"})}


def acts(needs, states, go_on=False):
    return {d.step: d.act for d in decide(needs, states, go_on=go_on)}


@pytest.mark.parametrize(
    ("states", "go_on", "expected"),
    [
        ({"a": "NotStarted", "b": "NotStarted", "c": "NotStarted"}, False, {"a": Act.START}),
        ({"a": "Running", "b": "NotStarted", "c": "NotStarted"}, False, {}),
        ({"a": "Completed", "b": "NotStarted", "c": "NotStarted"}, False, {"b": Act.START}),
        ({"a": "Failed", "b": "NotStarted", "c": "NotStarted"}, False, {"b": Act.SKIP, "c": Act.SKIP}),
        ({"a": "Failed", "b": "NotStarted", "c": "NotStarted"}, True, {"b": Act.SKIP}),
        ({"a": "Completed", "b": "Completed", "c": "Completed"}, False, {}),
    ],
)
def test_a_chain_goes_on_or_stops(states, go_on, expected):
    assert acts(CHAIN, states, go_on) == expected


def test_a_failure_leaves_independent_branches_alone_only_when_the_run_goes_on():
    needs = {"bad": frozenset(), "free": frozenset(), "after": frozenset({"free"})}
    states = {"bad": "Failed", "free": "Running", "after": "NotStarted"}
    assert acts(needs, states, go_on=True) == {}
    assert list(to_stop(states, go_on=True)) == []
    assert acts(needs, states) == {"after": Act.SKIP}
    assert list(to_stop(states, go_on=False)) == ["free"]


@pytest.mark.parametrize(
    ("states", "canceled", "end"),
    [
        (["Completed", "Running"], False, None),
        (["Completed", "Completed"], False, "Completed"),
        (["Completed", "Failed", "Skipped"], False, "Failed"),
        (["Completed", "Canceled", "Skipped"], False, "Canceled"),
        (["Completed", "Completed"], True, "Completed"),
        (["Completed", "Skipped"], True, "Canceled"),
    ],
)
def test_a_run_ends_as_its_steps_did(states, canceled, end):
    assert outcome(states, canceled=canceled) == end


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 12))
    return {
        f"s{i}": frozenset(f"s{j}" for j in draw(st.sets(st.integers(0, i - 1), max_size=3)) if j < i)
        if i
        else frozenset()
        for i in range(count)
    }


@given(graphs(), st.data(), st.booleans())
def test_every_graph_comes_to_an_end_and_no_step_starts_before_its_parents(needs, data, go_on):
    states = dict.fromkeys(needs, "NotStarted")
    for _ in range(4 * len(needs) + 4):
        for decision in list(decide(needs, states, go_on=go_on)):
            if decision.act is Act.START:
                assert all(states[p] == "Completed" for p in needs[decision.step])
                states[decision.step] = data.draw(st.sampled_from(["Completed", "Completed", "Failed", "Canceled"]))
            else:
                states[decision.step] = "Skipped"
        if outcome(states.values()):
            break
    assert outcome(states.values()) is not None


@pytest.mark.parametrize("model", [Run, Attempt])
def test_the_table_of_moves_names_every_state_and_ends_absorb(model):
    assert set(model.MOVES) == set(model.Status.values)
    for end in model.ENDS:
        assert model.MOVES[end] == frozenset()
    assert {to for moves in model.MOVES.values() for to in moves} <= set(model.Status.values)


def test_the_ends_of_the_plan_are_those_of_the_table():
    assert {str(end) for end in Run.ENDS} == ENDED
