"""`firstrun`: a clean clone to the end of the sample pipeline, with the package cache warm."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench_env import credentials_env, database_env, folder, inside
from benchmarks.registry import Sample, Setting, benchmark
from studio.bootstrap import ROOT
from studio.testing.live import LiveStudio, clean_env


@benchmark("firstrun", "s", "value <= 60")
def firstrun(setting: Setting) -> Iterator[Sample]:
    """`demo --exit` as a newcomer types it; the floor is the build of the sample's environment in it."""
    while True:
        with folder() as base, database_env(setting.database, base) as chosen:
            env = {**chosen, **credentials_env(base)}
            checkout = ROOT if setting.small else clone(base)
            studio = LiveStudio(base / "var", "demo", "--exit", env=env)
            began = time.monotonic()
            demo(checkout, studio)
            value = time.monotonic() - began
            floor = inside(studio, "build_seconds")["seconds"]
        yield Sample(value, floor)


def clone(base: Path) -> Path:
    """What a newcomer has: the committed files and nothing else."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(base / "clone")], check=True)
    return base / "clone"


def demo(checkout: Path, studio: LiveStudio) -> None:
    """Run it with the machine's own Python; the clone makes its environment by itself."""
    python = sys.executable if checkout == ROOT else str(getattr(sys, "_base_executable", sys.executable))
    env = {name: value for name, value in studio.env.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [python, *studio.command[1:]], cwd=checkout, env=clean_env() | env, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"the demo ended with {done.returncode}:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
