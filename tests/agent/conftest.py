"""Fixtures of the agent's tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from duto_agent.launchers import bubblewrap
from duto_agent.launchers.bubblewrap import Bubblewrap
from duto_agent.launchers.cgroups import Cgroups
from duto_agent.launchers.process import ProcessLauncher
from studio.testing.slurm import SlurmCluster
from tests.agent.containers import Boxes
from tests.agent.jobs import Jobs
from tests.agent.steps import Steps


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    made = Steps(tmp_path / "attempts")
    yield made
    made.close()


@pytest.fixture
def boxes(engine_socket: str) -> Iterator[Boxes]:
    made = Boxes(engine_socket)
    yield made
    made.close()


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with nothing but the standard library, as steps without packages get it."""
    folder = tmp_path_factory.mktemp("bare") / "env"
    subprocess.run([os.path.realpath(sys.executable), "-m", "venv", "--without-pip", folder], check=True)
    return str(folder / "bin" / "python")


@pytest.fixture
def guarded(tmp_path: Path, bare_python: str) -> Iterator[Steps]:
    """Local processes with the sandbox and all limits that this machine allows."""
    made = Steps(tmp_path / "home" / "attempts")
    program, made.python = bubblewrap.find(), bare_python
    sandbox = Bubblewrap(program, tmp_path / "home") if program else None
    made.launcher = ProcessLauncher(made.root, made.zygote, None, Cgroups.find(), sandbox)
    yield made
    for key in made.launcher.discover():
        made.launcher.signal(key, 0)
        made.wait(key)
        made.launcher.cleanup(key)
    made.close()


@pytest.fixture
def jobs(slurm_cluster: SlurmCluster, tmp_path: Path, bare_python: str) -> Iterator[Jobs]:
    made = Jobs(slurm_cluster, tmp_path / "attempts", bare_python)
    yield made
    made.close()


HOSTS = {"process": "guarded", "docker": "boxes", "slurm": "jobs"}


@pytest.fixture(
    params=[
        "process",
        pytest.param("docker", marks=[pytest.mark.docker]),
        pytest.param("slurm", marks=[pytest.mark.slurm]),
    ]
)
def host(request: pytest.FixtureRequest) -> Steps | Boxes | Jobs:
    """The same promises, whatever runs the step."""
    return request.getfixturevalue(HOSTS[request.param])  # type: ignore[no-any-return]
