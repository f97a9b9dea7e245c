"""The first command on a bare machine: from Python with pip to the locked environment."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from studio import bootstrap, options
from studio.testing.live import clean_env

ROOT = bootstrap.ROOT
BASE_PYTHON = getattr(sys, "_base_executable", sys.executable)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clean copy of what decides the environment, and of the code that enters it."""
    target = tmp_path / "clone"
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("sdk", "protocol", "agent", "studio"):
        shutil.copytree(ROOT / name, target / name, ignore=skip)
    for name in ("pyproject.toml", "uv.lock", "manage.py", "LICENSE"):
        shutil.copy(ROOT / name, target / name)
    return target


def enter(checkout: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Enter the environment, and say which one it is."""
    program = "from studio import bootstrap; bootstrap.enter(['-c', *__import__('sys').argv[1:]])"
    say = "import sys, django, duto, azureml, duto_agent; print(sys.prefix, django.__version__)"
    (checkout / "enter.py").write_text(f"import sys\n{program.replace('-c', 'enter.py')}\n{say}\n")
    return subprocess.run(
        [BASE_PYTHON, "enter.py"], cwd=checkout, env=clean_env(env), capture_output=True, text=True, timeout=300
    )


def uv() -> str:
    return str(Path(sys.executable).parent / "uv")


@pytest.mark.slow
def test_a_clean_clone_enters_its_own_environment_and_the_second_time_asks_nobody(checkout: Path) -> None:
    first = enter(checkout, DUTO_UV=uv())
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith(str(checkout / ".venv"))
    second = enter(checkout, DUTO_UV="/nonexistent/uv", PATH="/nonexistent")
    assert second.returncode == 0, second.stderr
    assert second.stdout == first.stdout
    assert second.stderr == ""
    # A changed lock is noticed.
    with (checkout / "uv.lock").open("a") as lock:
        lock.write("\n")
    assert "/nonexistent/uv" in enter(checkout, DUTO_UV="/nonexistent/uv").stderr


def test_the_test_tools_are_asked_for_once_and_never_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = tmp_path / "stamp.json"
    monkeypatch.setattr(bootstrap, "STAMP", stamp)
    assert not bootstrap.is_ready(dev=False)
    stamp.write_text(json.dumps({"lock": bootstrap.lock_digest(), "dev": False}))
    assert bootstrap.is_ready(dev=False)
    assert not bootstrap.is_ready(dev=True)
    stamp.write_text(json.dumps({"lock": "of yesterday", "dev": True}))
    assert not bootstrap.is_ready(dev=False)
    assert bootstrap.read_stamp()["dev"]


def test_extras_are_installed_where_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = tmp_path / "stamp.json"
    monkeypatch.setattr(bootstrap, "STAMP", stamp)
    stamp.write_text(json.dumps({"lock": bootstrap.lock_digest(), "dev": False, "extras": ["s3"]}))
    monkeypatch.setenv("DUTO_EXTRAS", "s3")
    assert bootstrap.is_ready(dev=False)
    monkeypatch.setenv("DUTO_EXTRAS", "s3, azure")
    assert not bootstrap.is_ready(dev=False)


def test_an_old_python_is_told_what_is_needed() -> None:
    source = (ROOT / "manage.py").read_text()
    ast.parse(source, feature_version=(3, 8))
    old = "import sys; sys.version_info = (3, 8, 0, 'final', 0); exec(open('manage.py').read())"
    done = subprocess.run([sys.executable, "-c", old], cwd=ROOT, env=clean_env(), capture_output=True, text=True)
    assert done.returncode == 1
    assert "Duto needs Python 3.11" in done.stderr and "this is 3.8" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_python_without_pip_is_told_which_package_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUTO_UV", raising=False)
    monkeypatch.setattr(bootstrap, "TOOLS", tmp_path)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _name: None)
    monkeypatch.setattr(sys, "executable", script(tmp_path / "python", "exit 1"))
    with pytest.raises(bootstrap.Refusal, match="python3-pip"):
        bootstrap.find_uv()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("error: No space left on device (os error 28)", "disk is full"),
        ("error: Failed to fetch: `https://x`\n  dns error: failed to lookup", "did not answer"),
        ("ERROR: could not find a version", "failed"),
    ],
)
def test_a_failed_build_says_the_likely_reason(output: str, words: str) -> None:
    assert words in bootstrap.explain("uv sync", output)


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_the_index_of_pip_is_handed_to_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://mirror.example/simple\ncert = /etc/mirror.pem\n"
        "extra-index-url =\n    https://one.example/simple\n    https://two.example/simple\nfind-links = /wheels\n"
    )
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name == "SSL_CERT_FILE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setattr(sys, "executable", BASE_PYTHON)
    index = bootstrap.pip_index()
    assert index["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert index["UV_INDEX"] == "https://one.example/simple https://two.example/simple"
    assert index["UV_FIND_LINKS"] == "/wheels"
    assert index["SSL_CERT_FILE"] == "/etc/mirror.pem"
    assert bootstrap.mirrors(index)
    monkeypatch.setenv("PIP_INDEX_URL", "https://pypi.org/simple")
    assert not bootstrap.mirrors(bootstrap.pip_index())


def test_a_mirror_gives_the_locked_versions_by_their_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tmp_path / "calls"
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / "venv")
    monkeypatch.setattr(bootstrap, "TOOLS", tmp_path)
    fake = script(tmp_path / "uv", f'echo "$@" >> {calls}')
    bootstrap.install_from_mirror(
        fake, {**os.environ, "UV_DEFAULT_INDEX": "https://mirror.example/simple"}, ["--group", "dev"]
    )
    made, exported, installed, members = calls.read_text().splitlines()
    assert made.startswith("venv")
    assert "--frozen" in exported and "--group dev" in exported
    assert "--require-hashes" in installed
    assert "--no-deps" in members and members.count("-e ") == 4


def test_the_lock_names_public_addresses_alone() -> None:
    lock = (ROOT / "uv.lock").read_text()
    assert "file://" not in lock
    hosts = {line.split("://")[1].split("/")[0] for line in lock.split('"') if "://" in line}
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_options_that_are_settings_are_known_before_the_settings() -> None:
    environ: dict[str, str] = {}
    options.export(["manage.py", "up", "--data-dir", "here", "--port=9000", "--no-browser"], environ)
    assert environ == {"DUTO_DATA_DIR": str(Path("here").absolute()), "DUTO_PORT": "9000"}
