"""What the benchmarks stand on: a studio of its own, a database server where one is asked for."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.registry import Setting
from studio.bootstrap import ROOT
from studio.testing.live import LiveStudio


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A fresh folder that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="duto-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def database_env(name: str, base: Path) -> Iterator[dict[str, str]]:
    """The variables that select a database; PostgreSQL is started for the length of the block, with fsync on."""
    if name != "postgres":
        yield {}
        return
    from studio.testing.postgres import Postgres

    server = Postgres(base, settings={"fsync": "on", "synchronous_commit": "on"})
    server.start()
    try:
        yield {"DUTO_DATABASE_URL": server.url}
    finally:
        server.stop()


def credentials_env(base: Path) -> dict[str, str]:
    """The programs' key beside the data; a home of its own would hide the package cache, which is meant to be warm."""
    return {"DUTO_CREDENTIALS": str(base / "credentials.json")}


@contextlib.contextmanager
def studio(setting: Setting, env: Mapping[str, str] | None = None) -> Iterator[LiveStudio]:
    """A running studio on a fresh data directory, as `up` makes it; `env`: what it is told beside the database."""
    if setting.live is not None:
        yield setting.live
        return
    with folder() as base, database_env(setting.database, base) as chosen:
        live = LiveStudio(base / "var", env={**chosen, **credentials_env(base), **(env or {})}).start()
        try:
            yield live
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                live.stop()
            live.kill()


def token_of(live: LiveStudio) -> str:
    """The owner's key, from the file that a start leaves for programs."""
    known = json.loads(Path(live.env["DUTO_CREDENTIALS"]).read_text())["studios"]
    return str(next(iter(known.values()))["token"])


def inside_env(live: LiveStudio) -> dict[str, str]:
    """The environment of a program that opens this studio's database."""
    return home_env(live.home, live.env)


def home_env(home: Path, env: Mapping[str, str]) -> dict[str, str]:
    """The same for a data directory, whether a studio runs on it or not."""
    return {**env, "DUTO_DATA_DIR": str(home), "DUTO_EMBEDDED": "1"}


def inside(live: LiveStudio, module: str, *arguments: str) -> Any:
    """Run a module of `benchmarks.inside` on the studio's own data; it prints one JSON document."""
    return run_inside(inside_env(live), module, *arguments)


def run_inside(env: Mapping[str, str], module: str, *arguments: str) -> Any:
    """Run such a module in this environment."""
    command = [sys.executable, "-m", f"benchmarks.inside.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{module} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def until_200(
    port: int, path: str, process: subprocess.Popen[str] | subprocess.Popen[bytes], seconds: float = 60
) -> None:
    """Ask until the page is there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        connection.close()
        time.sleep(0.005)
    raise RuntimeError(f"no page within {seconds} s")
