"""The example of the articles' calls, unchanged, on a studio of each database."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from studio.bootstrap import ROOT
from studio.testing.live import LiveStudio, clean_env, live_studio

pytestmark = [pytest.mark.slow]


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The settings of a studio: none for SQLite, or a fresh database of the suite's server."""
    if request.param == "sqlite":
        yield {}
        return
    server, name = os.environ["DUTO_DATABASE_URL"], f"article_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield {"DUTO_DATABASE_URL": urlsplit(server)._replace(path=f"/{name}").geturl()}
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run(folder: Path, env: dict[str, str], *more: str) -> list[str]:
    """The lines that the program prints; the test fails with them when the program does."""
    command = [sys.executable, "pipeline.py", *more]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_the_calls_of_the_articles(database: dict[str, str], tmp_path: Path) -> None:
    """The second run of each reuses what may be reused; the step with `allow_reuse=False` runs each time."""
    person = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}
    folder = tmp_path / "article"
    shutil.copytree(ROOT / "examples" / "article", folder)
    LiveStudio(tmp_path / "var").take_over()
    with live_studio(tmp_path / "var", env={**person, **database}) as studio:
        assert (studio.home / "db.sqlite3").exists() is (not database), (
            "it keeps its rows in the database that was asked for"
        )
        # Which packages a step has is no matter of the database.
        for more in ((),) if database else ((), ("--own-packages",)):
            lines = run(folder, clean_env(person), *more)
            assert "Datastores: workspaceblobstore workspaceblobstore workspacefilestore" in lines
            assert "[prepare.py] 342 of 344 records are complete." in lines
            known = "Found" if more else "Creating"
            assert f"{known} the compute target 'cpu-cluster'." in lines
            assert lines[-6:] == [
                "Article prepare.py Finished ran",
                "Article summarize.py Finished ran",
                "Article train.py Finished ran",
                "Article, again prepare.py Finished true",
                "Article, again summarize.py Finished ran",
                "Article, again train.py Finished true",
            ]
