"""Programs at a terminal: written for Azure ML's SDK, run by `python`, against a studio that is really there."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from studio.bootstrap import ROOT
from tests.live.studio import Studio

pytestmark = [pytest.mark.slow]

PROGRAMS = Path(__file__).parent / "programs"


def git(folder: Path, *words: str) -> None:
    names = {f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *words], cwd=folder, env={**os.environ, **names}, check=True, capture_output=True)


def config(folder: Path) -> None:
    scope = {"subscription_id": "s", "resource_group": "g", "workspace_name": "main"}
    (folder / "config.json").write_text(json.dumps(scope))


def test_a_copy_of_the_example_runs_to_its_end_and_is_reused_the_second_time(
    live_studio: Studio, tmp_path: Path
) -> None:
    folder = tmp_path / "penguins"
    shutil.copytree(ROOT / "examples" / "penguins", folder)
    text = (folder / "pipeline.py").read_text()
    imports = [line for line in text.splitlines() if line.startswith(("from ", "import "))]
    assert imports and all(line.startswith("from azureml.") for line in imports)
    live_studio.live.take_over()
    first = live_studio.program(folder, "pipeline.py")
    assert first.returncode == 0, first.stdout + first.stderr
    for name in ("prepare", "train forest", "train logistic", "compare"):
        assert f"Step '{name}': Finished in" in first.stdout
    assert "[train forest] round  20: accuracy" in first.stdout
    assert "[compare] The best model is" in first.stdout and "PipelineRun Status: Finished" in first.stdout
    assert f"{live_studio.url}/w/main/runs/" in first.stdout
    second = live_studio.program(folder, "pipeline.py")
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout.count("Finished (reused)") == 4, second.stdout
    # Then one file changes: what it does not concern is reused.
    (folder / "compare.py").write_text((folder / "compare.py").read_text() + "\nprint('edited')\n")
    third = live_studio.program(folder, "pipeline.py")
    assert third.returncode == 0, third.stdout + third.stderr
    assert "[compare] edited" in third.stdout


def test_the_lines_of_the_readme_work_as_they_stand(live_studio: Studio, tmp_path: Path) -> None:
    run, install, login = re.findall(
        r"^ +\$ (.*(?:pipeline\.py|pip install|duto login).*)$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    live_studio.live.take_over()
    env = {**os.environ, **live_studio.live.env, "DUTO_URL": live_studio.url, "DUTO_TOKEN": live_studio.token()}
    done = subprocess.run(["bash", "-c", run], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "PipelineRun Status: Finished" in done.stdout, done.stdout + done.stderr
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "own")], check=True)
    fresh = {"PATH": f"{tmp_path / 'own/bin'}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    shared = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "UV_"))}
    look = "import yaml; from azureml.core import Workspace; print(Workspace._around().name)"
    for line in (install, login, f"python3 -c '{look}'"):
        done = subprocess.run(
            ["bash", "-c", line.replace("https://duto.example.org", live_studio.url)], cwd=tmp_path,
            env={**shared, **fresh}, input=live_studio.token(), capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "main\n"


def test_the_person_who_started_the_studio_needs_no_token(live_studio: Studio, tmp_path: Path) -> None:
    file = live_studio.home / ".config" / "duto" / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    config(tmp_path)
    (tmp_path / "p.py").write_text(
        "from azureml.core import Workspace\nws = Workspace.from_config()\nprint(ws.name, sorted(ws.datastores))\n"
    )
    env = {**live_studio.live.env}
    done = subprocess.run([sys.executable, "p.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "main ['workspaceblobstore', 'workspacefilestore']\n"


def test_a_program_without_credentials_is_told_what_to_do(live_studio: Studio, tmp_path: Path) -> None:
    config(tmp_path)
    (tmp_path / "p.py").write_text("from azureml.core import Workspace\nWorkspace.from_config()\n")
    done = live_studio.program(tmp_path, "p.py", token="duto_wrong")
    assert done.returncode == 1
    assert "AuthenticationException" in done.stderr.splitlines()[-1] or "token" in done.stderr


def test_the_surface_that_programs_use(live_studio: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "surface"
    shutil.copytree(PROGRAMS / "surface", folder)
    config(folder)
    git(folder, "init", "-q", "-b", "trunk")
    git(folder, "remote", "add", "origin", "https://me:secret@example.org/surface.git")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "All")
    (folder / "late.py").write_text((folder / "late.py").read_text() + "# changed\n")
    token = live_studio.manage("token", "--role", "contributor").split()[-1]
    done = live_studio.program(folder, "program.py", token=token)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    found = [line.removeprefix("ok: ") for line in done.stdout.splitlines() if line.startswith("ok: ")]
    assert found == [
        "workspace",
        "datastores",
        "datasets",
        "compute",
        "environments",
        "pipeline",
        "results",
        "reuse",
        "scripts",
        "cancel",
        "publish",
    ]


def test_a_step_keeps_off_a_persons_files_and_replaces_its_own(live_studio: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "destinations"
    shutil.copytree(PROGRAMS / "destinations", folder)
    config(folder)
    token = live_studio.manage("token", "--role", "contributor").split()[-1]
    done = live_studio.program(folder, "program.py", token=token)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    assert done.stdout.endswith("ok: destinations\n")


def test_a_profile_is_what_pandas_says_of_the_frame(live_studio: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "profile"
    shutil.copytree(PROGRAMS / "profile", folder)
    shutil.copy(ROOT / "examples" / "penguins" / "penguins-raw.csv", folder / "penguins.csv")
    config(folder)
    done = live_studio.program(folder, "program.py")
    assert done.returncode == 0 and done.stdout.endswith("all of it\n"), done.stdout + done.stderr
