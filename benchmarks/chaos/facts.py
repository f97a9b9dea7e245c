"""What is found after a chaos run: rows, logs, effects, processes, folders, faults that the web told of."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.chaos import schedules
from benchmarks.chaos.faults import Fault
from benchmarks.chaos.plan import RunPlan
from benchmarks.chaos.world import World

FAULT = re.compile(
    r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ \S+ \S+: (.*(?:Internal Server Error|Exception in ASGI).*)$", re.M
)
QUIET_S = 30.0
# The network of a run goes a minute after its last step, with the next look.
NETWORKS_S, NETWORK = 180.0, ": network "


@dataclass
class Facts:
    """Values only; `verdict` compares them."""

    plans: list[RunPlan]
    injected: list[Fault]
    lease_seconds: float
    rows: dict[str, Any]
    # The stored log by attempt id.
    logs: dict[str, bytes] = field(default_factory=dict)
    effects: list[dict[str, Any]] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    # What the harness's own engines still have.
    containers: list[str] = field(default_factory=list)
    # Digests of what lies on the far store, by key; None where there is none.
    store: dict[str, str] | None = None
    # When the web told of a fault of its own (seconds since 1970), and of which.
    faults: list[tuple[float, str]] = field(default_factory=list)


def collect(world: World, plans: list[RunPlan], injected: list[Fault], is_short: bool = False) -> Facts:
    """Wait until the hosts have put away what ended, then look at everything.

    `is_short`: the networks of runs, which may stand for a minute after their last step, are not waited for.
    """
    schedules.finish(world.live)
    began = time.monotonic()
    while (waited := _awaited(world, is_short)) and time.monotonic() - began < waited:
        world.look()
        time.sleep(0.5)
    facts = Facts(plans, injected, world.lease_seconds, world.rows())
    facts.processes = [f"{pid} of {name}" for pid, name in world.processes()]
    facts.folders = _folders(world)
    facts.containers = _containers(world, is_short)
    facts.store = world.store_files()
    facts.effects = _effects(world.effects)
    facts.faults = faults_of(world.part_log("web"))
    world.rest.close()  # the studio has given up the idle connection meanwhile
    for attempt in facts.rows["attempts"]:
        facts.logs[attempt["id"]] = _log(world, attempt)
    return facts


def faults_of(text: str) -> list[tuple[float, str]]:
    """Faults in the log of the web, by their time."""
    return [
        (datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").astimezone().timestamp(), found[2])
        for found in FAULT.finditer(text)
    ]


def keep(facts: Facts, folder: Path) -> None:
    """Evidence for whoever looks into a deviation."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.json").write_text(json.dumps(facts.rows, indent=1))
    (folder / "faults.json").write_text(json.dumps([fault.document() for fault in facts.injected], indent=1))
    (folder / "effects.json").write_text(json.dumps(facts.effects, indent=1))
    for attempt, data in facts.logs.items():
        (folder / f"{attempt}.log").write_bytes(data)


def _awaited(world: World, is_short: bool) -> float:
    """How long what is still there may take to go, 0 when nothing is."""
    if world.processes() or _folders(world) or _containers(world, is_short=True):
        return QUIET_S
    return NETWORKS_S if _containers(world, is_short) else 0.0


def _containers(world: World, is_short: bool) -> list[str]:
    return [each for each in world.containers() if not (is_short and NETWORK in each)]


def _folders(world: World) -> list[str]:
    return [
        f"{host}: {path.name}" for host, home in world.homes().items() for path in sorted(home.glob("attempts/*-*"))
    ]


def _effects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _log(world: World, attempt: dict[str, Any]) -> bytes:
    """By REST, as everybody reads it."""
    if attempt["leased_at"] is None:
        return b""
    data, size = b"", int(attempt["log_size"])
    while len(data) < size:
        place = f"runs/{attempt['run_id']}/log/?attempt={attempt['number']}&offset={len(data)}&limit={4 << 20}"
        window = world.rest.read(place)
        if not window:
            break
        data += window
    return data
