"""What a host of containers consists of: its engine, the launcher, the images."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from duto_agent.engine.client import SOCKET, Engine, EngineRefused
from duto_agent.engine.errors import EngineAway
from duto_agent.engine.registry import Registry
from duto_agent.host.launching import ContainerOptions, Identity, Unprotected
from duto_agent.images.environment_images import Images
from duto_agent.images.image_builds import ImageReporter
from duto_agent.images.image_store import ImageStore
from duto_agent.launchers.docker import DockerLauncher
from duto_agent.loops import start_loop
from duto_agent.studio.exchange import SendReport
from duto_protocol import messages

log = logging.getLogger("duto.agent")
EVERY_S, SOON_S = 30.0, 2.0


class Containers:
    """The launcher of containers with the images that they need."""

    def __init__(
        self,
        home: Path,
        identity: Identity,
        options: ContainerOptions,
        notify_address: str | None,
        send_report: SendReport,
    ) -> None:
        self.engine = Engine(options.engine or SOCKET)
        installation, host = identity.installation, identity.host
        self.launcher = DockerLauncher(
            home / "attempts", self.engine, installation, host, identity.studio, notify_address, options.folders
        )
        labels = {"duto.installation": installation, "duto.host": host}
        image_store = ImageStore(self.engine, labels, home / "images", ImageReporter(send_report), options.build_cache)
        registry = Registry(self.engine, options.registry, installation) if options.registry else None
        self.images = Images(self.engine, options.base_image, image_store, labels, registry, options.conda_image)
        # What the engine last said of itself (docs/wire.md, `engine`); None until it has.
        self.facts: messages.Engine | None = None
        self._stop = threading.Event()

    def start(self) -> None:
        """Serve the relay, and look after the engine. Raises Unprotected where the relay to the studio cannot stand."""
        try:
            self.launcher.networks.start()
        except OSError as error:
            raise Unprotected(f"Containers cannot reach the studio: {error.strerror}.") from error
        start_loop("engine", self._maintain, self._stop)

    def stop(self) -> None:
        self._stop.set()
        self.launcher.networks.stop()

    def _maintain(self) -> None:
        """Never in the way of the exchange: an engine that stands still answers nothing for as long as it does."""
        self.facts = self.engine.facts() or self.facts
        try:
            self.launcher.tidy()
        except (EngineAway, EngineRefused) as error:
            log.warning("containers cannot be tidied: %s", error)
        self._stop.wait(EVERY_S if self.facts and not self.launcher.left else SOON_S)

    def answers(self) -> bool:
        """Whether the engine is there now."""
        try:
            self.engine.info()
        except (EngineAway, EngineRefused):
            return False
        return True
