"""Names of any bytes as text and back, and trees of any depth."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duto.client import local_files
from duto.exceptions import UserErrorException
from duto.spec import trees
from duto.spec.filenames import is_elsewhere, leads_out, spelled, too_long, unescaped_path
from duto.spec.snapshot import take

ODD = [
    b"bad\xff.txt", b"bad%FF.txt", b"bad%25FF.txt", b"%ff", b"a%20b", b"100%", b"back\\slash", b"line\nbreak", b"-dash",
    b".dot", b"blank ", b"dot.", b"Twin", b"twin", "e\u0301".encode(), "\u00e9".encode(), b"n" * 240, b"\xfe" * 240, b"%2F%FF",
]  # fmt: skip


def test_no_two_names_share_a_text_and_each_comes_back() -> None:
    signs = ["%", "F", "2", "5", "\udcff", "a", "é"]
    names = ["".join(each) for length in range(1, 6) for each in itertools.product(signs, repeat=length)]
    texts = [spelled(name) for name in names]
    assert len(set(texts)) == len(names)
    assert [unescaped_path(text) for text in texts] == names
    "".join(texts).encode()


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_any_bytes_travel(path: bytes) -> None:
    text = spelled(os.fsdecode(path))
    text.encode("utf-8")
    assert os.fsencode(unescaped_path(text)) == path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("plain/é%20.txt", "plain/é%20.txt"),
        ("a/bad\udcff.txt", "a/bad%FF.txt"),
        ("bad%FF.txt", "bad%25FF.txt"),
        ("50%\udcfe", "50%25%FE"),
    ],
)
def test_only_what_is_no_text_or_looks_like_it_is_spelled(path: str, text: str) -> None:
    assert spelled(path) == text


def test_what_leads_out_and_what_is_a_name() -> None:
    assert all(map(leads_out, ("/a", "..", "a/../b", "a\\..\\b", "a\0")))
    assert not any(map(leads_out, ("a", "a..b", "back\\slash", "...", "a/.hidden")))
    assert all(map(is_elsewhere, ("C:/x", "c:\\x", "http://x", "\\\\host\\x")))
    assert not any(map(is_elsewhere, ("12:30.txt", "\\part.csv", "a:b")))


def test_what_is_too_long_is_measured_in_names_letters_and_bytes() -> None:
    assert too_long("d/" * 500) == "" and "characters" in too_long("d/" * 600)
    assert "255 bytes" in too_long("é" * 128) and too_long("é" * 127) == ""
    assert "bytes" in too_long("/".join(["猫" * 80] * 12 + ["𝄞" * 50] * 1))
    assert "characters" in too_long("/".join(["\udcff" * 200] * 2))


def odd_folder(root: Path) -> Path:
    root.mkdir()
    for name in ODD:
        (root / os.fsdecode(name)).write_bytes(name)
    return root


def test_a_snapshot_holds_files_of_all_names(tmp_path: Path) -> None:
    root = odd_folder(tmp_path / "code")
    paths = [each.path for each in take(root).files]
    assert sorted(os.fsencode(unescaped_path(path)) for path in paths) == sorted(ODD)
    assert paths == sorted(paths)


def test_files_go_back_to_their_names(tmp_path: Path) -> None:
    root = odd_folder(tmp_path / "here")
    found = local_files.files_below(root)
    for text, place in found:
        target = local_files.place_of(tmp_path / "there", text)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(place.read_bytes())
    assert sorted(os.fsencode(each.name) for each in (tmp_path / "there").iterdir()) == sorted(ODD)
    for text in ("../x", "/etc/passwd", "a\\..\\b", ""):
        with pytest.raises(UserErrorException):
            local_files.place_of(tmp_path, text)


def test_a_file_that_fails_costs_no_other() -> None:
    done = []

    def copy(name: str) -> None:
        if name == "b":
            raise OSError(5, "no")
        done.append(name)

    with pytest.raises(UserErrorException, match="1 file could not be copied:\n  'b'"):
        local_files.each_of("abc", copy)
    assert done == ["a", "c"]


def deep(root: Path, count: int, name: str = "d") -> None:
    """Folders in one another, beyond what a path can say."""
    root.mkdir(parents=True, exist_ok=True)
    number = os.open(root, os.O_RDONLY)
    for _ in range(count):
        os.mkdir(name, dir_fd=number)
        inner = os.open(name, os.O_RDONLY, dir_fd=number)
        os.close(number)
        number = inner
    os.close(os.open("end", os.O_CREAT | os.O_WRONLY, dir_fd=number))
    os.close(number)


def test_a_tree_goes_however_deep_it_is(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    deep(root, 1500, "long name")
    outside = tmp_path / "outside"
    outside.write_text("stays")
    (root / "link").symlink_to(outside)
    (root / "folder link").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    (root / "locked" / "in").mkdir(parents=True)
    (root / "locked" / "in" / "file").touch()
    (root / "locked" / "in").chmod(0)
    (root / "locked").chmod(0o500)
    trees.remove(root)
    assert not root.exists() and outside.read_text() == "stays"
    trees.remove(root)  # nothing to remove is fine
    trees.remove(outside)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_tree_of_locked_folders_goes_for_its_owner_too(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    deep(root / "locked", 20)
    for path in sorted(root.rglob("*")):
        os.chown(path, 65534, 65534)
    os.chown(root, 65534, 65534)
    for path in sorted((each for each in root.rglob("*") if each.is_dir()), reverse=True):
        path.chmod(0)
    for path in (tmp_path, *tmp_path.parents):
        path.chmod(path.stat().st_mode | 0o055)
    tmp_path.chmod(0o777)
    if (child := os.fork()) == 0:
        try:
            os.setuid(65534)
            trees.remove(root)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert not root.exists()


def test_what_cannot_go_is_told_after_all_else_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "kept", "z"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / "file").touch()
    rmdir = os.rmdir

    def refusing(name: str, **options: int) -> None:
        if name == "kept":
            raise PermissionError(1, "no", name)
        rmdir(name, **options)

    monkeypatch.setattr(os, "rmdir", refusing)
    with pytest.raises(PermissionError):
        trees.remove(tmp_path / "tree")
    assert [each.name for each in (tmp_path / "tree").iterdir()] == ["kept"]


def test_a_walk_is_sorted_and_enters_no_link(tmp_path: Path) -> None:
    for path in ("b/2", "b/1", "a/x", "c"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert [path for path, _ in trees.files(tmp_path)] == ["c", "a/x", "b/1", "b/2"]
    deep(tmp_path / "deep", 1500)
    assert sum(1 for _ in trees.walk(tmp_path / "deep")) == 1501
    trees.remove(tmp_path / "deep")  # the test's own clean-up would not get there
