"""Environments are built once, shared, read-only; what fails says whose fault it was."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from duto.spec.environment import recipe
from duto_agent.build_job import Build
from duto_agent.environments.builder import READY, BuildFailed, Environments, explain
from duto_agent.environments.pythons import Python, Pythons, choose, own
from duto_agent.environments.sdk_folder import sdk_folder
from duto_agent.environments.uv_tool import pip_settings, uv_environment
from duto_agent.files import write_json
from environments import lockfile
from tests.agent.specs import build_of

LOCK = "six==1.17.0\n"


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(tmp_path / "envs", Pythons())


def test_many_who_ask_get_one_build(environments: Environments) -> None:
    lines: list[str] = []
    found: list[Path] = []

    def ask() -> None:
        found.append(environments.ensure(LOCK, own().minor, lines.append).path)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len([line for line in lines if line.startswith("Building")]) == 1
    assert not list(environments.folder.glob("*.tmp.*"))


def test_an_environment_is_compiled_read_only_and_works_after_its_rename(environments: Environments) -> None:
    built = environments.ensure(LOCK, None, lambda line: None)
    (module,) = built.path.glob("lib/python*/site-packages/six.py")
    assert list(module.parent.glob("__pycache__/six*.pyc"))
    assert not module.stat().st_mode & 0o222 and not module.parent.stat().st_mode & 0o222
    shown = subprocess.run(
        [built.executable, "-c", "import six; print(six.__version__)"], capture_output=True, text=True
    )
    assert shown.stdout == "1.17.0\n"
    (built.path.with_name(built.path.name + ".used")).stat()


def test_what_stands_under_a_name_is_used_only_if_it_is_of_that_lock(environments: Environments) -> None:
    """An environment of an earlier release may have been made of another lock than its name says."""
    built = environments.ensure(LOCK, None, lambda line: None)
    assert environments.ready(LOCK, None) == built and environments.ready("idna==3.7\n", None) is None
    assert built.path.name.startswith(hashlib.sha256(LOCK.encode()).hexdigest()[:40])
    for forged in ({"lock_digest": "0" * 64}, {}, [], "x"):
        (built.path / READY).unlink()
        write_json(built.path / READY, forged)
        assert environments.ready(LOCK, None) is None
    (built.path / "planted").touch()
    again = environments.ensure(LOCK, None, lambda line: None)
    assert again.path == built.path and not (again.path / "planted").exists()


def test_a_package_that_does_not_exist_is_named_and_the_log_is_whole(environments: Environments) -> None:
    lines: list[str] = []
    with pytest.raises(BuildFailed, match="The package 'no-such-package-of-duto' does not exist"):
        environments.resolve(["no-such-package-of-duto"], own(), lines.append)
    assert any("no-such-package-of-duto" in line for line in lines)
    with pytest.raises(BuildFailed, match="six==99"):
        environments.ensure("six==99\n", None, lines.append)
    assert not list(environments.folder.glob("*.tmp*"))


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("error: Failed to fetch: `x`\n error sending request for url", "could not be reached"),
        ("Failed to build `pyaudio==1`", "'pyaudio==1' could not be installed"),
        ("No solution found when resolving dependencies:\n Because a==1 depends on b>2 and c", "do not fit together"),
        ("strange\nvery strange", "very strange"),
    ],
)
def test_each_failure_has_its_words(log: str, sentence: str) -> None:
    assert sentence in explain(log)


def test_user_managed_is_never_the_agents_own(environments: Environments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUTO_USER_PYTHON", raising=False)
    bare = environments.user_managed("python")
    assert bare.startswith(str(environments.folder))
    assert subprocess.run([bare, "-c", "import httpx"], capture_output=True, env={}).returncode == 1
    assert environments.user_managed("/bin/sh") == "/bin/sh"
    monkeypatch.setenv("DUTO_USER_PYTHON", "/bin/sh")
    assert environments.user_managed(None) == "/bin/sh"
    with pytest.raises(BuildFailed, match="/no/python"):
        environments.user_managed("/no/python")


@pytest.mark.parametrize(
    ("asked", "version", "warned"),
    [
        ("3.11", "3.11.7", False), ("3.6", "3.9.1", True), ("3.12.1", "3.13.0", True), ("3.13", "3.13.0", False), ("3.10", "3.11.7", True),
        ("<3.12", "3.11.7", False), ("!=3.13", "3.11.7", False), (">=3.7,<3.9", "3.9.1", True), (">=3.12,<3.13", "3.13.0", True),
    ],
)  # fmt: skip
def test_the_nearest_python_serves_with_a_warning(asked: str, version: str, warned: bool) -> None:
    found = [Python("a", "3.9.1"), Python("b", "3.11.7"), Python("c", "3.13.0")]
    choice = choose(asked, found)
    assert (choice.python.version, choice.warning is not None) == (version, warned)


def test_a_build_in_another_python_says_so_and_its_failure_too(environments: Environments, tmp_path: Path) -> None:
    context: Any = SimpleNamespace(environments=environments, images=None, client=None)
    found = f"Python 2.7 is not on this host; Python {environments.pythons.choose('2.7').python.version} is used."
    made = Build("one", build_of({"python": "2.7", "packages": ["six==1.17.0"]}), context, tmp_path)._make()
    assert made.warnings == [found] and made.lock == LOCK
    assert found in (tmp_path / "one.log").read_text()
    old = Build("two", build_of({"python": "2.7", "packages": ["six==99"]}), context, tmp_path)
    with pytest.raises(BuildFailed, match=f"six==99.*{re.escape(found)}"):
        old._make()
    assert old.warnings == [found]


def test_constraints_bound_what_is_needed_and_install_nothing(environments: Environments) -> None:
    lock = environments.resolve(["requests"], own(), lambda line: None, ["idna<3.5", "six<1.16"])
    assert "idna==3.4\n" in lock and "six" not in lock
    assert not list(environments.folder.iterdir())


def test_a_repository_is_locked_at_its_commit_and_installed(environments: Environments, tmp_path: Path) -> None:
    source = tmp_path / "own"
    (source / "own").mkdir(parents=True)
    (source / "own/__init__.py").write_text("ANSWER = 42\n")
    (source / "setup.py").write_text("from setuptools import setup\nsetup(name='own', version='1', packages=['own'])\n")
    git = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True)
    packages = list(recipe(pip=[f"-e git+file://{source}@v1#egg=own"]).packages)
    lock = environments.resolve(packages, own(), lambda line: None)
    assert lockfile.checked(lock, own().version, {"packages": packages})[0] == lock
    built = environments.ensure(lock, None, lambda line: None)
    said = subprocess.run([built.executable, "-c", "import own; print(own.ANSWER)"], capture_output=True, text=True)
    assert said.stdout == "42\n", said.stderr


def test_what_pip_is_told_reaches_uv(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://index.example/simple\n[install]\nextra-index-url =\n  https://a.example\n  https://b.example\n"
    )
    variables = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_FIND_LINKS": "/w1 /w2", "HOME": str(tmp_path)}
    found = pip_settings(variables)
    assert found["UV_DEFAULT_INDEX"] == "https://index.example/simple"
    assert found["UV_INDEX"] == "https://a.example https://b.example" and found["UV_FIND_LINKS"] == "/w1,/w2"
    passed = uv_environment({**variables, "AGENT_SECRET": "x", "UV_DEFAULT_INDEX": "https://mine.example"})
    assert passed["UV_DEFAULT_INDEX"] == "https://mine.example" and "AGENT_SECRET" not in passed
    assert passed["UV_PYTHON_DOWNLOADS"] == "never"


def test_the_sdk_folder_is_made_once_and_imports(tmp_path: Path) -> None:
    folder = sdk_folder(tmp_path)
    assert sdk_folder(tmp_path) == folder and len(list((tmp_path / "sdk").iterdir())) == 1
    code = "import duto, azureml; print(duto.__file__)"
    shown = subprocess.run(
        [own().executable, "-S", "-c", code], env={"PYTHONPATH": str(folder)}, capture_output=True, text=True
    )
    assert shown.stdout.startswith(str(folder)) and not (folder / "duto" / "__init__.py").stat().st_mode & 0o222


IMPORTED_ONLY = """
import mlflow
mlflow.MlflowClient("https://mlflow.example")
mlflow.get_tracking_uri()
"""
FLUENT = """
import mlflow
for name in ("one", "two"):
    with mlflow.start_run(run_name=name) as run:
        mlflow.log_metric("seen", 1.0)
    assert mlflow.tracking.MlflowClient().get_run(run.info.run_id).data.metrics == {"seen": 1.0}
