"""Cases in one test: all are tried, and those that fail are named with what is wrong."""

from __future__ import annotations

import pytest

from studio.testing.cases import in_one


def test_every_case_is_tried_and_those_that_fail_are_named() -> None:
    tried: list[tuple[int, str]] = []

    @in_one("number,word", [(1, "a"), pytest.param(2, "b", id="the second"), (3, "c")])
    def whole(number: int, word: str) -> None:
        """What it is about."""
        tried.append((number, word))
        with pytest.raises(ValueError, match="invalid"):
            int("x" if number == 1 else "7")

    with pytest.raises(pytest.fail.Exception) as said:
        whole()
    assert tried == [(1, "a"), (2, "b"), (3, "c")]
    lines = str(said.value).splitlines()
    assert lines[0] == "2 of 3 cases:"
    assert [line.split(":")[0] for line in lines[1:]] == ["the second", "3-c"] and "DID NOT RAISE" in lines[1]
    assert (whole.__name__, whole.__doc__) == ("whole", "What it is about.")


def test_cases_that_hold_say_nothing_and_one_argument_may_be_a_tuple() -> None:
    tried: list[tuple[int, ...]] = []

    @in_one("pair", [(1, 2), (3, 4)], ids=lambda pair: f"of {pair[0]}")
    def held(pair: tuple[int, ...]) -> None:
        tried.append(pair)

    held()
    assert tried == [(1, 2), (3, 4)]
