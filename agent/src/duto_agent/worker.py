"""The agent's process: wires the parts, starts them in the right order, and ends without touching steps."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duto.spark.java import versions_here
from duto_agent.attempt.shim_notifications import ShimNotifications
from duto_agent.context import AgentContext
from duto_agent.environments.builder import Environments
from duto_agent.environments.pythons import Pythons
from duto_agent.environments.r_libraries import RLibraries
from duto_agent.environments.sdk_folder import sdk_folder
from duto_agent.host.config import HostConfig, NotConfigured
from duto_agent.host.facts import HostFacts
from duto_agent.host.facts import Launcher as Kind
from duto_agent.host.gpus import Gpus
from duto_agent.host.launching import (
    Identity,
    Isolation,
    Unprotected,
    container_options,
    file_cache,
    is_of_slurm,
    isolate,
    mounts_by_fuse,
)
from duto_agent.host.usage import Sampler
from duto_agent.launchers.base import Launcher
from duto_agent.launchers.process import ProcessLauncher
from duto_agent.launchers.zygote import Zygote
from duto_agent.mounts.supervision import Mounts
from duto_agent.studio.client import StudioClient
from duto_agent.studio.exchange import Exchange, SendReport, discard
from duto_agent.studio.file_cache import MOST as MOST_CACHED
from duto_agent.studio.transfers import Store, Transfers
from duto_agent.studio.wakeup import WakeupWorker
from duto_agent.supervisor import Supervisor
from duto_protocol import messages
from duto_protocol.reports import AnyReport

if TYPE_CHECKING:
    from duto_agent.host.containers import Containers
    from duto_agent.host.slurm import SlurmHost

BUILDS_AT_ONCE = 4
# How often it is looked whether the studio that brought this agent is still there; how long another one is given to end.
LOOK_S, ENDING_S = 2.0, 15.0
log = logging.getLogger("duto.agent")


class Agent:
    """Everything of one host, from the zygote to the wake-up."""

    def __init__(self, home: Path, studio: str | None = None) -> None:
        self.home = home.resolve()
        self.config = HostConfig.read(self.home, studio)
        self.zygote = Zygote()
        self.zygote.start()  # first of all: it must be forked while this process is young
        pythons = Pythons()
        config = self.config
        wanted = {"bwrap": config.bwrap, "limits": config.limits, "folders": config.folders, "users": config.step_users}
        isolation = isolate(self.home, self.config.data_dir, wanted)
        # Shims of an earlier agent know the socket by this name.
        self.shim_notifications = ShimNotifications(self.home / "run" / "doorbell")
        self.containers = containers_of(
            self.home, self.config.identity(), vars(self.config), self.shim_notifications.address, self._send_report
        )
        self.slurm = slurm_of(self.home, self.config)
        store = Store(self.config.data_dir, self.config.store_marker)
        self.client = StudioClient(self.config.studio, self.config.key)
        self.environments = Environments(self.home / "envs", pythons, isolation.sandbox)
        marker = self.config.store_marker if store.root is not None else None
        gpus = Gpus()
        launcher: Kind = "docker" if self.containers is not None else "process" if self.slurm is None else "slurm"
        facts = HostFacts(self.home, pythons, marker, gpus, self._isolation(isolation), launcher)
        r_libraries = RLibraries(self.environments)
        most = file_cache(config.file_cache) or MOST_CACHED
        transfers = Transfers(store, self.home / "cache" / "blobs", self.client, most)
        facts.containers, facts.r, facts.javas = self.containers, r_libraries.version, versions_here(os.environ)
        facts.slurm = self.slurm
        self.exchange = Exchange(self.client, facts.message)
        self.context = AgentContext(
            studio=self.config.studio.rstrip("/"),
            client=self.client,
            launcher=self._launcher(isolation),
            images=self.containers.images if self.containers is not None else None,
            environments=self.environments,
            r_libraries=r_libraries,
            transfers=transfers,
            # A mount of this host is not seen by Slurm's nodes.
            mounts=Mounts(
                self.home,
                config.studio,
                transfers.cache,
                is_off=self.slurm is not None or not mounts_by_fuse(config.fuse),
            ),
            builders=ThreadPoolExecutor(BUILDS_AT_ONCE, thread_name_prefix="environment"),
            sdk=sdk_folder(self.home),
            send_report=self.exchange.send_report,
        )
        self.supervisor = Supervisor(self.context, self.home)
        facts.storage, facts.held_inputs = self.supervisor.housekeeper, self.context.transfers.held_inputs
        self.sampler = Sampler(self.context.launcher, self.supervisor.devices, gpus)
        self.wakeup_worker = WakeupWorker(self.config.redis_url or "", self.config.name, self.exchange.wake)

    def _send_report(self, report: AnyReport, urgent: bool = False, heard: Callable[[], None] | None = None) -> None:
        """Images are wired before there is anybody to tell."""
        self.exchange.send_report(report, urgent, heard)

    def _launcher(self, isolation: Isolation) -> Launcher:
        if self.containers is not None:
            return self.containers.launcher
        if self.slurm is not None:
            return self.slurm.launcher
        return ProcessLauncher(
            self.home / "attempts", self.zygote, self.shim_notifications.address, isolation.cgroups, isolation.sandbox,
            isolation.limits_required,
        )  # fmt: skip

    def _isolation(self, isolation: Isolation) -> messages.Isolation:
        """What stands between steps: of jobs, whatever Slurm does, and no sandbox of ours."""
        facts = isolation.facts()
        return facts if self.slurm is None else messages.Isolation(bwrap=False, cgroup=None, root=facts.root)

    def start(self) -> None:
        for engine in (self.containers, self.slurm):
            if engine is not None:
                engine.start()
        self.shim_notifications.listen(self.supervisor.notify)
        adopted = self.supervisor.adopt()
        self.exchange.start(self.supervisor)
        self.supervisor.housekeeper.start()
        self.sampler.start()
        if self.config.redis_url:
            self.wakeup_worker.start()
        log.info("host %s serves %s, %d attempts adopted", self.config.name, self.context.studio, adopted)

    def stop(self) -> None:
        """Steps and their shims go on; the next agent adopts them."""
        self.exchange.stop()
        self.supervisor.housekeeper.stop()
        self.sampler.stop()
        self.wakeup_worker.stop()
        self.environments.stop()
        self.shim_notifications.close()
        for engine in (self.containers, self.slurm):
            if engine is not None:
                engine.stop()
        self.zygote.stop()


def containers_of(
    home: Path,
    identity: Identity,
    given: Mapping[str, str | None],
    wakeup_worker: str | None,
    send_report: SendReport = discard,
) -> Containers | None:
    """None for a host of processes, and where containers are taken only if the engine answers now, and it does not."""
    options = container_options(given)
    if options is None:
        return None
    from duto_agent.host.containers import Containers  # its library takes long to load; hosts of processes do without

    found = Containers(home, identity, options, wakeup_worker, send_report)
    return found if options.is_required or found.answers() else None


def slurm_of(home: Path, config: HostConfig) -> SlurmHost | None:
    """None for a host whose steps are no jobs of Slurm's. Raises Unprotected."""
    if not is_of_slurm(vars(config)):
        return None
    from duto_agent.host.slurm import SlurmHost

    return SlurmHost(home, config.identity(), vars(config))