"""
CLIENT_ALONE = """
import sys
from mlflow.tracking import MlflowClient
client = MlflowClient(*sys.argv[1:])
run = client.create_run("0")
client.log_metric(run.info.run_id, "seen", 1.0)
assert client.get_run(run.info.run_id).data.metrics == {"seen": 1.0}
"""


def test_mlflow_itself_says_once_that_its_logs_do_not_reach_the_run(environments: Environments, tmp_path: Path) -> None:
    built = environments.ensure(environments.resolve(["mlflow-skinny"], own(), print), None, print)
    (tmp_path / "tmp").mkdir()
    spool = tmp_path / "spool.jsonl"
    places = {"PYTHONPATH": str(sdk_folder(tmp_path)), "TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path)}
    store = {"MLFLOW_TRACKING_URI": (tmp_path / "tmp/mlflow").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    step = {**places, **store, "DUTO_SPOOL": str(spool), "PATH": "/usr/bin:/bin"}

    def ran(program: str, *arguments: str, **more: str) -> str:
        command = [str(built.executable), "-c", program, *arguments]
        done = subprocess.run(command, env={**step, **more}, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "by MLflow" not in ran(IMPORTED_ONLY) and not spool.exists()
    said = ran(FLUENT)
    assert said.count("What the script logs by MLflow does not reach this run") == 1 and "the step's own folder" in said
    assert "by MLflow" not in ran(FLUENT) + ran(CLIENT_ALONE), "another process of the step"
    (line,) = spool.read_text().splitlines()
    assert json.loads(line)["op"] == "warning" and "does not reach this run" in json.loads(line)["text"]
    for place in ((), ("mlruns",), ((tmp_path / "elsewhere").as_uri(),)):
        folder = tmp_path / f"tmp-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        found = f"It goes to {place[0]}." if place else "stays in the step's own folder"
        uri = (folder / "mlflow").as_uri()
        assert found in ran(CLIENT_ALONE, *place, TMPDIR=str(folder), MLFLOW_TRACKING_URI=uri), "a client alone"
    nowhere = {"DUTO_SPOOL": "/no/spool", "TMPDIR": str(tmp_path)}
    assert "by MLflow" in ran(FLUENT, **nowhere), "whatever goes wrong with it, the script goes on"


def test_uv_is_found_by_two_threads_that_ask_first() -> None:
    """Python reads its settings when they are first asked for, and gives none to whoever asks meanwhile: they are read before."""
    code = (
        "import sysconfig, duto_agent.worker\n"
        "sysconfig._init_posix = None\n"
        "from duto_agent.environments.uv_tool import uv_binary\n"
        "print(uv_binary())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip().endswith("uv"), done.stderr
