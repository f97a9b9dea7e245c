"""Whole programs, unchanged, against a studio of real processes, one of them over the surface."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from studio.bootstrap import ROOT
from studio.testing.live import LiveStudio, clean_env, eventually, live_studio
from tests.cran import needs_r, repository

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def env(place: Path) -> dict[str, str]:
    """A person of their own: `up` writes this home's credentials, programs read them."""
    cran = (place / "cran").as_uri()
    return clean_env({"HOME": str(place), "XDG_CONFIG_HOME": str(place / ".config"), "DUTO_CRAN_URL": cran})


@pytest.fixture(scope="module", autouse=True)
def studio(place: Path, env: dict[str, str]) -> Iterator[LiveStudio]:
    with live_studio(place / "var", env=env) as running:
        running.take_over()
        shutil.copytree(Path(__file__).parent / "programs", place / "examples/varied")
        shutil.copy(ROOT / "examples/hello/config.json", place / "examples/varied/config.json")
        shutil.copy(ROOT / "examples/penguins/penguins-raw.csv", place / "examples/varied/automl/penguins.csv")
        shutil.copy(
            ROOT / "examples/data-references/data/lga-2013-02.csv", place / "examples/varied/automl/flights.csv"
        )
        yield running


def run(place: Path, env: dict[str, str], folder: str, program: str) -> str:
    """What a program prints; the test fails with it when the program does."""
    done = subprocess.run(
        [sys.executable, program], cwd=place / "examples" / folder, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(
    shutil.which("mpirun") is None and not os.environ.get("DUTO_REQUIRE_MPI"), reason="there is no mpirun here"
)
def test_several_processes_of_one_script(place: Path, env: dict[str, str], studio: LiveStudio) -> None:
    assert "all processes ran" in run(place, env, "varied", "distributed.py")


def test_one_program_over_the_surface(place: Path, env: dict[str, str]) -> None:
    run(place, env, "varied", "main.py")


def test_the_spellings_of_public_programs(place: Path, env: dict[str, str]) -> None:
    run(place, env, "varied", "spelled.py")


def test_commands(place: Path, env: dict[str, str]) -> None:
    assert run(place, env, "varied", "commands.py").endswith("all commands ran\n")


def test_parallel_steps(place: Path, env: dict[str, str]) -> None:
    assert run(place, env, "varied", "parallel.py").endswith("all parallel steps ran\n")


def test_estimators(place: Path, env: dict[str, str]) -> None:
    assert run(place, env, "varied", "estimators.py").endswith("all estimators ran\n")


def test_sweeps(place: Path, env: dict[str, str]) -> None:
    assert run(place, env, "varied", "sweeps.py").endswith("all sweeps ran\n")


def test_automated_machine_learning(place: Path, env: dict[str, str]) -> None:
    assert run(place, env, "varied", "automl.py").endswith("all of automl ran\n")


def test_searches_that_end_early_and_odd_data(place: Path, env: dict[str, str]) -> None:
    assert run(place, env, "varied", "automl_ends.py").endswith("all searches ended\n")


@pytest.mark.skipif(
    shutil.which("mpirun") is None and not os.environ.get("DUTO_REQUIRE_MPI"), reason="there is no mpirun here"
)
def test_steps_of_many_processes_and_runs_are_resumed_and_cloned(
    place: Path, env: dict[str, str], studio: LiveStudio
) -> None:
    resumed = json.loads(run(place, env, "varied", "going_on.py").splitlines()[-1])
    known = json.loads((place / ".config/duto/credentials.json").read_text())["studios"]
    base = f"{studio.url}/api/v1/workspaces/main/runs/"
    with httpx.Client(headers={"Authorization": f"Bearer {next(iter(known.values()))['token']}"}, timeout=60) as client:
        asked = client.post(f"{base}{resumed}/resubmit/", json={"regenerate_outputs": True})
        assert asked.status_code == 201, asked.text
        clone = f"{base}{asked.json()['id']}/"
        eventually(lambda: client.get(clone).json()["status"] in ("Completed", "Failed"), 240, "the end of the clone")
        steps = client.get(f"{clone}steps/").json()["items"]
    assert [each["step"]["name"] for each in steps if each["status"] != "Completed"] == [], steps
    assert len(steps) == 5 and not any(each["is_reused"] for each in steps)


def test_programs_and_data_transfers(place: Path, env: dict[str, str]) -> None:
    assert run(place, env, "varied", "other_steps.py").endswith("all other steps ran\n")


def test_modules(place: Path, env: dict[str, str]) -> None:
    assert run(place, env, "varied", "modules.py").endswith("all modules ran\n")


@needs_r
def test_steps_of_r(place: Path, env: dict[str, str]) -> None:
    repository(place / "cran")
    assert run(place, env, "varied", "r_scripts.py").endswith("all steps of R ran\n")
