"""Container engines of this harness's own: each with its folders, in a network namespace of its own, and with `live-restore`.

The machine's own engine is never touched: a bridge, rules and addresses of a namespace are nobody else's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from studio.testing.engine import NoEngine, answers, ask_json, ensure_image

DAEMON = "/usr/sbin/dockerd"
TOOLS = ("ip", "nsenter", "iptables")
START_S, AGAIN_S, GOES_S = 60.0, 0.5, 10.0
PLACES = 251  # for each world that runs on this machine at the same time, two networks; the last is for trying


def missing() -> str:
    """Why no engine can be started here; empty where one can."""
    if os.geteuid() != 0:
        return "starting container engines needs root"
    if not Path(shutil.which("dockerd") or DAEMON).exists():
        return "there is no dockerd"
    lacking = [tool for tool in TOOLS if not shutil.which(tool)]
    return f"there is no {', '.join(lacking)}" if lacking else _refused()


def _refused() -> str:
    """Whether networks may be made here at all."""
    net = Namespace(f"dc{os.getpid()}x", PLACES - 1)
    try:
        net.make()
    except NoEngine as refused:
        return f"no network of its own can be made: {refused}"
    finally:
        net.remove()
    return ""


class Namespace:
    """A network with one wire to this machine: `here` is the near end's address, `there` the far one's."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.wire = name, f"{name[:12]}w"
        self.here, self.there = f"10.77.{number}.1", f"10.77.{number}.2"

    def make(self) -> None:
        """Raises NoEngine where this machine makes none."""
        inside = ("-n", self.name)
        for words in (
            ("netns", "add", self.name),
            ("link", "add", self.wire, "type", "veth", "peer", "name", "eth0", "netns", self.name),
            ("addr", "add", f"{self.here}/24", "dev", self.wire),
            ("link", "set", self.wire, "up"),
            (*inside, "addr", "add", f"{self.there}/24", "dev", "eth0"),
            (*inside, "link", "set", "eth0", "up"),
            (*inside, "link", "set", "lo", "up"),
            (*inside, "route", "add", "default", "via", self.here),
        ):
            done = subprocess.run(["ip", *words], capture_output=True, text=True)
            if done.returncode:
                raise NoEngine(f"ip {' '.join(words)}: {done.stderr.strip()}")

    @property
    def enter(self) -> list[str]:
        """What a command begins with to run there. Not `ip netns exec`, which hides the control groups."""
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def remove(self) -> None:
        subprocess.run(["ip", "link", "del", self.wire], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


class OwnEngine:
    """A dockerd and its containerd, started again when they were killed."""

    def __init__(self, folder: Path, net: Namespace) -> None:
        self.folder, self.net = folder, net
        self.socket = str(folder / "docker.sock")
        self.group = f"/{net.name}"
        self.process: subprocess.Popen[bytes] | None = None
        self._died_at: float | None = None

    def start(self) -> None:
        """The first time: with its namespace and the base image. Raises NoEngine."""
        self.folder.mkdir()
        self.net.make()
        self.launch()
        until = time.monotonic() + START_S
        while not answers(self.socket):
            if time.monotonic() > until or (self.process and self.process.poll() is not None):
                raise NoEngine(f"dockerd does not start: {(self.folder / 'log').read_text(errors='replace')[-800:]}")
            time.sleep(0.2)
        ensure_image(self.socket)

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        (self.folder / "pid").unlink(missing_ok=True)
        command = [
            *self.net.enter, shutil.which("dockerd") or DAEMON, "--live-restore", "--host", f"unix://{self.socket}",
            "--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec"),
            "--pidfile", str(self.folder / "pid"), "--cgroup-parent", self.group, "--label", f"duto.chaos={self.net.name}",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._died_at = None

    def look(self) -> None:
        """What a service manager does."""
        if self.process is None or self.process.poll() is None:
            return
        self._died_at = self._died_at or time.monotonic()
        if time.monotonic() - self._died_at > AGAIN_S:
            self.launch()

    def signal(self, number: int, *, whole: bool = False) -> bool:
        """To dockerd; `whole`: to its containerd as well. Whether it was there."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.send_signal(number)
        if whole and (pid := self.containerd):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return True

    @property
    def containerd(self) -> int:
        """Its pid, 0 where none runs."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.folder / "exec" / "containerd" / "containerd.pid").read_text())
            return pid if psutil.pid_exists(pid) and "containerd" in psutil.Process(pid).name() else 0
        return 0

    def containers(self) -> list[dict[str, Any]]:
        """All that it has, in any state. Raises OSError."""
        return list(ask_json(self.socket, "/containers/json?all=1"))

    def stop(self) -> None:
        """It ends with all that it runs; nothing of it is left on the machine."""
        with contextlib.suppress(OSError, ProcessLookupError):
            self.signal(signal.SIGCONT, whole=True)
        daemons = [self.process.pid if self.process and self.process.poll() is None else 0, self.containerd]
        for pid in filter(None, daemons):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process:
            self.process.wait()
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._unmount()
        self.net.remove()
        for group in Path("/sys/fs/cgroup").glob(f"*{self.group}"):
            for path in [*sorted(group.rglob("*/"), reverse=True), group]:
                with contextlib.suppress(OSError):
                    path.rmdir()

    def _family(self) -> list[psutil.Process]:
        """The shims of its containers by their command line, and what runs in those."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            if str(self.folder) in " ".join(process.info["cmdline"] or ()):
                with contextlib.suppress(psutil.Error):
                    found += [process, *process.children(recursive=True)]
        return found

    def _unmount(self) -> None:
        until = time.monotonic() + GOES_S
        while (places := self._mounts()) and time.monotonic() < until:
            for place in places:
                subprocess.run(["umount", "--lazy", place], capture_output=True)
            time.sleep(0.1)

    def _mounts(self) -> list[str]:
        """The innermost first."""
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return sorted(
            (words[4] for words in map(str.split, lines) if words[4].startswith(str(self.folder))), reverse=True
        )
