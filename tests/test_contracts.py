"""What every change must keep: imports that go one way, and a clean bill from the linter."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from studio.bootstrap import ROOT

BIN = Path(sys.executable).parent


def test_imports_go_down_the_house() -> None:
    done = subprocess.run([BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_contracts_have_no_exceptions() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert len(contracts) > 5 and not any(
        each.get("ignore_imports") or each.get("skip_descendants") for each in contracts
    )


def test_the_linter_has_nothing_to_say() -> None:
    command = [BIN / "ruff", "check", "--no-cache", "--output-format", "concise", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_types_hold() -> None:
    apps = ["core", "workspaces", "datasets", "environments", "compute", "registry", "pipelines", "runs", "studio"]
    packages = ["sdk/duto/src/duto", "sdk/azureml/src/azureml", "agent/src/duto_agent", "benchmarks"]
    command = [BIN / "mypy", "--no-error-summary", *apps, *packages]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
