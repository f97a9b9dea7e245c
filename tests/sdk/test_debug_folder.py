"""The folder that `duto debug` lays out, over a document of the studio, and the run that a script has in it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import duto
from duto.cli.main import main
from duto.debug import environment, starting
from duto.debug.document import read
from duto.debug.folder import DebugFolder
from duto.debug.starting import secrets_in, start_of
from duto.exceptions import ModelPathNotFoundException, UserErrorException
from duto.run.debug import REFUSED, STUDIO, _DebugRun
from duto.run.offline import METRICS
from duto.spec.bindings import Bound
from duto.spec.secrets import variable_of
from tests.sdk.fake_studio import FakeStudio

RUN = "019a0000-0000-7000-8000-000000000007"
SCRIPT = b"import sys\nprint('in', sys.argv[1:])\nraise SystemExit(3)\n"


def file(path: str, data: bytes, address: str) -> dict[str, Any]:
    return {"path": path, "size": len(data), "digest": hashlib.sha256(data).hexdigest(), "address": address}


def document(**changed: Any) -> dict[str, Any]:
    return {
        "run": RUN, "root": RUN, "reused_by": None, "step": "train it", "experiment": "e", "status": "Failed",
        "kind": "python_script", "step_type": "PythonScriptStep", "script": "train.py",
        "arguments": ["--in", {"input": "raw"}, {"output": "model"}, {"output": "shared"}], "params": {"rate": "0.5"},
        "settings": {}, "snapshot": {"digest": "d", "files": [file("train.py", SCRIPT, "code/train.py")]},
        "environment": {
            "name": "", "version": None, "user_managed": True, "interpreter": None, "python": None, "lock": None,
            "definition": {}, "image": None, "variables": {"FLAVOR": "plain"}, "withheld": ["HF_TOKEN"], "r": None,
        },
        "inputs": [
            {
                "name": "raw", "mode": "download", "path_on_compute": None, "is_file": False, "file_name": None,
                "dataset": None, "partition_format": None, "origin": "raw:1",
                "files": [file("a/one.csv", b"1\n", "data/a/one.csv"), file("two.csv", b"22\n", "data/two.csv")],
            }
        ],
        "outputs": [
            {"name": "model", "kind": "pipeline_data", "is_directory": True, "path_on_compute": None},
            {"name": "shared", "kind": "pipeline_data", "is_directory": None, "path_on_compute": None},
        ],
        "variables": {"AZUREML_RUN_ID": RUN}, "distribution": None, "secrets": [], **changed,
    }  # fmt: skip


class Studio(FakeStudio):
    """Has one step run; `fetched` are the addresses of bytes that it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.document = document()
        self.bytes = {"code/train.py": SCRIPT, "data/a/one.csv": b"1\n", "data/two.csv": b"22\n"}
        self.fetched: list[str] = []

    def handle(self, method: str, path: str, query: dict[str, list[str]], data: bytes) -> tuple[int, bytes]:
        rest = path.removeprefix("/api/v1/workspaces/main/")
        if rest == f"runs/{RUN}/launch/":
            return 200, json.dumps(self.document).encode()
        if rest == f"runs/{RUN}/":
            return 200, json.dumps({"id": RUN}).encode()
        if rest in self.bytes:
            self.fetched.append(rest)
            return 200, self.bytes[rest]
        return super().handle(method, path, query, data)


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    found = Studio()
    monkeypatch.setenv("DUTO_URL", found.url)
    monkeypatch.setenv("DUTO_TOKEN", "duto_secret_token")
    monkeypatch.setenv("DUTO_CREDENTIALS", str(tmp_path / "none.json"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    yield found
    found.server.shutdown()


def debug(*words: str) -> int:
    return main(["debug", RUN, "-w", "main", "--folder", "here", *words])


def test_the_script_starts_with_its_arguments_and_its_code_is_ours(
    studio: Studio, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "here"
    assert debug() == 3
    out = capfd.readouterr().out
    assert f"in ['--in', '{here}/inputs/raw', '{here}/outputs/model', '{here}/outputs/shared']" in out
    assert "HF_TOKEN" in out and (here / "inputs/raw/a/one.csv").read_bytes() == b"1\n"
    assert (here / "outputs/model").is_dir() and not (here / "outputs/shared").exists()
    kept = "".join(path.read_text() for path in here.rglob("*") if path.is_file() and path.suffix in (".json", ".sh"))
    assert "duto_secret_token" not in kept
    assert (here / "README.md").read_text().startswith("# The step train it")
    vscode = json.loads((here / ".vscode/launch.json").read_text())["configurations"][0]
    assert vscode["program"] == str(here / "code/train.py") and vscode["args"][0] == "--in"

    (here / "code/train.py").write_text("import os\nprint(os.environ['FLAVOR'], os.environ['AML_PARAMETER_rate'])\n")
    (here / "outputs/model/old.bin").write_text("of the first start")
    before = list(studio.fetched)
    assert debug() == 0
    assert "plain 0.5" in capfd.readouterr().out and studio.fetched == before
    assert not (here / "outputs/model/old.bin").exists()
    done = subprocess.run([str(here / "run.sh")], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "plain 0.5\n"), done.stderr


def test_a_run_or_step_that_is_not_there_is_named(studio: Studio, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["debug", "x", "y", "-w", "main"]) == 4
    message = capfd.readouterr().err
    assert "There is no run 'x' in workspace 'main'. A run is named by its id" in message and "address" not in message
    steps = {"items": [{"id": RUN, "step": {"name": "train it"}}], "next_cursor": None}
    studio.bytes[f"runs/{RUN}/steps/"] = json.dumps(steps).encode()
    assert main(["debug", RUN, "y", "-w", "main"]) == 4
    assert f"The run {RUN} has no step 'y'. It has: train it." in capfd.readouterr().err


def test_what_was_interrupted_goes_on(studio: Studio, tmp_path: Path) -> None:
    studio.refused["two.csv"] = 404
    whole = studio.bytes.pop("data/two.csv")
    assert debug("--prepare-only") == 4
    assert (tmp_path / "here/inputs/raw/a/one.csv").exists()
    studio.refused.clear()
    studio.bytes["data/two.csv"] = whole
    studio.fetched.clear()
    assert debug("--prepare-only") == 0 and studio.fetched == ["data/two.csv"]
    (tmp_path / "here/inputs/raw/two.csv").write_bytes(b"33\n")  # of the same size
    studio.fetched.clear()
    assert debug("--no-start") == 0 and studio.fetched == ["data/two.csv"]


def test_a_folder_of_others_is_left_alone(studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = tmp_path / "here"
    (here / "outputs/model").mkdir(parents=True)
    (here / "outputs/model/mine.bin").write_text("precious")
    assert debug("--prepare-only") == 1 and "is not empty" in capsys.readouterr().err
    assert debug("--overwrite") == 1 and "holds what was not made here" in capsys.readouterr().err
    assert (here / "outputs/model/mine.bin").read_text() == "precious"
    (here / "outputs/model/mine.bin").unlink()
    assert debug("--overwrite") == 3
    (here / "code/train.py").write_text("print('changed')")
    studio.fetched.clear()
    assert debug("--overwrite") == 3 and studio.fetched == ["code/train.py"]  # the run's code is back
    studio.document = document(run=RUN.replace("7", "8", 1), inputs=[], arguments=[])
    assert debug("--prepare-only") == 1 and "was made for the step run" in capsys.readouterr().err
    assert debug("--prepare-only", "--overwrite") == 0
    assert not (here / "inputs/raw/a/one.csv").exists()  # it was brought for the other step
    (tmp_path / "file").write_text("")
    assert main(["debug", RUN, "-w", "main", "--folder", "file"]) == 1 and "is a file" in capsys.readouterr().err


def test_large_inputs_are_brought_when_somebody_says_so(tmp_path: Path) -> None:
    folder = DebugFolder(tmp_path, read(document()))
    given = folder.places_of(folder.launch.inputs[0])
    large = [(each.__class__(each.path, 2 << 30, each.digest, each.address), place) for each, place in given[:1]]
    with pytest.raises(UserErrorException, match=r"2 GiB that are not here yet\. Say --yes"):
        folder.require_assent(large, False)
    folder.require_assent(large, True)
    huge = [(each.__class__(each.path, 1 << 60, each.digest, each.address), place) for each, place in given[:1]]
    with pytest.raises(UserErrorException, match="free"):
        folder.require_assent(huge, True)


@pytest.mark.parametrize("path", ["../out.csv", "/etc/passwd", "a/../../x"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    given = document()
    given["inputs"][0]["files"] = [file(path, b"1", "data/x")]
    with pytest.raises(UserErrorException, match="leads out"):
        DebugFolder(tmp_path, read(given)).missing()


@pytest.mark.parametrize(
    ("kind", "extra", "said"),
    [
        ("automl", {}, "cannot be started"),
        ("of another release", {}, "cannot be started"),
        ("r_script", {"settings": {"rscript": "no-such-Rscript"}}, "no Rscript"),
        ("python_script", {"script": "gone.py"}, "has no 'gone.py'"),
        ("python_script", {"arguments": [{"input": "nobody"}]}, "nobody"),
    ],
)
def test_what_cannot_be_started_says_why(tmp_path: Path, kind: str, extra: dict[str, Any], said: str) -> None:
    folder = DebugFolder(tmp_path, read(document(kind=kind, **extra)))
    folder.code.mkdir()
    (folder.code / "train.py").write_bytes(SCRIPT)
    with pytest.raises(UserErrorException, match=said):
        start_of(folder, Bound(), sys.executable, "http://studio")


def test_a_command_is_one_line_of_a_shell_and_a_parallel_step_has_one_process(tmp_path: Path) -> None:
    folder = DebugFolder(tmp_path, read(document(kind="command", script="", arguments=["cat", {"input": "raw"}])))
    start = start_of(folder, Bound(inputs={"raw": "/a b"}), sys.executable, "http://studio")
    assert start.argv[1:] == ["-c", "--", "cat '/a b'", "command"]
    given = document(kind="parallel_run", settings={"node_count": 4}, arguments=[])
    folder = DebugFolder(tmp_path, read(given))
    folder.code.mkdir()
    (folder.code / "train.py").write_bytes(SCRIPT)
    plan = json.loads(start_of(folder, Bound(), sys.executable, "http://studio").variables["DUTO_PARALLEL"])
    assert (plan["settings"]["node_count"], plan["settings"]["process_count_per_node"]) == (1, 1)


@pytest.mark.parametrize("kind", ["python_script", "command"])
def test_a_secret_parameter_is_given_by_a_variable_and_kept_nowhere(
    studio: Studio, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    words: list[str] = ["${DUTO_SECRET_DB_PASS}"]
    if kind == "command":
        words = ["echo", "'${DUTO_SECRET_DB_PASS}'", "; exit 3"]
    studio.document = document(kind=kind, arguments=words, params={"pass": words[0]}, secrets=["db-pass"])
    assert debug() == 1
    printed = capfd.readouterr()
    assert "set these variables: DUTO_SECRET_DB_PASS" in printed.out and "Give it by the variable" in printed.err
    monkeypatch.setenv("DUTO_SECRET_DB_PASS", "it's $HOME")
    assert debug() == 3
    assert "it's $HOME" in capfd.readouterr().out
    files = [each for each in (tmp_path / "here").rglob("*") if each.is_file()]
    assert not [each for each in files if b"it's $HOME" in each.read_bytes()]


def test_a_script_of_several_processes_is_the_first_of_one(studio: Studio, capfd: pytest.CaptureFixture[str]) -> None:
    script = b"import os; print('rank', os.environ['OMPI_COMM_WORLD_RANK'], 'of', os.environ['WORLD_SIZE'])"
    studio.bytes["code/train.py"] = script
    snapshot = {"digest": "d", "files": [file("train.py", script, "code/train.py")]}
    spread = {"framework": "mpi", "processes": 4, "nodes": 2}
    studio.document = document(arguments=[], snapshot=snapshot, distribution=spread)
    assert debug() == 0
    printed = capfd.readouterr().out
    assert "rank 0 of 1" in printed and "starts 4 processes of the script; here it is one" in printed


def test_what_is_gone_meanwhile_is_named(studio: Studio, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    kept = studio.bytes.pop("data/two.csv")
    assert debug() == 4 and "'two.csv': No data/two.csv" in capfd.readouterr().err
    studio.bytes["data/two.csv"] = b"other"
    assert debug() == 1 and "'two.csv' arrived with other bytes" in capfd.readouterr().err
    studio.bytes["data/two.csv"] = kept
    assert debug() == 3, "what is there again goes on"
    assert (tmp_path / "here/inputs/raw/two.csv").read_bytes() == kept


def test_another_studio_than_the_sdk_is_told() -> None:
    with pytest.raises(UserErrorException, match="Install the SDK of the studio"):
        read({"run": RUN})


def test_secrets_that_the_code_asks_for_are_named(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "run.get_secret('db-pass')\nvault.get_secret(name=\"hub\")\nrun.get_secret(name)\n"
    )
    assert secrets_in(tmp_path) == ["db-pass", "hub"]
    assert variable_of("db-pass") == "DUTO_SECRET_DB_PASS"


def test_the_run_of_a_script_writes_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(METRICS, str(tmp_path / "metrics.jsonl"))
    monkeypatch.setenv("AZUREML_RUN_ID", RUN)
    monkeypatch.delenv("AZUREML_RUN_TOKEN", raising=False)
    monkeypatch.setenv("AZUREML_DATASET_ENVIRONMENT_VARS", "raw:download")
    monkeypatch.setenv("raw", "/data/raw")
    monkeypatch.setenv("DUTO_SECRET_HUB", "hush")
    run: Any = duto.Run.get_context()
    assert isinstance(run, _DebugRun) and isinstance(run, duto._OfflineRun) and run.id == f"OfflineRun_{RUN}"
    run.log("loss", 0.5, step=2)
    run.parent.log_row("row", x=1, y=2)
    run.tag("kind", "try")
    run.upload_file("outputs/a.txt", __file__)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(each.get("name"), each["op"]) for each in lines] == [("loss", "metric"), ("row", "metric"), (None, "tag")]
    assert (lines[0]["value"], lines[0]["index"]) == (0.5, 2) and starting.metrics_in(tmp_path / "metrics.jsonl") == 2
    assert (tmp_path / "artifacts/outputs/a.txt").read_text() == Path(__file__).read_text()
    assert run.input_datasets["raw"] == "/data/raw" and run.get_secret("hub") == "hush"
    with pytest.raises(UserErrorException, match="DUTO_SECRET_OTHER"):
        run.get_secret("other")
    with pytest.raises(AttributeError, match="where the studio runs the step"):
        run.nothing()


def test_the_run_of_a_script_has_all_members_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run: Any = _DebugRun(tmp_path / "metrics.jsonl", RUN)
    for name in dir(duto.Run):
        assert name.startswith("_") or hasattr(_DebugRun, name) or name in STUDIO or name in REFUSED, name
    for name in REFUSED:
        with pytest.raises(UserErrorException, match=f"has no '{name}'"):
            getattr(run, name)
    run.log("loss", 0.5)
    run.log("loss", 0.25)
    run.log_row("row", x=1)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/model.pkl").write_bytes(b"weights")
    model = run.register_model("iris", "outputs/model.pkl", tags={"kind": "tree"})
    assert isinstance(model, duto.Model) and (model.id, model.version, model.tags) == ("iris:0", 0, {"kind": "tree"})
    assert Path(model.download("copy")).read_bytes() == b"weights" and run.get_file_names() == ["outputs/model.pkl"]
    noted = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()][-1]
    assert (noted["op"], noted["name"], noted["path"]) == ("model", "iris", "outputs/model.pkl")
    with pytest.raises(ModelPathNotFoundException, match="outputs/none"):
        run.register_model("iris", "outputs/none")
    assert run.get_metrics() == {"loss": [0.5, 0.25], "row": {"x": 1}} and run.get_status() == "Running"
    with run.child_run("fold") as child:
        child.log("loss", 1)
        child.tag("fold", "a")
        child.upload_files(["outputs/a"], ["outputs/model.pkl"])
    assert child.get_metrics() == {"loss": 1} and child.get_tags() == {"fold": "a"} and child.name == "fold"
    assert [each.id for each in run.get_children()] == [child.id] and run.get_file_names() == ["outputs/model.pkl"]
    assert run.get_metrics("loss", recursive=True) == {run.id: {"loss": [0.5, 0.25]}, child.id: {"loss": 1}}
    run.download_files("outputs/", "back", append_prefix=False)
    assert (tmp_path / "back/model.pkl").read_bytes() == b"weights"


def test_what_the_studio_knows_is_read_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run: Any = _DebugRun(tmp_path / "metrics.jsonl", RUN)
    at_studio = SimpleNamespace(name="train", get_tags=lambda: {"team": "a", "kind": "old"})
    monkeypatch.setattr(_DebugRun, "_studio_run", at_studio)
    run.tag("kind", "try")
    assert run.name == "train" and run.get_tags() == {"team": "a", "kind": "try"}
    run.remove_tags("team")
    assert run.tags == {"kind": "try"}


def test_an_environment_of_conda_says_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = document()
    given["environment"] |= {"user_managed": False, "lock": "@EXPLICIT\nhttps://x/linux-64/a-1-0.conda\n@PIP\nb==1\n"}
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserErrorException, match="neither micromamba nor conda"):
        environment.ensure(tmp_path / ".venv", read(given).environment, print)
    given["environment"] |= {"lock": "", "python": "3.2.1"}
    with pytest.raises(UserErrorException, match=r"Python 3\.2, which is not on this machine"):
        environment.ensure(tmp_path / ".venv", read(given).environment, print)
