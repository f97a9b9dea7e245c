"""Real steps as jobs of a real Slurm, for the tests of the agent."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from duto_agent.launchers.slurm import SlurmLauncher, SlurmSetting
from duto_agent.slurm.client import SlurmClient
from duto_agent.slurm.queue import JobQueue
from studio.testing.slurm import KILL_WAIT, SlurmCluster
from tests.agent.steps import Scripts

_numbers = itertools.count(1)


class Jobs(Scripts):
    """Starts scripts through the launcher of jobs; the installation is this test's own, on a cluster that others use too."""

    launcher: SlurmLauncher

    def __init__(self, cluster: SlurmCluster, root: Path, python: str) -> None:
        self.cluster, self.root, self.python = cluster, root, python
        self.installation = f"t{os.getpid()}x{next(_numbers)}"
        self.queues: list[JobQueue] = []
        self.launcher = self.again()

    def again(self) -> SlurmLauncher:
        """The launcher of a new agent: it knows what the files and Slurm tell."""
        queue = JobQueue(SlurmClient(str(self.cluster.conf)))
        self.queues.append(queue)
        return SlurmLauncher(self.root, queue, self.installation, SlurmSetting(kill_wait=KILL_WAIT))

    def close(self) -> None:
        for key in self.launcher.discover():
            if self.launcher.probe(key).state in ("running", "pending"):
                self.launcher.signal(key, 0)
                self.wait(key)
            self.launcher.cleanup(key)
        for queue in self.queues:
            queue.stop()
