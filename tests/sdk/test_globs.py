"""Patterns of paths: Python's own matcher as the judge of one name, and one pass over the path whatever the pattern."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duto.spec import globs
from duto.spec.ignore import Ignore

NAMES = st.text(st.sampled_from("ab-]![^z.é"), max_size=8)
PATTERNS = st.lists(
    st.sampled_from(["*", "?", "a", "b", "-", ".", "é", "[", "]", "[ab]", "[!a]", "[a-z]", "[z-a]", "[!]", "[]]", "[a--b]", "[!]-a]", "[a-]"]),
    max_size=5,
).map("".join)  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(PATTERNS, NAMES)
def test_one_name_matches_as_in_python(pattern: str, name: str) -> None:
    assert globs.crossing(pattern).fullmatch(name) is fnmatch.fnmatchcase(name, pattern)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a/*.csv", ["a/b.csv", "a/.csv"], ["a/b/c.csv", "a/b.csvx", "b.csv"]),
        ("a/**/*.csv", ["a/b.csv", "a/b/c/d.csv"], ["a.csv", "ba/b.csv", "a/b"]),
        ("**/b", ["b", "a/b", "a/a/b"], ["ab", "b/a"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a"]),
        ("**", ["a", "a/b"], [""]),
        ("a/**/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "axb"]),
        ("**a/b", ["a/b", "xa/b"], ["x/a/b"]),
        ("a?c", ["abc", "a?c"], ["a/c", "ac"]),
        ("a[!b]c", ["axc"], ["abc", "a/c"]),
        ("a[^b]c", ["axc"], ["abc", "a^"]),
        ("[a-c]x", ["ax", "cx"], ["dx"]),
        ("[z-a]", [], ["a", "z", "m", "[z-a]"]),
        ("[!z-a]", ["a", "z"], ["/"]),
        ("[a--b]", ["b"], ["a", "-", "."]),
        ("[!]", ["[!]"], ["!", "a"]),
        ("[^]", ["[^]"], ["^"]),
        ("[]", ["[]"], ["]"]),
        ("[", ["["], [""]),
        ("[]a]", ["]", "a"], ["[]a]"]),
        ("a\\*", ["a\\", "a\\b"], ["a*"]),
        ("(a+)+$", ["(a+)+$"], ["aa"]),
        ("😀[à-ü]?", ["😀éx"], ["😀a"]),
    ],
)
def test_what_a_pattern_finds(pattern: str, yes: list[str], no: list[str]) -> None:
    found = globs.compiled(pattern)
    assert [each for each in yes if not found.fullmatch(each)] == []
    assert [each for each in no if found.fullmatch(each)] == []


def lines_of(action: Callable[[], Any]) -> int:
    """How many lines of the matcher run."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename != globs.__file__:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


HARD = [
    "a*" * 100 + "b",
    "**/" * 100 + "b",
    "*" * 500 + "b",
    "[!b]*" * 100 + "b",
    "?*" * 200 + "b",
    "a**" * 50 + "/**/" * 50 + "b",
]


@pytest.mark.parametrize("pattern", HARD)
@pytest.mark.parametrize("path", ["a" * 1000, "a/" * 500, "a" * 255 + "/" + "a" * 255])
def test_a_match_is_one_pass_over_the_path(pattern: str, path: str) -> None:
    for matching in (globs.compiled(pattern).fullmatch, globs.crossing(pattern).fullmatch, Ignore([pattern])):
        matching(path)  # what each character can be is worked out once
        assert lines_of(lambda matching=matching: matching(path)) < 20 * len(path)  # type: ignore[misc]


def test_many_letters_do_not_fill_memory() -> None:
    found = globs.compiled("*x*")
    for code in range(0x4E00, 0x4E00 + 3000):
        assert found.fullmatch(chr(code) + "x")
    assert len(found._masks) <= 1024
