"""Another machine as a host of the studio, as far as one machine can play it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from studio.testing import envs
from tests.live.studio import Studio, is_alive


class Second:
    """A home of its own, and no way to the studio's disk; called `beta`."""

    def __init__(self, studio: Studio, base: Path) -> None:
        self.studio, self.home = studio, base / "agent"

    def install(self, command: str, *more: str) -> subprocess.CompletedProcess[str]:
        """The command as it was copied, with the folder; the Python is that of the tests."""
        text = command.replace("python3", shlex.quote(sys.executable)) + f" --home {self.home} {shlex.join(more)}"
        env = {name: value for name, value in os.environ.items() if not name.startswith(("DUTO_", "PYTHON"))}
        env["NO_PROXY"] = "127.0.0.1"
        words = ["bash", "-o", "pipefail", "-c", text]
        return subprocess.run(words, env=env, capture_output=True, text=True, timeout=400)

    def take_over(self) -> None:
        """Use the release and the environments that hosts of these tests have had on this machine: this one is not about making them.

        A release is known by the digest of what the studio hands out; one that is not there yet is made there.
        """
        self.home.mkdir()
        (self.home / "releases").symlink_to(envs.kept("releases"))
        envs.take_over(self.home)

    def start(self) -> None:
        """As its machine's service manager does: the installed agent's command."""
        words = [str(self.home / "current/env/bin/python"), "-m", "duto_agent", "run", "--home", str(self.home)]
        with (self.home / "agent.log").open("ab") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        (self.home / "agent.pid").write_text(str(process.pid))

    @property
    def pid(self) -> int:
        return int((self.home / "agent.pid").read_text())

    def kill(self) -> None:
        if (self.home / "agent.pid").exists() and is_alive(self.pid):
            os.kill(self.pid, signal.SIGKILL)
        for pid in self.others():
            with contextlib.suppress(ProcessLookupError):  # it went with one that was killed before it
                os.kill(pid, signal.SIGKILL)

    def others(self) -> list[int]:
        """Whatever of this home runs: shims and their scripts."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                try:
                    where, words = str((folder / "cwd").readlink()), (folder / "cmdline").read_bytes()
                except OSError:
                    continue
                if where.startswith(str(self.home)) or os.fsencode(str(self.home)) in words:
                    found.append(int(folder.name))
        return [pid for pid in found if is_alive(pid)]

    def shims(self) -> list[int]:
        """The processes that watch over its scripts, by their own notes."""
        return [int(json.loads(note.read_text())["pid"]) for note in self.home.glob("attempts/*/pid.json")]

    @property
    def facts(self) -> dict[str, Any]:
        hosts = self.studio.get("hosts/")["items"]
        return next((each for each in hosts if each["name"] == "beta"), {})
