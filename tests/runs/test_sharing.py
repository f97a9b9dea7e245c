"""Mini-batches shared out over nodes: each is somebody's until it is done, whoever asks how often and whoever is lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from runs.sharing import Shared

NODES = ("a", "b", "c")


@given(st.integers(0, 40), st.lists(st.tuples(st.sampled_from(NODES), st.integers(0, 4)), max_size=60), st.data())
@settings(max_examples=300, deadline=None)
def test_none_is_lost_and_all_is_done_only_when_all_are(
    count: int, moves: list[tuple[str, int]], data: st.DataObject
) -> None:
    """`moves`: who does how many of what it has and asks then, or is lost (4); a is never lost."""
    shared, done = Shared(count, "x"), {name: set[int]() for name in NODES}
    asked, there = dict.fromkeys(NODES, 0), set(NODES)

    def has(name: str) -> list[int]:
        return [n for first, end in shared.given.get(name, ()) for n in range(first, end) if n not in done[name]]

    def turn(name: str, does: int) -> None:
        for number in has(name)[:does]:
            assert not any(number in each for each in done.values()), "twice"
            done[name].add(number)
        if data.draw(st.booleans()):
            asked[name] += 1  # else the same question comes again
        shared.ask(name, asked[name], 2, not has(name), len(NODES))

    for name, does in moves:
        if name not in there:
            continue
        if does == 4 and name != "a":
            there.discard(name)
            shared.lose(name, done[name])
            shared.lose(name, ())
        else:
            turn(name, does)
        shared = Shared.of_document(shared.as_document())
        if shared.is_done(sorted(there)):
            assert set().union(*done.values()) == set(range(count))
    for _ in range(100):
        for name in sorted(there):
            asked[name] += 1
            for number in has(name):
                done[name].add(number)
            shared.ask(name, asked[name], 2, not has(name), len(NODES))
        if shared.is_done(sorted(there)):
            break
    assert shared.is_done(sorted(there)) and sorted(n for each in done.values() for n in each) == list(range(count))
