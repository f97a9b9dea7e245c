"""The floor of `container`: the same image, the same hardened options, and nothing but the engine's own calls."""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path

from duto_agent.engine.client import Engine
from duto_agent.launchers.base import AttemptKey, Launch, Reservation
from duto_agent.launchers.container import UID, ContainerSetting, Relaxed, config_of
from duto_agent.launchers.networks import Networks
from duto_agent.launchers.relay import Relay

CORES, MEMORY = 1, 3584 << 20  # a node of the benchmarks' cluster
NOWHERE = "http://127.0.0.1:9"


def main(socket: str, image: str, count: int) -> None:
    """So many containers, one after the other, in a network that is there; seconds for all."""
    engine, label = Engine(socket), f"duto-bench-{uuid.uuid4().hex[:12]}"
    labels = {"duto.installation": label}
    networks = Networks(engine, Relay(Path("relay"), NOWHERE), label, labels)
    try:
        network = networks.join("floor", "none", image)
        config = config_of(_launch(), Relaxed(), _place(image, labels, network))
        began = time.perf_counter()
        for number in range(count):
            _run(engine, f"{label}-{number}", config)
        print(json.dumps({"seconds": time.perf_counter() - began}))
    finally:
        for each in engine.containers(labels):
            engine.remove(each["Id"])


def _run(engine: Engine, name: str, config: dict[str, object]) -> None:
    engine.create(name, config)
    engine.start(name)
    code = engine.call(lambda api: api.wait(name))["StatusCode"]
    engine.remove(name)
    if code != 0:
        raise SystemExit(f"a bare container ended with {code}")


def _launch() -> Launch:
    key = AttemptKey("floor", 1)
    return Launch(key, (), Path("/"), {}, reserved=Reservation(CORES, MEMORY))


def _place(image: str, labels: dict[str, str], network: str) -> ContainerSetting:
    entrypoint = ("python3", "-c", "pass")
    return ContainerSetting(image, entrypoint, labels, (), network, f"{UID}:{UID}", CORES, seal="")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
