"""A disk without room, wherever that is noticed: the step says so, with what did not fit, and its host goes on."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from duto.spec.sentences import said
from duto_agent.attempt.bindings import Bound
from duto_agent.attempt.collect import collect
from duto_agent.attempt.staging import stage
from duto_agent.disk_space import DiskFull, is_full, require_space, words
from duto_agent.engine.client import Engine
from duto_agent.environments.builder import BuildFailed, Environments, failure_of
from duto_agent.environments.pythons import Pythons
from duto_agent.studio.transfers import Store, Transfers
from studio.testing.engine import IMAGE
from tests.agent.specs import step_of
from tests.agent.steps import until
from tests.agent.studio import Studio, digest
from tests.agent.test_agent import Host

MIB = 1 << 20
ADVICE = "Make room there, then resume the run."


def mounted(place: Path, size: str = "4m") -> Path:
    """A disk of four megabytes."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "duto-small", str(place)]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    return place


def unmount(place: Path) -> None:
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    yield mounted(tmp_path / "small")
    unmount(tmp_path / "small")


def fill(place: Path, leave: int = 0) -> Path:
    """Take all room there but `leave` bytes."""
    file = place / "others"
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    file.write_bytes(bytes(max(0, free - leave)))
    return file


@pytest.mark.parametrize(
    ("free", "needed", "sentence"),
    [
        (3 * MIB, 8 * MIB, "there is no room for 'a' (8 MiB), 3 MiB are free without it."),
        (0, None, "there is no room for 'a', 0 B are free without it."),
        (None, 8 * MIB, "there is no room for 'a' (8 MiB)."),
        (900 << 30, 8 * MIB, "there is no room for 'a' (8 MiB)."),
        (900 << 30, 901 << 30, "there is no room for 'a' (901 GiB), 900 GiB are free without it."),
    ],
)
def test_the_words_say_what_did_not_fit_how_much_was_free_and_what_to_do(
    free: int | None, needed: int | None, sentence: str
) -> None:
    assert words(said("named", name="a"), free, needed) == f"The disk of the host is full: {sentence} {ADVICE}"
    assert "quota of the agent's user" in words(said("named", name="a"), free, needed, by_quota=True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_used_up_quota_is_told_like_a_full_disk_and_other_errors_stay_what_they_are(
    number: int, tmp_path: Path
) -> None:
    with pytest.raises(DiskFull, match="no room for 'it'"), require_space(said("named", name="it"), tmp_path):
        raise OSError(number, os.strerror(number))
    with pytest.raises(PermissionError), require_space(said("named", name="it"), tmp_path):
        raise PermissionError(errno.EACCES, "no")
    assert is_full(OSError(number, "")) and not is_full(ValueError())


def test_what_does_not_fit_leaves_no_half_behind(small: Path, tmp_path: Path) -> None:
    """A file of the snapshot, a folder on the studio's own disk, and what comes over HTTP into the cache."""
    (tmp_path / "data" / "ds" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "store-marker").write_text("m")
    (tmp_path / "data" / "ds" / "deep" / "large").write_bytes(bytes(8 * MIB))
    shared = Transfers(Store(str(tmp_path / "data"), "m"), tmp_path / "cache", None)  # type: ignore[arg-type]
    (small / "a").mkdir()
    listed = [{"path": "train.py", "size": 8 * MIB, "direct": "ds/deep/large"}]
    with pytest.raises(DiskFull, match=r"no room for 'train.py' \(8 MiB\), 4 MiB are free without it"):
        stage(small / "a", step_of({"snapshot": {"files": listed}}), shared)
    inputs = [{"name": "raw", "mode": "download", "direct": "ds", "files": []}]
    with pytest.raises(DiskFull, match=r"no room for 'deep/large' \(8 MiB\), 4 MiB are free without it"):
        stage(small / "a", step_of({"inputs": inputs}), shared)
    assert os.statvfs(small).f_bavail * os.statvfs(small).f_frsize > 3 * MIB


def test_a_link_of_an_output_that_cannot_become_a_file_fails_the_step_and_spares_the_rest(small: Path) -> None:
    for name in ("work/outputs", "work/logs", "outputs/o"):
        (small / name).mkdir(parents=True)
    (small / "work" / "large").write_bytes(bytes(3 * MIB))
    (small / "outputs/o/a").write_text("a")
    (small / "outputs/o/copy").symlink_to(small / "work" / "large")
    (small / "work/outputs/again").symlink_to(small / "work" / "large")
    (small / "work/outputs/z").write_text("z")
    given = {"outputs": [{"name": "o"}, {"name": "p"}]}
    bound = Bound(outputs={"o": str(small / "outputs/o"), "p": str(small / "outputs/p")})
    found = collect(small, step_of(given), bound, ended_well=True)
    assert [each.path for each in found.outputs[0].files] == ["a"]
    assert [each.path for each in found.artifacts] == ["outputs/z"]
    assert [sentence[:74] for sentence in found.too_large] == [
        "The disk of the host is full: there is no room for 'outputs/o/copy' (3 MiB",
        "The disk of the host is full: there is no room for 'work/outputs/again' (3",
    ]
    assert found.warnings == ["The script ended without writing its output 'p'."]
    assert not os.path.lexists(small / "outputs/o/copy")


def test_an_environment_without_room_is_told_as_that(small: Path) -> None:
    environments = Environments(small / "envs", Pythons())
    others = fill(small, leave=4096)
    with pytest.raises(DiskFull, match=r"no room for the environment .*" + ADVICE):
        environments.ensure("", None, lambda line: None)
    others.unlink()
    assert environments.ensure("", None, lambda line: None).executable.exists()


def test_the_words_of_a_builder_that_found_no_room() -> None:
    full = failure_of("x\nerror: Failed to write `/c/y`: No space left on device (os error 28)\nhint", None)
    assert isinstance(full, DiskFull) and "`/c/y`" in str(full) and ADVICE in str(full)
    assert isinstance(failure_of("error: something else", None), BuildFailed)


@pytest.fixture
def studio() -> Iterator[Studio]:
    made = Studio()
    yield made
    made.close()


@pytest.fixture(params=["process", pytest.param("docker", marks=[pytest.mark.docker])])
def crowded(request: pytest.FixtureRequest, studio: Studio) -> Iterator[Host]:
    """A host whose attempts have a disk of four megabytes."""
    with tempfile.TemporaryDirectory(prefix="duto-full-", ignore_cleanup_errors=True) as folder:
        settings: dict[str, str] = {}
        if request.param == "docker":
            socket = request.getfixturevalue("engine_socket")
            settings = {"launcher": "docker", "engine": socket, "base_image": IMAGE, "installation": folder[-8:]}
        made = Host(Path(folder) / "home", studio, **settings)
        attempts = mounted(made.home / "attempts")
        made.start()
        yield made
        print((made.home / "agent.out").read_text())
        made.close()
        if settings:
            engine = Engine(settings["engine"])
            for each in engine.containers({"duto.installation": settings["installation"]}):
                engine.remove(each["Id"])
        unmount(attempts)


def goes_on(host: Host, studio: Studio) -> None:
    following = host.give("print('next')")
    assert studio.wait("finished", following.attempt, 60)["cause"] is None


def test_a_step_that_fills_the_disk_fails_alone_and_its_host_goes_on(crowded: Host, studio: Studio) -> None:
    code = """
import os, time
print('begun', flush=True)
while not os.path.getsize('../log.data'): time.sleep(0.01)
open('outputs/note.txt', 'w').write('kept')
with open('huge', 'wb', buffering=0) as file:
    while True: file.write(bytes(4096))
"""
    key = crowded.give(code)
    report = studio.wait("finished", key.attempt, 60)
    assert (report["cause"], report["exit_code"]) == ("disk_full", 1)
    assert report["message"].startswith("The disk of the host is full (train.py, line 7): ")
    assert report["message"].endswith(f" were free when the script ended. {ADVICE}")
    assert studio.logs[key.attempt].startswith(b"begun\n")
    assert [(each["path"], each["size"]) for each in report["artifacts"]] == [("outputs/note.txt", 4)]
    until(lambda: not crowded.directory(key).exists())
    goes_on(crowded, studio)


def test_a_file_that_is_collected_after_the_script_and_does_not_fit_is_named(crowded: Host, studio: Studio) -> None:
    code = """
import os
with open('large', 'wb') as file: file.write(bytes(3 << 20))
open('outputs/note.txt', 'w').write('kept')
os.symlink(os.path.abspath('large'), 'outputs/model.bin')
"""
    key = crowded.give(code)
    report = studio.wait("finished", key.attempt, 60)
    assert (report["cause"], report["exit_code"]) == ("disk_full", 0)
    assert "no room for 'work/outputs/model.bin' (3 MiB), " in report["message"]
    assert report["message"].endswith(f" are free without it. {ADVICE}")
    assert [each["path"] for each in report["artifacts"]] == ["outputs/note.txt"]
    until(lambda: not crowded.directory(key).exists())
    goes_on(crowded, studio)


def test_a_snapshot_that_does_not_fit_is_named(crowded: Host, studio: Studio) -> None:
    key = crowded.give("print('never')", files={"weights.bin": bytes(6 * MIB)})
    report = studio.wait("finished", key.attempt, 60)
    assert report["cause"] == "disk_full"
    assert report["message"].startswith("The disk of the host is full: there is no room for 'weights.bin' (6 MiB), ")
    goes_on(crowded, studio)


@pytest.mark.parametrize("leave", [0, 4096, 32768])
def test_a_step_that_finds_the_disk_full_is_told_so_and_not_sent_for_ever(
    leave: int, crowded: Host, studio: Studio
) -> None:
    """Not even its spec can be kept; or that, but not its files; or those, but not its log."""
    others = fill(crowded.home / "attempts", leave)
    key = crowded.give("print('never')")
    report = studio.wait("finished", key.attempt, 60)
    assert report["cause"] == "disk_full" and report["message"].endswith(ADVICE)
    others.unlink()
    until(lambda: not crowded.directory(key).exists())
    goes_on(crowded, studio)


def test_a_studio_without_room_is_waited_for_and_nothing_of_the_step_is_lost(tmp_path: Path, studio: Studio) -> None:
    made = Host(tmp_path / "home", studio)
    made.start()
    studio.full = True
    key = made.give("print('done')\nopen('outputs/note.txt', 'w').write('kept')")
    studio.wait("collecting", key.attempt)
    until(lambda: "the files of" in (made.home / "agent.out").read_text())
    made.end(9)
    made.start()
    assert studio.report("finished", key.attempt) is None
    studio.full = False
    report = studio.wait("finished", key.attempt, 30)
    made.close()
    assert (report["cause"], report["exit_code"]) == (None, 0)
    assert list(studio.uploads.values()) == [b"kept"]
    assert "507 studio_full No room." in (made.home / "agent.out").read_text()


def test_a_file_of_the_cache_that_does_not_fit_is_named(small: Path, tmp_path: Path, studio: Studio) -> None:
    made = Host(tmp_path / "home", studio)
    (made.home / "cache").mkdir()
    (made.home / "cache" / "blobs").symlink_to(small)
    made.start()
    data = os.urandom(6 * MIB)
    key = made.give("print('never')", files={"weights.bin": data})
    report = studio.wait("finished", key.attempt, 60)
    made.close()
    assert report["cause"] == "disk_full"
    assert "no room for 'weights.bin' in this host's cache (6 MiB), " in report["message"]
    assert not list(small.rglob(f"*{digest(data)}*"))


def test_a_build_without_room_for_its_log_is_told(tmp_path: Path, studio: Studio) -> None:
    made = Host(tmp_path / "home", studio)
    builds = mounted(made.home / "builds", "64k")
    fill(builds)
    made.start()
    studio.give({"type": "build", "build": "b1", "spec": {"packages": [], "python": None}})
    try:
        assert "is full: there is no room for the log of a build" in studio.wait("failed", "b1", 30)["message"]
    finally:
        made.close()
        unmount(builds)
