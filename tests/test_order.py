"""The order of the suite: nothing long begins last, and browsers come when nobody needs the thread any more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    before = rewriting.kept_at(file).stat().st_mtime_ns
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(file)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "At index 0 diff: 1 != 2" in done.stdout, done.stdout + done.stderr
    assert rewriting.kept_at(file).stat().st_mtime_ns == before
