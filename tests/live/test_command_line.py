"""The command `duto` in a shell: what it prints, what it writes, and with which code it ends."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live.studio import LiveRun, Studio

pytestmark = [pytest.mark.slow]

GOOD = "import sys\nprint('good', sys.argv[1:])\n"
BAD = "print('so far')\nraise SystemExit('it broke')\n"
LONG = "import time\nprint('sleeping', flush=True)\ntime.sleep(600)\n"


class Shell:
    """A person with a home of their own, who has signed in by `duto login`."""

    def __init__(self, studio: Studio, folder: Path, token: str) -> None:
        self.studio, self.folder = studio, folder
        kept = {name: value for name, value in studio.live.env.items() if not name.startswith(("DUTO_", "AZUREML_"))}
        self.env = {**kept, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "DUTO_PATIENCE": "60"}
        self.signed_in = self.says("login", studio.url, given=f"{token}\n")

    def runs(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "duto", *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.env, input=given, capture_output=True, text=True, timeout=400
        )

    def says(self, *words: str, given: str = "", code: int = 0) -> str:
        """What is printed, where it ends as expected; a refusal is one line of stderr."""
        done = self.runs(*words, given=given)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def knows(self, *words: str, code: int = 0) -> Any:
        done = self.runs(*words, "--json")
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shell(live_studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(live_studio, tmp_path_factory.mktemp("shell"), live_studio.token())


@pytest.fixture(scope="module")
def ended(live_studio: Studio) -> LiveRun:
    """A run of two steps, the second of which failed."""
    return live_studio.submit({"good": GOOD, "bad": BAD}, {"bad": ["good"]}).wait("Failed")


def test_login_keeps_a_token_and_config_names_the_workspace(shell: Shell) -> None:
    kept = shell.folder / "config/duto/credentials.json"
    assert str(kept) in shell.signed_in and "main" in shell.signed_in
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    found = json.loads(kept.read_text())
    assert found["default"] == shell.studio.url and found["studios"][shell.studio.url]["workspace"] == "main"
    (shell.folder / "project").mkdir()
    written = Path(shell.knows("config", "project")["path"])
    assert written == Path("project/.azureml/config.json")
    document = json.loads((shell.folder / written).read_text())
    assert (document["workspace_name"], document["studio_url"]) == ("main", shell.studio.url)
    assert shell.studio.token() not in (shell.folder / written).read_text()
    assert "does not exist" in shell.says("config", "nowhere", code=1)


def test_login_refuses_what_opens_nothing(shell: Shell, tmp_path: Path) -> None:
    before = (shell.folder / "config/duto/credentials.json").read_bytes()
    shell.says("login", shell.studio.url, "--token", "duto_wrong", code=3)
    assert "Settings" in shell.says("login", shell.studio.url, given="", code=3)
    assert "https://" in shell.says("login", "duto.example.org", "--token", "x", code=1)
    named = shell.says("login", shell.studio.url, "--token", shell.studio.token(), "-w", "other", code=1)
    assert "main" in named
    assert "No Duto studio" in shell.says("login", f"{shell.studio.url}/simple/", "--token", "x", code=4)
    for address in ("http://", "ftp://127.0.0.1", "http://127.0.0.1:port", "http://127.0.0.1:0", "http://[::1"):
        assert "is no address of a studio" in shell.says("login", address, "--token", "x", code=1)
    shell.env["DUTO_PATIENCE"], patience = "0", shell.env["DUTO_PATIENCE"]
    assert "does not answer" in shell.says("login", "http://127.0.0.1:9", "--token", "x", code=5)
    shell.env["DUTO_PATIENCE"] = patience
    assert (shell.folder / "config/duto/credentials.json").read_bytes() == before


def test_without_credentials_it_says_how_to_get_some(shell: Shell, tmp_path: Path) -> None:
    env = {**shell.env, "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "duto", "runs"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 3 and "duto login" in done.stderr and done.stdout == ""


def test_runs_are_listed_and_shown(shell: Shell, ended: LiveRun) -> None:
    listed = shell.knows("runs", "--experiment", "Lab", "--status", "Failed")
    assert ended.id in [item["id"] for item in listed] and all(item["parent"] is None for item in listed)
    heads, *rows = shell.says("runs", "-n", "1").splitlines()
    assert heads.split() == ["ID", "STATUS", "EXPERIMENT", "NAME", "CREATED", "TOOK"] and len(rows) == 1
    assert shell.says("runs", "--experiment", "Nobody's") == "There are no such runs.\n"
    shown = shell.says("run", ended.id)
    assert f"{ended.id}  Failed" in shown and f"{shell.studio.url}/w/main/runs/{ended.id}" in shown
    document = shell.knows("run", ended.id)
    assert {step["step"]["name"]: step["status"] for step in document["steps"]} == {
        "good": "Completed",
        "bad": "Failed",
    }
    assert document["id"] == ended.id


def test_logs_are_those_of_a_step_or_of_all(shell: Shell, ended: LiveRun) -> None:
    assert shell.says("logs", ended.id, "good").encode() == ended.log("good")
    every = shell.says("logs", ended.id)
    assert "[good] good []" in every and "[bad] so far" in every and "[bad] it broke" in every
    assert shell.says("logs", ended.step("bad")["id"]).encode() == ended.log("bad")
    texts = {each["step"]: each["log"] for each in shell.knows("logs", ended.id)}
    assert texts == {name: ended.log(name).decode() for name in ("good", "bad")}
    assert shell.says("logs", ended.id, "good", "--follow").encode() == ended.log("good")
    assert "good, bad" in shell.says("logs", ended.id, "nothing", code=4)
    assert "--follow" in shell.says("logs", ended.id, "--follow", "--json", code=1)


def test_the_exit_code_tells_how_a_run_ended(shell: Shell, ended: LiveRun) -> None:
    assert "did not complete" in shell.says("run", ended.id, "--wait", code=6)
    assert shell.knows("run", ended.id, "--wait", code=6)["status"] == "Failed"
    assert shell.says("run", "019a0000-0000-7000-8000-000000000001", code=4)
    assert "usage" in shell.says("run", code=2) and "invalid choice" in shell.says("runs", "-s", "Wrong", code=2)
    assert shell.says("runs", "-n", "0", code=2) and shell.says("runs", "--workspace", "other", code=4)


def test_cancel_stops_a_run_and_a_reader_may_not(shell: Shell, tmp_path: Path) -> None:
    run = shell.studio.submit({"long": LONG})
    run.until("long", b"sleeping")
    assert shell.says("logs", run.id, "long") == "sleeping\n"
    reader = Shell(shell.studio, tmp_path, shell.studio.token("reader"))
    assert reader.knows("run", run.id)["status"] == "Running"
    reader.says("cancel", run.id, code=3)
    assert shell.says("cancel", run.id).startswith(f"{run.id}: Cancel")
    assert "Cancel" in shell.says("run", run.id, "--wait", code=7)


def test_trigger_starts_a_published_pipeline_with_its_parameters(shell: Shell) -> None:
    graph = shell.studio.graph({"told": GOOD}, arguments=[{"parameter": "rounds"}])
    graph["parameters"] = [{"name": "rounds", "type": "int", "default": 3}]
    one = shell.studio.post("pipelines/", {"name": "nightly", "graph": graph, "version": "1"})
    found = shell.says("trigger", "nightly", "-p", "rounds=7", "--experiment", "Shell", "--wait")
    assert "good ['7']" in found and f"{shell.studio.url}/w/main/runs/" in found
    started = shell.knows("trigger", one["id"], "--wait")
    assert (started["status"], started["parameters"]) == ("Completed", {"rounds": 3})
    assert "whole number" in shell.says("trigger", "nightly", "-p", "rounds=many", code=1)
    assert "rounds" in shell.says("trigger", "nightly", "-p", "round=1", code=1)
    assert "NAME=VALUE" in shell.says("trigger", "nightly", "-p", "rounds", code=2)
    assert "nightly" in shell.says("trigger", "daily", code=4)
    other = shell.studio.post("pipelines/", {"name": "nightly", "graph": graph, "version": "2"})
    several = shell.says("trigger", "nightly", code=1)
    assert one["id"] in several and other["id"] in several


def test_datasets_and_clusters_are_listed(shell: Shell) -> None:
    program = (
        "import duto\nstore = duto.Workspace._around().get_default_datastore()\nopen('a.csv', 'w').write('x\\n1\\n')\n"
        "store.upload_files(['a.csv'], target_path='shell')\n"
        "duto.Dataset.File.from_files((store, 'shell/a.csv')).register(store.workspace, 'shelled')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=shell.folder, env=shell.env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "shelled" in shell.says("datasets") and "shelled" in [each["name"] for each in shell.knows("datasets")]
    (version,) = shell.knows("datasets", "shelled")
    assert (version["version"], version["file_count"]) == (1, 1)
    shell.says("datasets", "nobody's", code=4)
    heads, row = shell.says("compute").splitlines()
    assert heads.split() == ["NAME", "SIZE", "MIN", "MAX", "STATE"] and row.startswith("cpu-cluster ")
    assert "0 to 2 nodes" in shell.says("compute", "cpu-cluster")
    assert shell.knows("compute", "cpu-cluster")["max_nodes"] == 2
    shell.says("compute", "nobody's", code=4)


def test_a_reader_of_the_output_may_leave(shell: Shell, ended: LiveRun) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "duto", "run", ended.id], cwd=shell.folder, env=shell.env, stdout=gone,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
