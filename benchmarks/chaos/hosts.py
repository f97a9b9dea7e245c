"""Agents of hosts besides the studio's own, each started again whenever it dies."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio.bootstrap import ROOT

RESTART_S = 0.5


class OwnAgent:
    """`enter`: what its command begins with, where it runs in another network."""

    def __init__(self, home: Path, env: dict[str, str], enter: Sequence[str] = ()) -> None:
        self.home, self.env, self.enter = home, env, list(enter)
        self.process: subprocess.Popen[bytes] | None = None
        self._died_at: float | None = None

    def settle(self, host: dict[str, Any]) -> None:
        """Give it its `host.json`, and start it."""
        self.home.mkdir()
        (self.home / "host.json").write_text(json.dumps(host))
        self.start()

    def start(self) -> None:
        command = [*self.enter, sys.executable, "-m", "duto_agent", "run", "--home", str(self.home)]
        with (self.home / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._died_at = None

    def look(self) -> None:
        """What a service manager does."""
        if self.process is None or self.process.poll() is None:
            return
        self._died_at = self._died_at or time.monotonic()
        if time.monotonic() - self._died_at > RESTART_S:
            self.start()

    @property
    def pid(self) -> int:
        """0 while there is none."""
        return self.process.pid if self.process and self.process.poll() is None else 0

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            self.process.kill()
            self.process.wait()
