"""What lies where before a script starts, and that nothing gets out of its folder."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from duto_agent.attempt.bindings import variables
from duto_agent.attempt.collect import collect
from duto_agent.attempt.staging import SHELL, launch_of, stage
from duto_agent.launchers.base import AttemptKey
from duto_agent.launchers.ownership import hand_over, hand_over_work, prepare
from duto_agent.paths import BadPath, inside
from duto_agent.studio.transfers import DataMissing, Store, Transfers
from tests.agent.specs import step_of
from tests.agent.studio import digest


class ImageStore:
    """Gives bytes by URL, and counts."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def announce(self, urls: Iterable[str]) -> None:
        """It is asked for each by itself."""

    @contextlib.contextmanager
    def download(self, url: str, start: int = 0, tag: str | None = None) -> Iterator[Iterator[bytes]]:
        self.asked.append(url)
        yield iter([self.files[url][start:]])


class Room:
    """A data directory, an attempt's directory, and transfers between them."""

    def __init__(self, root: Path, shared: bool) -> None:
        self.data, self.directory, self.image_store = root / "data", root / "attempt", ImageStore()
        self.data.mkdir()
        (self.data / "store-marker").write_text("m\n")
        store = Store(str(self.data), "m" if shared else "another")
        self.transfers = Transfers(store, root / "cache", self.image_store)

    def keep(self, path: str, text: str) -> None:
        (self.data / path).parent.mkdir(parents=True, exist_ok=True)
        (self.data / path).write_text(text)

    def stage(self, **spec: Any) -> Any:
        self.directory.mkdir(exist_ok=True)
        return stage(self.directory, step_of(spec), self.transfers)


@pytest.fixture
def shared(tmp_path: Path) -> Room:
    return Room(tmp_path, shared=True)


@pytest.fixture
def remote(tmp_path: Path) -> Room:
    return Room(tmp_path, shared=False)


def file(path: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"path": path, "size": len(data), "digest": digest(data), **more}


@pytest.mark.parametrize("bad", ["../x", "a/../../x", "/etc/passwd", "", ".", "a\0b", "..", "a\\..\\b"])
def test_a_path_that_leaves_its_folder_is_refused(bad: str, remote: Room) -> None:
    with pytest.raises(BadPath):
        remote.stage(snapshot={"files": [file(bad, b"x", get="/x")]})


def test_a_link_on_the_way_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    with pytest.raises(BadPath):
        inside(tmp_path / "in", "out/x")


def test_a_direct_path_stays_in_the_data_directory(shared: Room) -> None:
    with pytest.raises(BadPath):
        shared.stage(snapshot={"files": [{"path": "a.py", "direct": "../secret"}]})


@pytest.mark.parametrize("name", ["../x", "..", "a/b", ""])
def test_names_of_inputs_and_outputs_are_names(name: str, remote: Room) -> None:
    with pytest.raises(BadPath):
        remote.stage(outputs=[{"name": name, "kind": "file_dataset"}])


def test_a_snapshot_is_a_copy_that_may_be_written(shared: Room) -> None:
    shared.keep("store/b", "print()")
    shared.stage(snapshot={"files": [{"path": "pkg/a.py", "direct": "store/b", "executable": True}]})
    copy = shared.directory / "work/pkg/a.py"
    copy.write_text("changed")
    assert (shared.data / "store/b").read_text() == "print()" and os.access(copy, os.X_OK)


def test_without_the_marker_bytes_come_over_http_once_per_digest(remote: Room) -> None:
    remote.keep("store/b", "not this one")
    remote.image_store.files["/b"] = b"print()"
    listed = [file(name, b"print()", get="/b", direct="store/b") for name in ("a.py", "b.py")]
    remote.stage(snapshot={"files": listed})
    assert (remote.directory / "work/b.py").read_text() == "print()" and remote.image_store.asked == ["/b"]


def test_bytes_that_are_not_what_they_should_be_are_refused(remote: Room) -> None:
    remote.image_store.files["/b"] = b"evil()!"
    with pytest.raises(DataMissing):
        remote.stage(snapshot={"files": [file("a.py", b"print()", get="/b")]})
    assert not list((remote.directory.parent / "cache").rglob("*" + digest(b"print()") + "*"))


