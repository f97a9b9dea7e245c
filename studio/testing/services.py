"""Everything around one run of the suite: services, settings, a home of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from studio.supervisor import broker
from studio.supervisor.layout import Layout
from studio.supervisor.parts import Part, stop_all
from studio.testing.postgres import Postgres

# What a developer's machine may say, and no test may hear.
FOREIGN = (
    "DUTO_",
    "AZUREML_",
    "AML_",
    "MLFLOW_",
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "GIT_AUTHOR",
    "GIT_COMMITTER",
    "DJANGO_",
)
KEPT = ("DUTO_REQUIRE_", "DUTO_PG_BIN", "DUTO_REDIS_BIN", "DUTO_CHROMIUM", "DUTO_NO_BOOTSTRAP", "DUTO_TEST_")


class Services:
    """Starts what the settings will name, before they are read."""

    def __init__(self, sqlite: bool) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="duto-test-"))
        self.sqlite = sqlite
        self.postgres: Postgres | None = None
        self.valkey: Part | None = None

    def isolate(self) -> None:
        """Set the environment."""
        isolate(self.base)

    def start(self) -> None:
        """Set the environment and start PostgreSQL (unless the suite is for SQLite) and Valkey."""
        redis_bin = os.environ.get("DUTO_REDIS_BIN", "")
        isolate(self.base)
        if not self.sqlite:
            self.postgres = Postgres(self.base)
            self.postgres.start()
            os.environ["DUTO_DATABASE_URL"] = self.postgres.near_url
        layout = Layout(self.base / "data")
        layout.prepare()
        plan = broker.plan(layout, "", redis_bin)
        self.valkey = Part("valkey", plan.command, os.environ, layout.log("valkey"))
        self.valkey.start()
        if not broker.wait_for(plan.port, 60):
            raise RuntimeError(f"Valkey does not start:\n{self.valkey.tail()}")
        os.environ["DUTO_REDIS_URL"] = plan.url
        os.environ["DUTO_DATA_DIR"] = str(layout.home)

    def stop(self) -> None:
        """Leave nothing behind."""
        close_pools()
        if self.valkey:
            stop_all([[self.valkey]], 2)
        if self.postgres:
            self.postgres.stop()
        shutil.rmtree(self.base, ignore_errors=True)


def close_pools() -> None:
    """Before PostgreSQL goes: a pool that is still open would try to reach it, and complain after the last line."""
    from django.conf import settings
    from django.db import connections

    if not settings.configured:
        return
    for connection in connections.all(initialized_only=True):
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()


def isolate(base: Path) -> None:
    """A home without anyone's credentials; caches and tools stay where they are."""
    old = Path.home()
    for name in list(os.environ):
        if name.startswith(FOREIGN) and not name.startswith(KEPT):
            del os.environ[name]
    keep = {
        "UV_CACHE_DIR": old / ".cache" / "uv",
        "PYENV_ROOT": old / ".pyenv",
        "PIP_CONFIG_FILE": old / ".config" / "pip" / "pip.conf",
        "PLAYWRIGHT_BROWSERS_PATH": old / ".cache" / "ms-playwright",
        "TESTS_CACHE": old / ".cache",
    }
    for name, path in keep.items():
        if name not in os.environ and path.exists():
            os.environ[name] = str(path)
    home = base / "home"
    home.mkdir()
    os.environ.update(
        {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "DUTO_SECRET_KEY": "only-for-tests-" + "0" * 32,
            "DUTO_LOG_LEVEL": "WARNING",
            "TZ": "UTC",
        }
    )
