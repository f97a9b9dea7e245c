"""What chaos falls upon: PostgreSQL, a studio under its supervisor, its local host, and a far one behind a wire."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks.chaos.plan import CLUSTER
from benchmarks.chaos.relay import Relay
from benchmarks.ground import credentials_env, inside, token_of
from benchmarks.rest import Rest
from studio.bootstrap import ROOT
from studio.supervisor.broker import free_port
from studio.testing.live import LiveStudio, clean_env, eventually
from studio.testing.postgres import Postgres

FAR = "far"
NODES = 4
RESTART_S = 0.5


class FarAgent:
    """An agent of a host that has nothing in common with the studio but a wire, started again whenever it dies."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        self.home, self.env = home, env
        self.process: subprocess.Popen[bytes] | None = None
        self._died_at: float | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "duto_agent", "run", "--home", str(self.home)]
        with (self.home / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._died_at = None

    def look(self) -> None:
        """What a service manager does."""
        if self.process is None or self.process.poll() is None:
            return
        self._died_at = self._died_at or time.monotonic()
        if time.monotonic() - self._died_at > RESTART_S:
            self.start()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            self.process.kill()
            self.process.wait()


class World:
    """All of it on one folder, with a name for each part that can be hurt."""

    def __init__(self, base: Path, lease_seconds: int) -> None:
        self.base, self.lease_seconds = base, lease_seconds
        self.shared = base / "steps"
        self.effects = self.shared / "effects.jsonl"
        self.postgres = Postgres(base, settings={"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"})
        self.port = free_port()
        self.env = {
            "DUTO_DATABASE_URL": self.postgres.url,
            "DUTO_LEASE_SECONDS": str(lease_seconds),
            "DUTO_STEP_FOLDERS": str(self.shared),
            **credentials_env(base),
        }
        self.live = LiveStudio(base / "var", "up", "--port", str(self.port), env=self.env)
        self.said: list[str] = []

    def start(self) -> None:
        self.shared.mkdir(mode=0o777)
        self.postgres.start()
        self.up()
        self.rest = Rest.with_token(self.live.url, token_of(self.live))
        self.relay = Relay(self.port)
        key = secrets.token_urlsafe(24)
        inside(self.live, "chaos_world", f"{FAR}:{key}")
        self.far = FarAgent(self.base / FAR, clean_env({"DUTO_STEP_FOLDERS": str(self.shared)}))
        self.far.home.mkdir()
        # No broker: the one of a studio on one machine is for that machine alone, and bells are only bells.
        host = {"studio": f"http://127.0.0.1:{self.relay.port}", "name": FAR, "key": key}
        (self.far.home / "host.json").write_text(json.dumps(host))
        self.far.start()
        size = {"vm_size": "STANDARD_DS1_V2", "min_nodes": 0, "max_nodes": NODES}
        self.rest.post("compute/", {"name": CLUSTER, **size})

    def up(self) -> None:
        """Start the studio (again), on the same address. Its words go to a file, so that no pipe fills up."""
        out = (self.base / "up.log").open("ab")
        self.live.process = subprocess.Popen(  # type: ignore[assignment]
            self.live.command, cwd=ROOT, env=self.live.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
        out.close()
        assert self.live.process is not None
        pid = self.live.process.pid
        eventually(lambda: self.live.state.get("pid") == pid or self.ended(), 90, "the start of the studio")
        if self.ended():
            raise RuntimeError(f"the studio does not start: {(self.base / 'up.log').read_text()[-2000:]}")

    def ended(self) -> bool:
        return self.live.process is None or self.live.process.poll() is not None

    def part(self, name: str) -> int:
        """The process of a part now, 0 while there is none."""
        pid = int(self.live.state.get("parts", {}).get(name, 0))
        return pid if pid and psutil.pid_exists(pid) else 0

    def attempts(self, host: str) -> Path:
        """Where the agent of a host keeps its attempts."""
        return (self.far.home if host == FAR else self.live.home / "agent") / "attempts"

    def processes(self) -> list[tuple[int, str]]:
        """Everything alive that a step of this world started: pid and the file that names its attempt."""
        mark = f"DUTO_STUDIO_FILE={self.base}".encode()
        found = []
        for path in Path("/proc").iterdir():
            if path.name.isdigit() and int(path.name) != os.getpid():
                with contextlib.suppress(OSError):
                    for variable in (path / "environ").read_bytes().split(b"\0"):
                        if variable.startswith(mark):
                            found.append((int(path.name), variable.decode(errors="replace")))
        return found

    def rows(self) -> dict[str, Any]:
        """All rows that the verdict looks at."""
        found: dict[str, Any] = inside(self.live, "chaos_rows")
        return found

    def part_log(self, part: str) -> str:
        """What a part has written, rotated or not."""
        return "".join(
            path.read_text(errors="replace") for path in sorted((self.live.home / "run").glob(f"{part}.log*"))
        )

    def stop(self) -> None:
        """Everything goes, whatever state it is in."""
        self.postgres.signal(signal.SIGCONT)
        for name in ("web", "worker", "agent", "valkey"):
            if pid := self.part(name):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        if self.live.process and not self.ended():
            self.live.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.live.process.wait(20)
            if self.live.process.poll() is None:
                self.live.process.kill()
        if hasattr(self, "far"):
            self.far.stop()
            self.relay.close()
        for pid, _ in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.postgres.stop()


@contextlib.contextmanager
def world(base: Path, lease_seconds: int) -> Iterator[World]:
    """Up and with a cluster on both hosts; everything is ended afterwards."""
    made = World(base, lease_seconds)
    try:
        made.start()
        yield made
    finally:
        made.stop()