def test_a_mount_copies_nothing_and_keeps_new_files_out_of_the_store(shared: Room) -> None:
    shared.keep("ds/raw/deep/a.csv", "1")
    shared.keep("ds/raw/b.csv", "2")
    listed = [{"path": "deep/a.csv", "size": 1}]
    bound = shared.stage(inputs=[{"name": "raw", "mode": "mount", "direct": "ds/raw", "files": listed}])
    place = Path(bound.inputs["raw"])
    assert (place / "deep/a.csv").read_text() == "1" and (place / "deep/a.csv").is_symlink()
    assert not (place / "b.csv").exists(), "only what was listed belongs to the input"
    assert not place.stat().st_mode & 0o222


def test_a_mount_of_single_files_that_lie_apart(shared: Room) -> None:
    shared.keep("ds/x/1.csv", "1")
    shared.keep("ds/y/2.csv", "2")
    listed = [{"path": "1.csv", "direct": "ds/x/1.csv"}, {"path": "2.csv", "direct": "ds/y/2.csv"}]
    for mode in ("mount", "download"):
        (shared.directory / "staged.json").unlink(missing_ok=True)
        bound = shared.stage(inputs=[{"name": "raw", "mode": mode, "direct": None, "files": listed}])
        assert sorted(path.name for path in Path(bound.inputs["raw"]).iterdir()) == ["1.csv", "2.csv"]


def test_an_input_that_is_a_file_is_a_file(shared: Room) -> None:
    shared.keep("ds/m.pkl", "model")
    for mode in ("mount", "download"):
        (shared.directory / "staged.json").unlink(missing_ok=True)
        given = {"name": "m", "mode": mode, "is_file": True, "direct": "ds/m.pkl", "files": [{"path": "m", "size": 5}]}
        bound = shared.stage(inputs=[given])
        assert Path(bound.inputs["m"]).read_text() == "model"


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_file_that_has_a_name_keeps_it(tmp_path: Path, is_shared: bool) -> None:
    room = Room(tmp_path, is_shared)
    room.keep("ds/one.csv", "a")
    room.image_store.files["/one"] = b"a"
    listed = [{"path": "one.csv", "size": 1, "get": "/one", "direct": "ds/one.csv"}]
    for mode in ("mount", "download"):
        for wanted in (None, "mine"):
            (room.directory / "staged.json").unlink(missing_ok=True)
            given = {"name": "m", "mode": mode, "is_file": True, "file_name": "one.csv", "direct": "ds/one.csv"}
            bound = room.stage(inputs=[{**given, "files": listed, "path_on_compute": wanted}])
            usual = "inputs/m" if is_shared or mode == "download" else "held/m"
            place = room.directory / ("work/mine" if wanted else usual) / "one.csv"
            assert bound.inputs["m"] == variables({}, bound)["m"] == str(place) and place.read_text() == "a"


def test_a_download_may_be_written(shared: Room) -> None:
    shared.keep("ds/raw/a.csv", "1")
    listed = [{"path": "a.csv", "size": 1}]
    bound = shared.stage(inputs=[{"name": "raw", "mode": "download", "direct": "ds/raw", "files": listed}])
    Path(bound.inputs["raw"], "a.csv").write_text("changed")
    assert (shared.data / "ds/raw/a.csv").read_text() == "1"


def test_direct_mode_is_the_id(remote: Room) -> None:
    bound = remote.stage(inputs=[{"name": "d", "mode": "direct", "kind": "dataset", "dataset": "0190"}])
    assert bound.inputs == {"d": "0190"} and bound.modes == {"d": "direct"}


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_path_with_nothing_at_it_is_an_empty_folder(tmp_path: Path, is_shared: bool) -> None:
    inputs = [{"name": "raw", "mode": "mount", "kind": "path", "is_file": False, "direct": None, "files": []}]
    bound = Room(tmp_path, is_shared).stage(inputs=inputs)
    place = Path(bound.inputs["raw"])
    assert place.is_dir() and not any(place.iterdir()) and not place.stat().st_mode & 0o222
    assert bound.warnings == ["There was nothing at the path that the input 'raw' mounts. Its folder is empty."]


