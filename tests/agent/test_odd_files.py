"""What a script may leave: names of any bytes, folders without end, files without content. Kept or said, never lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from duto.spec import trees
from duto.spec.filenames import spelled, unescaped_path
from duto_agent.attempt.bindings import Bound
from duto_agent.attempt.closing import Abandoned, Closing, ControlFlags, Cut
from duto_agent.attempt.collect import Collected, Collector, collect
from duto_protocol.messages import ArtifactEntry, FileEntry, Proof
from tests.agent.specs import step_of
from tests.agent.steps import until
from tests.agent.studio import Studio, digest
from tests.agent.test_agent import Host, host, studio  # noqa: F401 (fixtures)
from tests.sdk.test_filenames import ODD, deep

BASE = "/agent/v1/attempts/x/1/files"
OUTPUT = {"name": "out", "kind": "file_dataset", "put": f"{BASE}/output/out/"}
TWINS = len(set(ODD))


@pytest.fixture(autouse=True)
def shallow(tmp_path: Path) -> Iterator[None]:
    """pytest's own clean-up would end at what a failed test leaves."""
    yield
    for each in tmp_path.iterdir():
        trees.remove(each)


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    for name in ("work/outputs", "work/logs", "outputs/out"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def found_in(attempt: Path, **more: Any) -> Collected:
    bound = Bound(outputs={"out": str(attempt / "outputs/out")})
    return collect(attempt, step_of({"outputs": [{"name": "out"}]}), bound, True, **more)


def paths(files: Sequence[FileEntry | ArtifactEntry]) -> list[bytes]:
    return sorted(os.fsencode(unescaped_path(each.path)) for each in files)


def test_names_of_any_bytes_are_kept(attempt: Path) -> None:
    for folder in ("outputs/out", "work/outputs"):
        for name in ODD:
            (attempt / folder / os.fsdecode(name)).write_bytes(name)
        (attempt / folder / os.fsdecode(b"fol\xffder")).mkdir()
        (attempt / folder / os.fsdecode(b"fol\xffder/in")).touch()
    found = found_in(attempt)
    assert found.warnings == []
    assert paths(found.outputs[0].files) == sorted([*ODD, b"fol\xffder/in"])
    assert paths(found.artifacts) == sorted(b"outputs/" + name for name in [*ODD, b"fol\xffder/in"])
    for each in found.outputs[0].files:
        assert each.path.isprintable() or "\n" in each.path
        each.path.encode("utf-8")


@pytest.mark.parametrize("count", [600, 1500])
def test_folders_without_end_cost_a_sentence_and_nothing_else(attempt: Path, count: int) -> None:
    for folder in ("outputs/out", "work/outputs"):
        (attempt / folder / "good").write_text("x")
        deep(attempt / folder / "sub", count)
    found = found_in(attempt)
    assert [each.path for each in found.outputs[0].files] == ["good"]
    assert [each.path for each in found.artifacts] == ["outputs/good"]
    assert len(found.warnings) == 2
    for each in found.warnings:
        assert "was left out: its path has more than 1,024 characters, and all below it." in each and len(each) < 400
    deepest = max(len(folder) for folder, _, _ in os.walk(attempt / "outputs/out"))
    assert deepest < 1100 + len(str(attempt))


def test_what_cannot_be_kept_is_said_by_name(attempt: Path) -> None:
    out = attempt / "outputs/out"
    (out / "..\\up").touch()
    (out / "inner").mkdir()
    (out / "link").symlink_to(out / "inner")
    (attempt / "work/user_logs").mkdir()
    (attempt / "work/user_logs/mine.txt").touch()
    (attempt / "work/logs").rmdir()
    (attempt / "work/logs").symlink_to(out)
    (out / "good").touch()
    found = found_in(attempt)
    assert [each.path for each in found.outputs[0].files] == ["good"] and found.artifacts == []
    assert sorted(found.warnings) == [
        "'outputs/out/..\\up' was left out: its name would be a way out of its folder on other systems.",
        "'outputs/out/link' was left out: it is a link to a folder.",
        "'work/logs' was left out: it is no folder.",
        "'work/user_logs' was left out: the studio keeps its own logs by that name; write to 'logs/'.",
    ]


def test_a_file_that_cannot_be_read_costs_no_other(attempt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "bad", "z"):
        (attempt / "work/outputs" / name).touch()
    opened = Path.open

    def failing(self: Path, *given: Any, **named: Any) -> Any:
        if self.name == "bad":
            raise OSError(5, "Input/output error")
        return opened(self, *given, **named)

    monkeypatch.setattr(Path, "open", failing)
    found = found_in(attempt)
    assert [each.path for each in found.artifacts] == ["outputs/a", "outputs/z"]
    assert found.warnings == ["'work/outputs/bad' was left out: it cannot be read (Input/output error)."]


def test_a_file_of_nothing_is_not_hashed_for_hours(attempt: Path) -> None:
    with (attempt / "work/outputs/sparse.bin").open("wb") as file:
        file.write(b"begin")
        file.truncate(1 << 42)
    with (attempt / "work/outputs/small.bin").open("wb") as file:
        file.truncate(1 << 20)
    asked: list[int] = []
    found = found_in(attempt, check=lambda: asked.append(1))
    assert [each.path for each in found.artifacts] == ["outputs/small.bin"] and len(asked) < 20
    (sentence,) = found.too_large
    assert sentence.startswith("'work/outputs/sparse.bin' cannot be kept: it is 4 TiB large, and only 4 KiB of it")


def test_hashing_is_interrupted_between_pieces_and_keeps_what_is_there(attempt: Path) -> None:
    (attempt / "work/outputs/a").write_bytes(b"x")
    (attempt / "work/outputs/large").write_bytes(bytes(8 << 20))
    left = [6]

    def check() -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    found = Collected()
    with pytest.raises(KeyboardInterrupt):
        Collector(attempt, found, check).collect(step_of({"outputs": []}), Bound(), True)
    assert [each.path for each in found.artifacts] == ["outputs/a"]


# --- how long it may take ---


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()


def test_what_takes_a_while_is_told_once(clock: Clock) -> None:
    calls: list[int] = []
    closing = Closing(ControlFlags(), None, lambda: calls.append(1), clock)
    closing.check()
    assert calls == []
    for clock.now in (100.6, 101.0, 10_000.0):
        closing.check()
    assert calls == [1]


def test_a_cancel_leaves_a_moment_for_what_is_there(clock: Clock) -> None:
    flags = ControlFlags()
    closing = Closing(flags, None, lambda: None, clock)
    clock.now += 1000
    closing.check()
    flags.cancel_grace = 30.0
    closing.check()
    clock.now += 4.9
    closing.check()
    clock.now += 0.2
    with pytest.raises(Cut) as cut:
        closing.check()
    assert cut.value.cause.code == "canceled" and cut.value.cause.proof == Proof(left_over=0, signals=[], seconds=0.0)


@pytest.mark.parametrize(("limit", "seconds"), [(5.0, 60.0), (3600.0, 3600.0)])
def test_a_time_limit_counts_again_after_the_script(clock: Clock, limit: float, seconds: float) -> None:
    closing = Closing(ControlFlags(), limit, lambda: None, clock)
    clock.now += seconds - 0.1
    closing.check()
    clock.now += 0.2
    with pytest.raises(Cut) as cut:
        closing.check()
    assert cut.value.cause.code == "timeout"


def test_an_attempt_that_is_not_wanted_stops_at_once(clock: Clock) -> None:
    closing = Closing(ControlFlags(abandon=True), None, lambda: None, clock)
    with pytest.raises(Abandoned):
        closing.check()


# --- a whole agent ---


def test_odd_names_and_endless_folders_pass_through_a_whole_agent(host: Host, studio: Studio) -> None:  # noqa: F811
    code = f"""
import os, sys
for folder in ('outputs', sys.argv[1]):
    for name in {ODD!r}:
        open(os.fsencode(folder) + b'/' + name, 'wb').write(name)
for top in (os.environ['TMPDIR'], '.', 'outputs', sys.argv[1]):
    here = os.getcwd()
    os.chdir(top)
    for _ in range(1500):
        os.mkdir('d'); os.chdir('d')
    os.chdir(here)
"""
    key = host.give(code, arguments=[{"output": "out"}], outputs=[OUTPUT])
    other = host.give("print('plain')")
    report = studio.wait("finished", key.attempt)
    assert (report["exit_code"], report["cause"]) == (0, None) and len(report["warnings"]) == 2
    assert studio.wait("finished", other.attempt)["exit_code"] == 0
    assert paths([ArtifactEntry(**each) for each in report["artifacts"]]) == sorted(b"outputs/" + name for name in ODD)
    for kind in ("artifact/outputs", "output/out"):
        there = {
            os.fsencode(unescaped_path(path)): data for path, data in studio.uploads.items() if path.startswith(kind)
        }
        assert there == {f"{kind}/".encode() + name: name for name in ODD}
    until(lambda: not host.directory(key).exists())
    assert "Traceback" not in (host.home / "agent.out").read_text()


def test_only_files_of_the_patterns_are_kept_and_the_log_says_what_is_not(host: Host, studio: Studio) -> None:  # noqa: F811
    code = """
import os, sys
os.makedirs(sys.argv[1] + '/deep/er')
for name in ('a.csv', 'b.tmp', 'deep/er/c.csv', 'deep/d.tmp'):
    open(f'{sys.argv[1]}/{name}', 'w').write(name)
os.symlink('b.tmp', sys.argv[1] + '/link.tmp')
print('said')
"""
    given = {**OUTPUT, "source_globs": ["**/*.csv", "*.txt"]}
    key = host.give(code, arguments=[{"output": "out"}], outputs=[given])
    report = studio.wait("finished", key.attempt)
    (found,) = report["outputs"]
    assert [each["path"] for each in found["files"]] == ["a.csv", "deep/er/c.csv"] and report["warnings"] == []
    assert sorted(studio.uploads) == ["output/out/a.csv", "output/out/deep/er/c.csv"]
    first, note = bytes(studio.logs[key.attempt]).decode().splitlines()
    assert first == "said" and report["log_size"] == len(studio.logs[key.attempt])
    assert note.startswith(
        "duto: 3 of 5 files of the output 'out' are not of its source_globs (**/*.csv, *.txt) and were left out:"
    )
    assert sorted(note.rpartition(": ")[2].rstrip(".").split(", ")) == ["b.tmp", "deep/d.tmp", "link.tmp"]
    none = host.give(code, arguments=[{"output": "out"}], outputs=[{**OUTPUT, "source_globs": ["*.parquet"]}])
    report = studio.wait("finished", none.attempt)
    assert report["outputs"][0]["files"] == [] and "(*.parquet), so nothing of it was kept" in report["warnings"][0]


def test_an_input_gets_back_its_names(host: Host, studio: Studio) -> None:  # noqa: F811
    listed = []
    for name in (b"bad\xff.txt", b"back\\slash", b"line\nbreak", b"bad%FF.txt"):
        path = spelled(os.fsdecode(name))
        studio.blobs[f"{BASE}/data/{path}"] = name
        listed.append({"path": path, "size": len(name), "digest": digest(name), "get": f"{BASE}/data/{path}"})
    code = "import os, sys\nprint(sorted(os.listdir(os.fsencode(sys.argv[1]))))"
    given = {"name": "raw", "mode": "mount", "files": listed}
    key = host.give(code, arguments=[{"input": "raw"}], inputs=[given])
    assert studio.wait("finished", key.attempt)["exit_code"] == 0
    expected = sorted([b"bad\xff.txt", b"back\\slash", b"line\nbreak", b"bad%FF.txt"])
    assert bytes(studio.logs[key.attempt]).decode().strip() == str(expected)


def test_a_folder_that_a_killed_agent_left_half_ends_no_start(tmp_path: Path, studio: Studio) -> None:  # noqa: F811
    made = Host(tmp_path / "home", studio)
    try:
        for name in ("0190-a-1", "0190-b-1.tmp.gone"):
            deep(made.home / "attempts" / name / "tmp", 1500)
        made.start()
        key = made.give("print('served')")
        assert studio.wait("finished", key.attempt)["exit_code"] == 0
        until(lambda: not list((made.home / "attempts").glob("0190-[ab]*")))
    finally:
        made.close()


def test_a_cancel_is_heard_while_files_are_collected(host: Host, studio: Studio) -> None:  # noqa: F811
    """The studio does not take the file: until then it is sent again and again."""
    code = "open('outputs/a', 'w').write('x')\nprint('over')"
    key = host.give(code)
    studio.full = True
    until(lambda: studio.report("collecting", key.attempt))
    assert studio.report("finished", key.attempt) is None
    studio.ask_cancel(key, 0)
    report = studio.wait("finished", key.attempt)
    assert (report["cause"], report["exit_code"], report["proof"]["left_over"]) == ("canceled", 0, 0)
    assert report["warnings"][
        0
    ] == "The studio's disk was full when the step had ended: the step's files waited until there was room." or any(
        "Not everything" in each for each in report["warnings"]
    )
    other = host.give("pass")
    studio.full = False
    assert studio.wait("finished", other.attempt)["exit_code"] == 0
    assert host.process is not None and host.process.poll() is None
    host.end(signal.SIGTERM)
