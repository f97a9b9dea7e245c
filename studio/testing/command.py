"""`manage.py test [pytest arguments]`."""

from __future__ import annotations

import os
import subprocess
import sys

from studio.bootstrap import ROOT
from studio.testing.envs import known_to_each_other
from studio.testing.rewriting import rewrite_all

MOST_WORKERS = 4  # each has a database, a broker and, for a while, a whole studio


def main(arguments: list[str]) -> int:
    """The smaller set on SQLite, then all on PostgreSQL; with arguments, exactly what they say."""
    with known_to_each_other():
        return run(arguments)


def run(arguments: list[str]) -> int:
    """Its exit code."""
    if arguments:
        return pytest(arguments)
    rewrite_all()
    print("On SQLite, as `up` configures it: the tests marked sqlite.", flush=True)
    first = pytest(["--sqlite", *side_by_side(0)])
    print("\nOn PostgreSQL: the whole suite.", flush=True)
    second = pytest(side_by_side(2))
    # No test at all (5) is a failure, too; pytest's closing line is the last of the output.
    return second or first


def side_by_side(more: int) -> list[str]:
    """Files of tests on several workers, each with services of its own, in the order of the plugin.

    `more`: workers beyond the cores, where much of the time is spent on waiting for other processes.
    """
    cores = os.cpu_count() or 1
    workers = min(cores + more, MOST_WORKERS) if cores > 1 else 1
    return ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"] if workers > 1 else []


def pytest(arguments: list[str]) -> int:
    """One pytest in a process of its own: each reads the settings afresh.

    Compiled modules are kept even where Python is told not to: the suite starts some hundred processes of the same code.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=env).returncode
