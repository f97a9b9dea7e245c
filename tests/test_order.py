"""The order of the suite: nothing long begins last, and browsers come when nobody needs the thread any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from _pytest.assertion.rewrite import _read_pyc

from studio.bootstrap import ROOT
from studio.testing import rewriting
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


def test_what_is_rewritten_beforehand_is_what_pytest_takes(tmp_path: Path) -> None:
    own = Path(__file__)
    assert rewriting.is_rewritten(own) and rewriting.kept_at(own).exists(), "pytest keeps it elsewhere by now"
    file = tmp_path / "test_it.py"
    file.write_text("def test_it():\n    assert [1] == [2]\n")
    rewriting.rewrite(file)
    code = _read_pyc(file, rewriting.kept_at(file))
    assert code is not None
    names: dict[str, Any] = {}
    exec(code, names)
    with pytest.raises(AssertionError, match=r"assert \[1\] == \[2\]"):
        names["test_it"]()
