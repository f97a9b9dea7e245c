"""Real steps in real containers for the tests of the agent."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from pathlib import Path

from duto_agent.attempt.shim_notifications import ShimNotifications
from duto_agent.engine.client import Engine
from duto_agent.launchers.base import AttemptKey, Launch, Probe
from duto_agent.launchers.docker import DockerLauncher
from studio.testing.engine import IMAGE
from tests.agent.steps import ENV, until

_numbers = itertools.count(1)


class Boxes:
    """Starts scripts through the container launcher; the names are this test's own, on an engine that others use too."""

    def __init__(self, socket: str, studio: str = "http://127.0.0.1:9") -> None:
        self.home = Path(tempfile.mkdtemp(prefix="duto-boxes-"))  # short enough for sockets
        self.root, self.engine = self.home / "attempts", Engine(socket)
        self.installation = f"test{os.getpid()}x{next(_numbers)}"
        self.shim_notifications = ShimNotifications(self.home / "run" / "doorbell")
        self.studio, self.python = studio, "python3"
        self.launcher = self.again()
        self.launcher.networks.start()

    def again(self) -> DockerLauncher:
        """A launcher that knows nothing but what its files and the engine tell: the one of a new agent."""
        notify_address = self.shim_notifications.address
        return DockerLauncher(self.root, self.engine, self.installation, "here", self.studio, notify_address)

    def launch(self, code: str, **options: object) -> Launch:
        key = AttemptKey(f"{self.installation}n{next(_numbers)}", 1)
        directory = self.launcher.directory(key)
        work = directory / "work"
        for name in ("work", "inputs", "outputs", "tmp/home"):
            (directory / name).mkdir(parents=True)
        (work / "script.py").write_text(code)
        variables = ENV | {"DUTO_STUDIO_FILE": str(directory / "studio.json"), "HOME": str(directory / "tmp/home")}
        chosen = {"image": IMAGE, "network": "none", "group": self.installation, **options}
        return Launch(key, ("python3", "script.py"), work, variables, **chosen)  # type: ignore[arg-type]

    def start(self, code: str, **options: object) -> AttemptKey:
        launch = self.launch(code, **options)
        self.launcher.ensure(launch)
        return launch.key

    def wait(self, key: AttemptKey, seconds: float = 180.0) -> Probe:
        until(lambda: self.launcher.probe(key).state in ("exited", "lost"), seconds)
        return self.launcher.probe(key)

    def run(self, code: str, **options: object) -> tuple[Probe, Path]:
        key = self.start(code, **options)
        self.wait(key)
        return self.launcher.collect(key), self.launcher.directory(key)

    def end_from_outside(self, key: AttemptKey) -> None:
        """Somebody kills the container."""
        self.engine.kill(self.launcher.name(key))

    def close(self) -> None:
        self.launcher.networks.stop()
        for each in self.engine.containers({"duto.installation": self.installation}):
            self.engine.remove(each["Id"])
        self.shim_notifications.close()
        shutil.rmtree(self.home, ignore_errors=True)


def gateway_of(engine_socket: str) -> str:
    """This machine's address on the network of open containers and of builds."""
    bridge = Engine(engine_socket).call(lambda api: api.inspect_network("bridge"))["IPAM"]["Config"][0]
    return str(bridge.get("Gateway") or bridge["Subnet"].rpartition(".")[0] + ".1")
