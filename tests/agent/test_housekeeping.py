"""What an agent removes from its disk, and what it never touches."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from duto_agent.environments.builder import key_of
from duto_agent.host.housekeeping import DAY_S, Housekeeper, storage_report
from duto_agent.launchers.base import AttemptKey
from duto_protocol.messages import Keep, Stored

NOW = 1_800_000_000.0


def made(path: Path, days: float, text: str = "x" * 5000) -> Path:
    """A folder with a file, last used so many days ago."""
    path.mkdir(parents=True)
    (path / "file").write_text(text)
    moment = NOW - days * DAY_S
    if path.parent.name == "envs":
        (path / "duto-environment.json").write_text(json.dumps({"built_at": "2020-01-01T00:00:00Z"}))
        stamp = path.with_name(path.name + ".used")
        stamp.touch()
        os.utime(stamp, (moment, moment))
    os.utime(path, (moment, moment))
    return path


@pytest.fixture
def keeper(tmp_path: Path) -> Housekeeper:
    return Housekeeper(tmp_path, lambda: {AttemptKey("held", 1)})


def names(tmp_path: Path, folder: str) -> set[str]:
    return {path.name for path in (tmp_path / folder).iterdir() if path.is_dir()}


def test_without_a_policy_everything_stays_and_is_told(tmp_path: Path, keeper: Housekeeper) -> None:
    made(tmp_path / "envs" / "a-3.11", 900)
    made(tmp_path / "attempts" / "left-1", 900)
    keeper.scan(NOW)
    (environment,), (attempt,) = keeper.storage["environments"], storage_report(keeper.storage).attempts or []
    assert environment["bytes"] >= 5000 and not environment["in_use"]
    assert attempt == Stored(key="left-1", bytes=attempt.bytes, used_at=attempt.used_at, in_use=False)


def test_what_nobody_used_for_long_enough_goes_and_the_rest_stays(tmp_path: Path, keeper: Housekeeper) -> None:
    made(tmp_path / "envs" / "old-3.11", 31)
    made(tmp_path / "envs" / "young-3.11", 29)
    bare = made(tmp_path / "envs" / f"{key_of('')}-3.11", 400)
    needed = made(tmp_path / "envs" / f"{key_of('six==1')}-3.11", 400)
    held = made(tmp_path / "attempts" / "held-1", 400)
    (held / "spec.json").write_text(json.dumps({"environment": {"key": "another", "lock": "six==1"}}))
    made(tmp_path / "attempts" / "left-1", 8)
    made(tmp_path / "attempts" / "late-1", 6)
    keeper.policy = Keep(attempts=7, environments=30)
    keeper.scan(NOW)
    assert names(tmp_path, "envs") == {"young-3.11", bare.name, needed.name}
    assert names(tmp_path, "attempts") == {"held-1", "late-1"}
    assert not (tmp_path / "envs" / "old-3.11.used").exists()


def test_an_environment_that_is_used_in_that_very_moment_is_given_back(
    tmp_path: Path, keeper: Housekeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "envs" / "old-3.11", 31)
    rename = Path.rename

    def used_meanwhile(source: Path, target: Path) -> Path:
        if source == path:
            os.utime(tmp_path / "envs" / "old-3.11.used", (NOW, NOW))
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", used_meanwhile)
    keeper.policy = Keep(environments=30)
    keeper.scan(NOW)
    assert (path / "file").exists()


def test_a_removal_that_was_cut_off_is_finished_and_cached_files_go_by_their_last_use(
    tmp_path: Path, keeper: Housekeeper
) -> None:
    made(tmp_path / "attempts" / "left-1.tmp.gone", 0)
    for name, days in (("aa", 40), ("ab", 1)):
        (made(tmp_path / "cache" / "blobs" / name, days) / "blob").write_text("x")
        os.utime(tmp_path / "cache" / "blobs" / name / "blob", (NOW - days * DAY_S,) * 2)
    keeper.policy = Keep(environments=30)
    keeper.scan(NOW)
    assert names(tmp_path, "attempts") == set()
    assert [path.parent.name for path in (tmp_path / "cache").rglob("blob")] == ["ab"]
