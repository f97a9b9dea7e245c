"""What every attempt on this host shares."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from duto_agent.environments.builder import Environments
from duto_agent.environments.r_libraries import RLibraries
from duto_agent.launchers.base import AttemptKey, Launcher
from duto_agent.mounts.supervision import Mounts
from duto_agent.studio.client import StudioClient
from duto_agent.studio.exchange import SendReport
from duto_agent.studio.transfers import Transfers

if TYPE_CHECKING:  # the library behind it takes long to load; hosts of processes do without
    from duto_agent.images.environment_images import Images


@dataclass
class AgentContext:
    """Wired once, when the agent starts."""

    studio: str
    client: StudioClient
    launcher: Launcher
    environments: Environments
    r_libraries: RLibraries
    transfers: Transfers
    mounts: Mounts
    builders: Executor
    sdk: Path
    send_report: SendReport
    images: Images | None = None  # where steps run in containers

    def at(self, key: AttemptKey) -> str | None:
        """The attempt's directory relative to the studio's data directory, where the two share a disk."""
        root, directory = self.transfers.store.root, self.launcher.directory(key)
        if root is None:
            return None
        try:
            return directory.resolve().relative_to(root.resolve()).as_posix()
        except ValueError:
            return None
