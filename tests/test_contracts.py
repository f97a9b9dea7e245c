"""What every change must keep: imports that go one way, and a clean bill from the linter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from studio.bootstrap import ROOT

BIN = Path(sys.executable).parent


def test_imports_go_down_the_house() -> None:
    done = subprocess.run([BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_contracts_have_no_exceptions() -> None:
    assert "ignore_imports = [\n" not in (ROOT / "pyproject.toml").read_text()


def test_the_linter_has_nothing_to_say() -> None:
    command = [BIN / "ruff", "check", "--no-cache", "--output-format", "concise", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_types_of_the_studio_hold() -> None:
    apps = ["core", "workspaces", "datasets", "environments", "compute", "registry", "pipelines", "runs", "studio"]
    command = [BIN / "mypy", "--no-error-summary", *apps, "benchmarks"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
