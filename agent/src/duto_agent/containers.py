"""What a host of containers consists of: its engine, the launcher, the images."""

from __future__ import annotations

from pathlib import Path

from duto_agent.images import Images
from duto_agent.isolation import Unprotected
from duto_agent.launchers.base import EngineAway
from duto_agent.launchers.docker import DockerLauncher
from duto_agent.launchers.engine import SOCKET, Engine, EngineRefused
from duto_agent.launching import Identity
from duto_agent.shelf import Shelf


class Containers:
    """The launcher of containers with the images that they need."""

    def __init__(self, home: Path, identity: Identity, socket: str | None, base: str | None, bell: str | None) -> None:
        self.engine = Engine(socket or SOCKET)
        self.launcher = DockerLauncher(
            home / "attempts", self.engine, identity.installation, identity.host, identity.studio, bell
        )
        labels = {"duto.installation": identity.installation, "duto.host": identity.host}
        self.images = Images(self.engine, base, Shelf(self.engine, labels, home / "images"), labels)

    def start(self) -> None:
        """Raises Unprotected where the relay to the studio cannot stand."""
        try:
            self.launcher.networks.start()
        except OSError as error:
            raise Unprotected(f"Containers cannot reach the studio: {error.strerror}.") from error

    def stop(self) -> None:
        self.launcher.networks.stop()

    def answers(self) -> bool:
        """Whether the engine is there now."""
        try:
            self.engine.info()
        except (EngineAway, EngineRefused):
            return False
        return True
