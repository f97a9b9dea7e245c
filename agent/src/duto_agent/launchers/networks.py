"""The networks of runs: one small container for each run and policy holds a network, and the run's steps join it.

Joining costs half of what an own network would. Steps of one run see each other's loopback; those of others do not.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from duto.spec.sentences import said
from duto_agent.engine.client import Engine, EngineRefused, Facts
from duto_agent.engine.errors import EngineAway
from duto_agent.launchers.base import LaunchFailed
from duto_agent.launchers.container import LOG, UID
from duto_agent.launchers.exit_events import discard
from duto_agent.launchers.relay import Relay
from duto_agent.loops import start_loop

log = logging.getLogger(__name__)

POLICIES = ("none", "studio", "open")
RELAY = Path(__file__).resolve().parent.parent / "shim" / "relay.py"
IDLE_S = 60.0
MEMORY = 64 << 20
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Networks:
    """`labels` mark whatever belongs to this host of this installation."""

    def __init__(self, engine: Engine, relay: Relay, prefix: str, labels: Mapping[str, str]) -> None:
        self.engine, self.relay, self.prefix, self.labels = engine, relay, prefix, dict(labels)
        self._used: dict[str, float] = {}
        self._standing: set[str] = set()  # seen running by us; `recheck` tells when one is not any more
        self._lock, self._stop = threading.Lock(), threading.Event()

    def join(self, group: str, policy: str, image: str) -> str:
        """The `NetworkMode` of a step of this run. Raises LaunchFailed, EngineAway, EngineRefused."""
        if policy not in POLICIES:
            raise LaunchFailed(said("no_such_network", name=policy, known=", ".join(POLICIES)))
        name = f"{self.prefix}-net-{hashlib.sha256(group.encode()).hexdigest()[:16]}-{policy}"
        with self._lock:
            self._used[name] = time.monotonic()
            if name not in self._standing:
                self._ensure(name, policy, image)
                self._standing.add(name)
        return f"container:{name}"

    def _ensure(self, name: str, policy: str, image: str) -> None:
        self.engine.create(name, self._config(name, policy, image))
        found = self.engine.inspect(name)
        if found is not None and (found.get("State") or {}).get("Running"):
            return
        try:
            self.engine.start(name)
        except EngineRefused:  # mostly an engine that was killed amid an earlier start; else it says so again
            discard(self.engine, name)
            self.engine.create(name, self._config(name, policy, image))
            self.engine.start(name)

    def recheck(self, network: str) -> None:
        """A step could not join it: whoever asks next looks whether it is still there."""
        with self._lock:
            self._standing.discard(network.partition(":")[2])

    def studio_for(self, policy: str, studio: str) -> str:
        """An address that the relay answers. With `none` nothing is reached, whatever it says."""
        if policy == "none" or (policy == "open" and not self.is_local):
            return studio
        if self._is_name(self.relay.host):
            return studio  # the name leads to the relay there, so that certificates and addresses stay what they are
        return f"{studio.partition('://')[0]}://127.0.0.1:{self.relay.port}"

    @property
    def is_local(self) -> bool:
        """A studio on this very machine is behind the relay even in an open network: its loopback is another."""
        return self.relay.host in LOOPBACK

    def start(self) -> None:
        """Serve the relay, and let unused networks go. Raises OSError."""
        self.relay.start()
        start_loop("networks", self._turn, self._stop)

    def stop(self) -> None:
        """Networks stay: steps that run are in them."""
        self._stop.set()
        self.relay.stop()

    def _turn(self) -> None:
        if not self._stop.wait(IDLE_S / 2):
            with contextlib.suppress(EngineAway, EngineRefused):
                self.tidy()

    def tidy(self) -> None:
        """Remove the networks that no container has joined for a while. Raises EngineAway, EngineRefused."""
        containers = self.engine.containers(self.labels)
        joined = {each["Labels"].get("duto.network") for each in containers}
        for each in containers:
            name = each["Names"][0].lstrip("/")
            if each["Labels"].get("duto.kind") == "network":
                self._tidy_one(name, is_joined=name in joined)

    def _tidy_one(self, name: str, is_joined: bool) -> None:
        with self._lock:
            now = time.monotonic()
            last = self._used.setdefault(name, now)
            if is_joined:
                self._used[name] = now
            elif now - last > IDLE_S:
                self._standing.discard(name)
                try:
                    self.engine.remove(name)
                    self._used.pop(name)
                except EngineRefused as refused:  # the next round tries it again; the other networks are not held up
                    log.warning("the network %s is still there: %s", name, refused)

    def _config(self, name: str, policy: str, image: str) -> Facts:
        is_relayed = policy == "studio" or (policy == "open" and self.is_local)
        arguments = [str(self.relay.port), str(self.relay.path)] if is_relayed else []
        hosts = [f"{self.relay.host}:127.0.0.1"] if is_relayed and self._is_name(self.relay.host) else []
        mounts = [RELAY, *([self.relay.folder] if is_relayed else [])]
        return {
            "Image": image,
            "Entrypoint": ["python3", "-I", "-S", str(RELAY), *arguments],
            "Cmd": [],
            "User": f"{UID}:{UID}",
            "Env": ["NVIDIA_VISIBLE_DEVICES=void"],
            "Labels": {**self.labels, "duto.kind": "network"},
            "HostConfig": {
                "Init": True,
                "ReadonlyRootfs": True,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "PidsLimit": 32,
                "Memory": MEMORY,
                "MemorySwap": MEMORY,
                "LogConfig": LOG,
                "NetworkMode": "bridge" if policy == "open" else "none",
                "ExtraHosts": hosts,
                "Mounts": [
                    {"Type": "bind", "Source": str(each), "Target": str(each), "ReadOnly": True} for each in mounts
                ],
            },
        }

    @staticmethod
    def _is_name(host: str) -> bool:
        """Whether it can stand in a hosts file, and is not the loopback itself."""
        return host not in LOOPBACK and not host.replace(".", "").isdigit() and ":" not in host
