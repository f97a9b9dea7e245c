"""The order of the suite: nothing long begins last, and browsers come when nobody needs the thread any more."""

from __future__ import annotations

import pytest

from studio.bootstrap import ROOT
from studio.testing.order import LONGEST, TOGETHER, needs_the_thread, ordered


def test_the_files_that_begin_first_are_there() -> None:
    assert [name for name in (*LONGEST, *TOGETHER, *TOGETHER.values()) if not (ROOT / name).is_file()] == []


def test_what_asks_the_database_comes_before_all_others_and_the_long_before_the_short(
    request: pytest.FixtureRequest,
) -> None:
    items = ordered(reversed(request.session.items))
    files = list(dict.fromkeys(item.path for item in items))
    early = [path for path in files if any(needs_the_thread(item) for item in items if item.path == path)]
    assert files[: len(early)] == early
    for group in (early, files[len(early) :]):
        ranks = [LONGEST.index(name) for path in group if (name := str(path.relative_to(ROOT))) in LONGEST]
        assert ranks == sorted(ranks)
        assert all(str(path.relative_to(ROOT)) in LONGEST for path in group[: len(ranks)])