def test_data_that_is_gone_is_said(shared: Room) -> None:
    with pytest.raises(DataMissing, match="'raw'"):
        shared.stage(inputs=[{"name": "raw", "mode": "mount", "direct": "ds/gone", "files": []}])


@pytest.mark.parametrize(
    ("kind", "is_directory", "exists"),
    [("pipeline_data", None, False), ("pipeline_data", False, False), ("pipeline_data", True, True), ("file_dataset", None, True)],
)  # fmt: skip
def test_which_outputs_exist_before_the_script(
    kind: str, is_directory: bool | None, exists: bool, remote: Room
) -> None:
    bound = remote.stage(outputs=[{"name": "o", "kind": kind, "is_directory": is_directory}])
    place = Path(bound.outputs["o"])
    assert place.exists() is exists and place.parent.is_dir()


def test_a_path_on_compute_stays_below_the_working_directory(remote: Room) -> None:
    outputs = [
        {"name": "a", "kind": "file_dataset", "path_on_compute": "deep/a"},
        {"name": "b", "kind": "file_dataset", "path_on_compute": "/mnt/b"},
    ]
    bound = remote.stage(outputs=outputs)
    assert bound.outputs["a"] == str(remote.directory / "work/deep/a")
    assert bound.outputs["b"] == str(remote.directory / "outputs/b") and "/mnt/b" in bound.warnings[0]
    Path(bound.outputs["a"], "x").write_text("1")
    found = collect(remote.directory, step_of({"outputs": outputs}), bound, ended_well=True)
    assert found.outputs[0].files[0].path == "x" and (remote.directory / "outputs/a/x").exists()


