"""`manage.py test [pytest arguments]`."""

from __future__ import annotations

import subprocess
import sys

from studio.bootstrap import ROOT


def main(arguments: list[str]) -> int:
    """The smaller set on SQLite, then all on PostgreSQL; with arguments, exactly what they say."""
    if arguments:
        return pytest(arguments)
    print("On SQLite, as `up` configures it: the tests marked sqlite.", flush=True)
    first = pytest(["--sqlite"])
    print("\nOn PostgreSQL: the whole suite.", flush=True)
    second = pytest([])
    # No test at all (5) is a failure, too; pytest's closing line is the last of the output.
    return second or first


def pytest(arguments: list[str]) -> int:
    """One pytest in a process of its own: each reads the settings afresh."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT).returncode
