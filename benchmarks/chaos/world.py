"""What chaos falls upon: PostgreSQL, a studio under its supervisor, its local host, a far one, and two of containers."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks.bench_env import credentials_env, inside, token_of
from benchmarks.chaos import schedules, store
from benchmarks.chaos.container_hosts import HOSTS, ISLE, Docks
from benchmarks.chaos.engines import OwnEngine
from benchmarks.chaos.hosts import OwnAgent
from benchmarks.chaos.plan import BOXES, CLUSTER
from benchmarks.chaos.relay import Relay
from benchmarks.rest import Rest
from studio.bootstrap import ROOT
from studio.supervisor.broker import free_port
from studio.testing.live import LiveStudio, clean_env, eventually
from studio.testing.postgres import Postgres

FAR, LOCAL = "far", "local"
NODES = 4


class World:
    """All of it on one folder, with a name for each part that can be hurt."""

    def __init__(self, base: Path, lease_seconds: int, network: str | None, ticking: int) -> None:
        """`network`: the policy of the steps in containers; None: there are none. `ticking`: schedules, each of a minute."""
        self.base, self.lease_seconds, self.network, self.ticking = base, lease_seconds, network, ticking
        self._store: store.FarStore | None = None
        self.shared = base / "steps"
        self.effects = self.shared / "effects.jsonl"
        self.postgres = Postgres(base, settings={"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"})
        self.port = free_port()
        self.docks = Docks(base, self.shared) if network else None
        self.env = {
            "DUTO_DATABASE_URL": self.postgres.url,
            "DUTO_LEASE_SECONDS": str(lease_seconds),
            "DUTO_STEP_FOLDERS": str(self.shared),
            "DUTO_ALLOWED_HOSTS": self.docks.address if self.docks else "",
            **credentials_env(base),
        }
        if rclone := store.program():
            self._store = store.FarStore(base, rclone)
            self.env["DUTO_FETCH_PRIVATE"] = "true"
        self.live = LiveStudio(base / "var", "up", "--port", str(self.port), env=self.env)
        self.said: list[str] = []

    @property
    def far_store(self) -> store.FarStore:
        """Raises AssertionError where there is none."""
        assert self._store is not None
        return self._store

    @property
    def has_store(self) -> bool:
        return self._store is not None

    def store_files(self) -> dict[str, str] | None:
        """Digests of what lies on the far store, by key; None where there is none."""
        return self._store.files() if self._store else None

    def start(self) -> None:
        self.shared.mkdir()
        self.effects.touch()
        # Steps in containers are another user.
        self.shared.chmod(0o777)
        self.effects.chmod(0o666)
        if self.docks:
            self.docks.start_engines()
        self.postgres.start()
        self.up()
        self.rest = Rest.with_token(self.live.url, token_of(self.live))
        keys = {host: secrets.token_urlsafe(24) for host in (FAR, *(HOSTS if self.docks else ()))}
        inside(self.live, "chaos_world", *(f"{host}:{key}" for host, key in keys.items()))
        self.relay = Relay(self.port)
        self.far = OwnAgent(self.base / FAR, clean_env({"DUTO_STEP_FOLDERS": str(self.shared)}))
        # No broker: the one of a studio on one machine is for that machine alone, and wake-ups are only wake-ups.
        self.far.settle({"studio": f"http://127.0.0.1:{self.relay.port}", "name": FAR, "key": keys[FAR]})
        self._clusters()
        if self._store:
            self._store.start()
            self._store.register(self.rest)
        schedules.make(self.rest, self.ticking)
        if self.docks:
            self.docks.start_agents(self.port, self.live.home, keys)

    def _clusters(self) -> None:
        size = {"vm_size": "STANDARD_DS1_V2", "min_nodes": 0, "max_nodes": NODES}
        self.rest.post("compute/", {"name": CLUSTER, "launcher": "process", **size})
        if self.docks:
            self.rest.post("compute/", {"name": BOXES, "launcher": "docker", "network": self.network, **size})

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

    @property
    def agents(self) -> dict[str, OwnAgent]:
        """Those that this harness looks after, by host."""
        return {FAR: self.far, **(self.docks.agents if self.docks else {})}

    def look(self) -> None:
        """What died is started again."""
        self.far.look()
        if self.docks:
            self.docks.look()

    def engine(self, host: str) -> OwnEngine:
        """That of a host of containers."""
        assert self.docks is not None
        return self.docks.engines[host]

    def wire(self, host: str) -> Relay:
        """By which a host reaches the studio."""
        relay = self.docks.relay if self.docks and host == ISLE else self.relay
        assert relay is not None
        return relay

    def homes(self) -> dict[str, Path]:
        """Where each agent keeps its attempts, by host."""
        return {LOCAL: self.live.home / "agent"} | {host: agent.home for host, agent in self.agents.items()}

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

    def containers(self) -> list[str]:
        """What is left on the engines of this world."""
        return self.docks.left() if self.docks else []

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
        if self.docks:
            self.docks.stop()
        if self._store:
            self._store.stop()
        for pid, _ in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.postgres.stop()


@contextlib.contextmanager
def world(
    base: Path, lease_seconds: int, network: str | None = None, ticking: int = schedules.COUNT
) -> Iterator[World]:
    """Up and with its clusters; everything is ended afterwards. `network`: of the steps in containers, if there are any."""
    made = World(base, lease_seconds, network, ticking)
    try:
        made.start()
        yield made
    finally:
        made.stop()