def run(home: Path, studio: str | None = None) -> int:
    """Run the agent until it is told to end."""
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s agent: %(message)s", datefmt="%H:%M:%S", force=True
    )
    for noisy in ("httpx", "httpcore", "celery", "kombu"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # A pipe, not an event: the lock of an event may be held by the very thread that a signal interrupts.
    ends, asked = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(asked, b"."))
    parent = os.getppid()
    os.umask(0o022)  # what a step is shown, others than the agent's user must be able to read
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home) as alone:
        if not alone:
            log.error("another agent serves %s already", home)
            return 1
        try:
            agent = Agent(home, studio)
            agent.start()
        except (NotConfigured, Unprotected) as error:
            log.error("%s", error)
            return 2
        while not select.select([ends], [], [], LOOK_S)[0]:
            # Of a studio that was killed the next one brings an agent of its own.
            if os.environ.get("DUTO_EMBEDDED") and os.getppid() != parent:
                break
        agent.stop()
        log.info("host %s ends; its steps go on", agent.config.name)
    sys.stdout.flush()
    # Threads may hang in a call to a studio that is gone. There is nothing of theirs that a file does not have.
    os._exit(0)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[Any]:
    """Two agents on one home would ship every log twice. One that is just ending is waited for."""
    with (home / "agent.lock").open("a") as file:
        until = time.monotonic() + ENDING_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > until:
                    break
                time.sleep(0.1)
            else:
                yield True
                return
        yield False
