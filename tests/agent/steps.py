"""Real steps for the tests of the agent: a script, its directory, its launcher."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from duto_agent.launchers.base import AttemptKey, Launch, Probe
from duto_agent.launchers.process import ProcessLauncher
from duto_agent.launchers.slurm import SlurmLauncher
from duto_agent.launchers.zygote import Zygote

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
_numbers = itertools.count(1)
# Both streams in turn, by each way in which a program writes: `print`, the files, their numbers, a child.
IN_ORDER = """
import os, subprocess, sys
for number in range(2000):
    print("out", number)
    print("err", number, file=sys.stderr)
    sys.stdout.write(f"part {number} of ")
    os.write(2, b"one line\\n")
    if number % 500 == 0:
        subprocess.run(["sh", "-c", "echo child out; echo child err >&2"], check=True)
"""


def in_order() -> str:
    """What the log of `IN_ORDER` holds."""
    child = "child out\nchild err\n"
    return "".join(
        f"out {number}\nerr {number}\npart {number} of one line\n{'' if number % 500 else child}"
        for number in range(2000)
    )


def until(true: Callable[[], object], seconds: float = 180.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.002)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Scripts:
    """Starts scripts through a launcher whose shims run as the tests do."""

    root: Path
    python: str
    launcher: ProcessLauncher | SlurmLauncher

    def launch(self, code: str, **options: object) -> Launch:
        key = AttemptKey(f"attempt{next(_numbers)}", 1)
        work = self.launcher.directory(key) / "work"
        work.mkdir(parents=True)
        (work / "script.py").write_text(code)
        mark = {"DUTO_STUDIO_FILE": str(work.parent / "studio.json")}
        return Launch(key, (self.python, "script.py"), work, ENV | mark, **options)  # type: ignore[arg-type]

    def start(self, code: str, **options: object) -> AttemptKey:
        launch = self.launch(code, **options)
        self.launcher.ensure(launch)
        return launch.key

    def wait(self, key: AttemptKey, seconds: float = 180.0) -> Probe:
        until(lambda: self.launcher.probe(key).state in ("exited", "lost"), seconds)
        return self.launcher.probe(key)

    def run(self, code: str, **options: object) -> tuple[Probe, Path]:
        key = self.start(code, **options)
        return self.wait(key), self.launcher.directory(key)

    def end_from_outside(self, key: AttemptKey) -> None:
        """Somebody kills the shim, and with it the knowledge of how the script ends."""
        kill(json.loads((self.launcher.directory(key) / "pid.json").read_text())["pid"])


class Steps(Scripts):
    """Starts scripts through the process launcher."""

    launcher: ProcessLauncher

    def __init__(self, root: Path) -> None:
        self.root, self.zygote = root, Zygote()
        self.zygote.start()
        self.python = sys.executable
        self.launcher = ProcessLauncher(root, self.zygote)

    def again(self) -> ProcessLauncher:
        """The launcher of a new agent: it knows what the files tell."""
        return ProcessLauncher(self.root, self.zygote, None, self.launcher.cgroups, self.launcher.sandbox)

    def close(self) -> None:
        for key in self.launcher.discover():
            if self.launcher.probe(key).state == "running":
                self.launcher.signal(key, 0)
        self.zygote.stop()


def pid_in(path: Path) -> int:
    until(lambda: path.exists() and path.read_text().strip())
    return int(path.read_text())


def kill(pid: int) -> None:
    os.kill(pid, 9)
