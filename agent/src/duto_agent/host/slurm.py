"""A host whose steps are jobs of Slurm's: its queue, its launcher, and what its nodes are like."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from duto.spec.slurm import BadOption, options_of
from duto_agent.engine.errors import EngineAway
from duto_agent.host.launching import Identity, Unprotected
from duto_agent.launchers.slurm import KILL_WAIT_S, SHIM, SlurmLauncher, SlurmSetting
from duto_agent.loops import start_loop
from duto_agent.slurm import shared_folder
from duto_agent.slurm.client import SlurmClient, SlurmNode, SlurmRefused
from duto_agent.slurm.nodes import summary
from duto_agent.slurm.queue import JobQueue
from duto_protocol import messages
from duto_protocol.values import Moment

log = logging.getLogger("duto.agent")
NODES_S = 15.0
MIB = 1 << 20
GPUS_MOST = 64


@dataclass(frozen=True)
class Largest:
    """The most that any node has of each: what asks for more can never run. Memory in bytes."""

    cores: int = 0
    memory: int = 0
    gpus: int = 0


class SlurmHost:
    """Wired where DUTO_LAUNCHER is `slurm`. `given`: `slurm_options`, `slurm_conf`, `slurm_python` of host.json.

    Raises Unprotected for options that may not be set.
    """

    def __init__(self, home: Path, identity: Identity, given: Mapping[str, str | None]) -> None:
        try:
            options = options_of(os.environ.get("DUTO_SLURM_OPTIONS") or given.get("slurm_options") or "")
        except BadOption as error:
            raise Unprotected(f"DUTO_SLURM_OPTIONS cannot be used: {error}.") from error
        self.home, self.name = home, f"duto-{identity.installation[:12]}-{identity.host}-folder"
        self.client = SlurmClient(os.environ.get("SLURM_CONF") or given.get("slurm_conf"))
        self.queue = JobQueue(self.client)
        python = os.environ.get("DUTO_SLURM_PYTHON") or given.get("slurm_python") or SlurmSetting.python
        settings = self._settings()
        self.queue.sees_others = "jobs" not in settings.get("PrivateData", "jobs").split(",")
        self.setting = SlurmSetting(options, python, kill_wait_of(settings))
        self.launcher = SlurmLauncher(home / "attempts", self.queue, identity.installation, self.setting)
        self.nodes: list[SlurmNode] = []
        self.facts: messages.SlurmNodes | None = None
        self._stop = threading.Event()

    def start(self) -> None:
        """Find out whether the nodes see this folder. Raises Unprotected where they do not."""
        try:
            shared_folder.check(self.queue, self.name, self.home, self.setting.python, SHIM, self.setting.options)
            self._ask()
        except shared_folder.NotShared as error:
            raise Unprotected(str(error)) from error
        except (EngineAway, SlurmRefused, OSError) as error:
            raise Unprotected(f"Slurm cannot be used from here: {error}") from error
        start_loop("Slurm's nodes", self._look, self._stop)

    def stop(self) -> None:
        """Jobs go on."""
        self._stop.set()
        self.queue.stop()

    @property
    def largest(self) -> Largest:
        nodes = self.nodes
        return Largest(
            max((each.cores for each in nodes), default=0),
            max((each.memory for each in nodes), default=0) * MIB,
            min(GPUS_MOST, max((each.gpus for each in nodes), default=0)),
        )

    @property
    def devices(self) -> list[messages.Device]:
        """As many as the node with the most has: which of them a step gets is Slurm's choice."""
        return [messages.Device(uuid=f"slurm-{index}", index=index, name="GPU") for index in range(self.largest.gpus)]

    def _look(self) -> None:
        self._stop.wait(NODES_S)
        try:
            self._ask()
        except (EngineAway, SlurmRefused) as error:
            log.warning("Slurm's nodes are as they were: %s", error)

    def _ask(self) -> None:
        self.nodes = self.client.nodes()
        self.facts = summary(self.nodes, self.client.held(f"{self.launcher.prefix}-"), Moment.present())

    def _settings(self) -> Mapping[str, str]:
        try:
            return self.client.settings()
        except (EngineAway, SlurmRefused) as error:
            log.warning("Slurm's configuration cannot be read: %s", error)
            return {}


def kill_wait_of(settings: Mapping[str, str]) -> float:
    """Seconds between TERM and KILL by Slurm's configuration."""
    found = re.match(r"\d+", settings.get("KillWait") or "")
    return float(found[0]) if found else KILL_WAIT_S
