"""What travels: ignore rules against pathspec as the judge, limits, digests, caches."""

from __future__ import annotations

from pathlib import Path

import pathspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duto.spec.errors import SpecError
from duto.spec.ignore import Ignore
from duto.spec.snapshot import Limits, Manifest, is_safe, take

NAMES = st.sampled_from(["a", "b", "ab", "a.py", "b.txt", "logs", "x-1", "c d"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PIECES = st.sampled_from(["a", "b", "*", "**", "*.py", "a*", "?", "[ab]", "[!a]", "logs", "x-?", "c d", "ab"])
PATTERNS = st.builds(
    lambda negated, rooted, pieces, folder: f"{negated}{rooted}{'/'.join(pieces)}{folder}",
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(PIECES, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
).filter(lambda pattern: not pattern.endswith("**/"))  # there the judge takes files for folders, unlike git


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern")
@settings(max_examples=600, deadline=None)
@given(st.lists(PATTERNS, max_size=4), st.lists(PATHS, min_size=1, max_size=6))
def test_ignore_agrees_with_pathspec(patterns: list[str], paths: list[str]) -> None:
    judge = pathspec.PathSpec.from_lines("gitwildmatch", patterns)
    mine = Ignore(patterns)
    for path in paths:
        assert mine(path) == judge.match_file(path), (patterns, path)


@pytest.mark.parametrize(
    "line,path,ignored",
    [
        ("# a", "# a", False),
        ("\\#a", "#a", True),
        ("\\!a", "!a", True),
        ("a ", "a", True),
        ("", "a", False),
        ("a\\ ", "a ", True),
        ("[", "[", True),
        ("*.py[co]", "x/y.pyc", True),
        ("/", "a", False),
        ("a/**/", "a/b", False),
        ("a/**/", "a/b/c", True),
    ],
)
def test_odd_lines(line: str, path: str, ignored: bool) -> None:
    assert Ignore([line])(path) is ignored


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_amlignore_wins_completely_and_only_at_the_root(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "b.py", "sub/c.py", "sub/.gitignore", "__pycache__/a.pyc", ".git/HEAD")
    (tmp_path / ".gitignore").write_text("a.py\n")
    (tmp_path / "sub/.amlignore").write_text("c.py\n")
    assert "a.py" not in take(tmp_path).paths
    (tmp_path / ".amlignore").write_text("b.py\n")
    assert set(take(tmp_path).paths) == {
        ".amlignore",
        ".gitignore",
        "a.py",
        "sub/.amlignore",
        "sub/.gitignore",
        "sub/c.py",
    }


def test_over_the_limit_the_biggest_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "b.py")
    (tmp_path / "big.bin").write_bytes(b"x" * 5000)
    with pytest.raises(SpecError, match=r"big\.bin \(4\.9 KiB\)"):
        take(tmp_path, Limits(size=1000))
    with pytest.raises(SpecError, match="3 files"):
        take(tmp_path, Limits(files=2))


def test_the_digest_follows_content_and_the_cache_does_not_change_it(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "sub/b.py")
    cache: dict[str, list[object]] = {}
    first = take(tmp_path, cache=cache)
    assert take(tmp_path, cache=cache).digest == first.digest
    assert Manifest.from_document(first.to_document()) == first
    (tmp_path / "a.py").write_text("other")
    assert take(tmp_path, cache=cache).digest != first.digest


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    write(tmp_path, "sub/a.py")
    (tmp_path / "sub/up").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert set(take(tmp_path).paths) == {"sub/a.py"}


@pytest.mark.parametrize(
    "path", ["../a", "/a", "a/../b", "a\\..\\b", "c:/a", "c:\\a", "\\\\host\\a", "", "a//b", "./a"]
)
def test_paths_that_leave_the_folder(path: str) -> None:
    assert not is_safe(path)
    with pytest.raises(SpecError):
        Manifest.from_document({"files": [{"path": path, "digest": "0" * 64, "size": 1}]})
