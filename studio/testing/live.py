"""A whole studio as real processes, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from studio.bootstrap import ROOT
from studio.testing import envs

T = TypeVar("T")


def clean_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a person at a terminal: nothing of the suite's own services."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DUTO_", "DJANGO_"))}
    return {**kept, **(extra or {})}


def eventually(look: Callable[[], T], seconds: float = 300, what: str | Callable[[], str] = "it") -> T:
    """Look until there is something. A look that costs much, such as a request, is repeated the more rarely.

    A `what` that is asked for when time is up can say how things stand then.
    """
    until = time.monotonic() + seconds
    while (began := time.monotonic()) < until:
        if found := look():
            return found
        time.sleep(max(0.05, 4 * (time.monotonic() - began)))
    raise AssertionError(f"{what if isinstance(what, str) else what()} did not happen within {seconds} s")


class LiveStudio:
    """`manage.py up` on a data directory, on any free port."""

    def __init__(self, home: Path, command: str = "up", *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.home = home
        words = arguments if any(word.startswith("--port") for word in arguments) else (*arguments, "--port", "0")
        browser = [] if command == "demo" else ["--no-browser"]
        self.command = [sys.executable, "manage.py", command, "--data-dir", str(home), *browser, *words]
        self.env = clean_env(env)
        self.process: subprocess.Popen[str] | None = None

    @property
    def state(self) -> dict[str, Any]:
        """What the supervisor wrote of itself."""
        try:
            found: dict[str, Any] = json.loads((self.home / "run" / "state.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    @property
    def url(self) -> str:
        """The address."""
        return str(self.state["url"])

    def take_over(self) -> None:
        """Have the environments that other studios of this run of the suite have built."""
        envs.take_over(self.home / "agent")

    def launch(self) -> subprocess.Popen[str]:
        """Start, and wait for nothing."""
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self.process

    def start(self, seconds: float = 180) -> LiveStudio:
        """Start, and wait until the pages answer and the other parts are started."""
        process = self.launch()
        # A state of an earlier, killed supervisor has another pid.
        eventually(
            lambda: self.state.get("pid") == process.pid or process.poll() is not None,
            seconds,
            "the start of the studio",
        )
        if process.poll() is not None:
            raise AssertionError(f"the studio ended with {process.returncode}: {process.communicate()[0]}")
        return self

    def get(self, path: str) -> tuple[int, bytes]:
        """One request, any status."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Stop it; the exit code, and all that it printed."""
        assert self.process is not None
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=120)
        return self.process.returncode, output

    def kill(self) -> None:
        """Whatever is left of it, but for what its agent has built."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        envs.keep(self.home / "agent")


@contextlib.contextmanager
def live_studio(home: Path, **options: Any) -> Iterator[LiveStudio]:
    """A studio for the length of a block."""
    studio = LiveStudio(home, **options).start()
    try:
        yield studio
    finally:
        if studio.process and studio.process.poll() is None:
            studio.stop()
        studio.kill()