def test_the_environment_is_clean(remote: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_SECRET", "x")
    remote.image_store.files["/b"] = b""
    spec: dict[str, Any] = {
        "script": "a.py", "snapshot": {"files": [file("a.py", b"", get="/b")]}, "token": "t",
        "environment": {"variables": {"MINE": 1, "PYTHONPATH": "src"}}, "variables": {"AZUREML_RUN_ID": "r"}, "limits": {"cores": 2}, "masks": ["hunter2"],
    }  # fmt: skip
    bound = remote.stage(**spec)
    launch = launch_of(
        AttemptKey("a", 1), remote.directory, step_of(spec), bound, sys.executable, Path("/sdk"), "http://studio"
    )
    assert launch.masks == ("hunter2",)
    assert "AGENT_SECRET" not in launch.env and launch.env["MINE"] == "1" and launch.env["AZUREML_RUN_TOKEN"] == "t"
    assert launch.env["PYTHONPATH"] == f"/sdk:{launch.cwd}:src" and launch.env["OMP_NUM_THREADS"] == "2"
    assert launch.env["HOME"].startswith(str(remote.directory)) and "PYTHONDONTWRITEBYTECODE" not in launch.env
    with pytest.raises(BadPath):
        launch_of(
            AttemptKey("a", 1), remote.directory, step_of({**spec, "script": "no.py"}), bound, "p", Path("/sdk"), ""
        )


def test_a_command_needs_no_script_and_keeps_its_environment_in_sight(remote: Room) -> None:
    spec: dict[str, Any] = {
        "kind": "command",
        "arguments": ["ls", {"output": "o"}],
        "outputs": [{"name": "o", "kind": "file_dataset"}],
    }
    bound = remote.stage(**spec)
    launch = launch_of(
        AttemptKey("a", 1), remote.directory, step_of(spec), bound, "/envs/e/bin/python", Path("/sdk"), ""
    )
    assert launch.argv == (*SHELL, f"ls {bound.outputs['o']}") and launch.python == "/envs/e/bin/python"
    assert launch.env["PATH"].startswith("/envs/e/bin:")


def test_links_do_not_smuggle_files_out(remote: Room) -> None:
    secret = remote.directory.parent / "secret"
    secret.write_text("s")
    outputs = [{"name": "o", "kind": "file_dataset"}, {"name": "p", "kind": "pipeline_data", "is_directory": None}]
    bound = remote.stage(outputs=outputs)
    place = Path(bound.outputs["o"])
    (place / "good").write_text("1")
    (place / "inner").symlink_to(place / "good")
    (place / "outer").symlink_to(secret)
    (place / "folder").symlink_to("/etc")
    os.mkfifo(place / "pipe")
    Path(bound.outputs["p"]).symlink_to(secret)
    found = collect(remote.directory, step_of({"outputs": outputs}), bound, ended_well=True)
    assert [each.path for each in found.outputs[0].files] == ["good", "inner"]
    assert found.outputs[1].missing and not (place / "inner").is_symlink()
    assert sorted(path.name for path in place.iterdir()) == ["good", "inner"]
    assert len(found.warnings) == 5 and "without writing its output 'p'" in found.warnings[-1]


def test_a_mount_that_is_a_copy_is_as_read_only_as_one_of_links(shared: Room) -> None:
    shared.keep("ds/raw/a.csv", "a")
    listed = [{"path": "deep/a.csv", "size": 1, "direct": "ds/raw/a.csv"}]
    for mode, modes in (("download", (0o755, 0o755, 0o644)), ("mount", (0o555, 0o555, 0o444))):
        (shared.directory / "staged.json").unlink(missing_ok=True)
        bound = shared.stage(inputs=[{"name": "raw", "mode": mode, "direct": None, "files": listed}])
        place = Path(bound.inputs["raw"])
        made = (place, place / "deep", place / "deep" / "a.csv")
        assert tuple(path.stat().st_mode & 0o777 for path in made) == modes


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands files over")
def test_what_is_mounted_stays_the_agents_and_can_be_copied_and_written(shared: Room) -> None:
    shared.keep("ds/raw/a.csv", "a")
    listed = [{"path": "deep/a.csv", "size": 1, "direct": "ds/raw/a.csv"}]
    given = [{"name": name, "mode": name, "direct": None, "files": listed} for name in ("mount", "download")]
    bound = shared.stage(inputs=given)
    hand_over_work(shared.directory, 12_345, 12_345)
    for name, owner in (("mount", 0), ("download", 12_345)):
        for path in (
            Path(bound.inputs[name]),
            Path(bound.inputs[name], "deep"),
            Path(bound.inputs[name], "deep/a.csv"),
        ):
            assert (path.stat().st_uid, path.stat().st_mode & 0o200) == (owner, 0o200)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands files over")
def test_a_copy_in_the_place_of_a_mount_is_the_hosts_for_every_step(remote: Room) -> None:
    remote.image_store.files["/a"] = b"1"
    listed = [{"path": "deep/a.csv", "size": 1, "get": "/a", "tag": "t", "cache_key": "c" * 64}]
    for give in (partial(hand_over_work, group=12_345), hand_over):
        (remote.directory / "staged.json").unlink(missing_ok=True)
        bound = remote.stage(inputs=[{"name": "raw", "mode": "mount", "direct": None, "files": listed}])
        prepare(remote.directory)
        give(remote.directory, user=12_345)
        (kept,) = (
            path
            for path in (remote.directory.parent / "cache").rglob("*")
            if path.is_file() and path.parent.name == "cc"
        )
        place = Path(bound.inputs["raw"])
        assert (place / "deep/a.csv").samefile(kept)
        assert [(each.stat().st_uid, each.stat().st_mode & 0o777) for each in (place, place / "deep", kept)] == [
            (0, 0o755), (0, 0o755), (0, 0o444)
        ]  # fmt: skip
    assert remote.image_store.asked == ["/a"]


def test_code_is_compared_with_its_digest_and_fetched_anew_where_it_differs(remote: Room) -> None:
    remote.image_store.files["/b"] = b"print()"
    listed = [file("a.py", b"print()", get="/b")]
    remote.stage(snapshot={"files": listed})
    (cached,) = (path for path in (remote.directory.parent / "cache").rglob("*") if path.is_file())
    cached.write_bytes(b"plant()")
    (remote.directory / "staged.json").unlink()
    remote.stage(snapshot={"files": listed})
    assert (remote.directory / "work/a.py").read_bytes() == b"print()" and remote.image_store.asked == ["/b", "/b"]


def test_code_that_was_changed_in_the_store_is_not_run(shared: Room) -> None:
    shared.keep("store/b", "plant()")
    with pytest.raises(DataMissing, match="other bytes"):
        shared.stage(snapshot={"files": [file("a.py", b"print()", direct="store/b")]})
