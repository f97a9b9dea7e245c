"""The hosts whose steps run in containers: one beside the studio's disk, one in a network of its own behind a wire."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.chaos.engines import PLACES, Namespace, OwnEngine
from benchmarks.chaos.hosts import OwnAgent
from benchmarks.chaos.relay import Relay
from studio.testing.engine import IMAGE
from studio.testing.live import clean_env

DOCK, ISLE = "dock", "isle"
HOSTS = (DOCK, ISLE)


class Docks:
    """Two engines, and an agent for each."""

    def __init__(self, base: Path, shared: Path) -> None:
        self.base = base
        number = 2 * (os.getpid() % (PLACES // 2))
        self.engines = {
            host: OwnEngine(base / f"{host}-engine", Namespace(f"dc{os.getpid()}{host[0]}", number + place))
            for place, host in enumerate(HOSTS)
        }
        env = clean_env({"DUTO_STEP_FOLDERS": str(shared)})
        far = self.engines[ISLE].net.enter
        self.agents = {DOCK: OwnAgent(base / DOCK, env), ISLE: OwnAgent(base / ISLE, env, far)}
        self.relay: Relay | None = None

    @property
    def address(self) -> str:
        """By which the far one finds the studio."""
        return self.engines[ISLE].net.here

    def start_engines(self) -> None:
        """Raises NoEngine."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(OwnEngine.start, self.engines.values()))

    def start_agents(self, studio: int, data_dir: Path, keys: dict[str, str]) -> None:
        """`studio`: its port."""
        self.relay = Relay(studio, self.address)
        local = json.loads((data_dir / "agent" / "host.json").read_text())
        on_disk = {name: local[name] for name in ("store_marker", "data_dir")}
        places: dict[str, dict[str, Any]] = {
            DOCK: {"studio": f"http://127.0.0.1:{studio}", **on_disk},
            ISLE: {"studio": f"http://{self.address}:{self.relay.port}"},
        }
        for host, place in places.items():
            own = {"name": host, "key": keys[host], "installation": local["installation"]}
            launcher = {"launcher": "docker", "engine": self.engines[host].socket, "base_image": IMAGE}
            self.agents[host].settle({**place, **own, **launcher})

    def look(self) -> None:
        for engine in self.engines.values():
            engine.look()
        for agent in self.agents.values():
            agent.look()

    def left(self) -> list[str]:
        """Every container that is still there, by host, kind and name."""
        return [
            f"{host}: {(each['Labels'] or {}).get('duto.kind', 'container')} {each['Names'][0].lstrip('/')}"
            for host, engine in self.engines.items()
            for each in _list_with_retries(engine)
        ]

    def stop(self) -> None:
        for agent in self.agents.values():
            agent.stop()
        if self.relay is not None:
            self.relay.close()
        for engine in self.engines.values():
            engine.stop()


def _list_with_retries(engine: OwnEngine) -> list[dict[str, Any]]:
    """It may just be starting again."""
    until = time.monotonic() + 30
    while True:
        try:
            return engine.containers()
        except OSError:
            if time.monotonic() > until:
                raise
            engine.look()
            time.sleep(0.5)
