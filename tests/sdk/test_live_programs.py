"""Whole programs, unchanged, against a studio of real processes: the small examples, and one over the surface."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.bootstrap import ROOT
from studio.testing.live import LiveStudio, clean_env, live_studio

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def env(place: Path) -> dict[str, str]:
    """A person of their own: `up` writes this home's credentials, programs read them."""
    return clean_env({"HOME": str(place), "XDG_CONFIG_HOME": str(place / ".config")})


@pytest.fixture(scope="module", autouse=True)
def studio(place: Path, env: dict[str, str]) -> Iterator[LiveStudio]:
    with live_studio(place / "var", env=env) as running:
        running.take_over()
        shutil.copytree(ROOT / "examples", place / "examples")
        shutil.copytree(Path(__file__).parent / "programs", place / "examples/varied")
        shutil.copy(ROOT / "examples/hello/config.json", place / "examples/varied/config.json")
        yield running


def run(place: Path, env: dict[str, str], folder: str, program: str) -> str:
    """What a program prints; the test fails with it when the program does."""
    done = subprocess.run(
        [sys.executable, program], cwd=place / "examples" / folder, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_hello(place: Path, env: dict[str, str]) -> None:
    assert run(place, env, "hello", "pipeline.py").endswith("first false\nsecond true\nthird true\n")


def test_hello_data(place: Path, env: dict[str, str]) -> None:
    shown = run(place, env, "hello", "dataset_pipeline.py")
    assert "{'rows': 20, 'mean': 6.75}" in shown and "Triggered run" in shown


def test_one_program_over_the_surface(place: Path, env: dict[str, str]) -> None:
    run(place, env, "varied", "main.py")


def test_the_spellings_of_public_programs(place: Path, env: dict[str, str]) -> None:
    run(place, env, "varied", "spelled.py")
