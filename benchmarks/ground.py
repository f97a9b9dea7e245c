"""What the benchmarks stand on: a studio of its own, a database server where one is asked for."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

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


@contextlib.contextmanager
def studio(database: str, env: dict[str, str] | None = None) -> Iterator[LiveStudio]:
    """A running studio on a fresh data directory, as `up` makes it."""
    with folder() as base, database_env(database, base) as chosen:
        home = base / "home"
        home.mkdir()
        live = LiveStudio(base / "var", env={**chosen, "HOME": str(home), **(env or {})}).start()
        try:
            yield live
        finally:
            live.stop()
            live.kill()


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
