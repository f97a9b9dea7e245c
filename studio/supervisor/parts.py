"""One part of the studio: a process that is started, watched, started again and stopped."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

MAX_DEATHS = 5
WINDOW = 60.0
LONGEST_PAUSE = 8.0
LOG_BYTES = 10 * 1024 * 1024
PR_SET_PDEATHSIG = 1


def _bind_to_parent() -> Callable[[], None] | None:
    """On Linux, a part does not outlive a supervisor that was killed."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Part:
    """A process with a name, a log and a history of deaths."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path, pass_fds: Sequence[int] = ()
    ) -> None:
        self.name, self.command, self.env, self.log = name, list(command), dict(env), log
        self.pass_fds = tuple(pass_fds)
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths: deque[float] = deque(maxlen=MAX_DEATHS)
        self.again_at: float | None = None

    @property
    def pid(self) -> int:
        """The process id, 0 while there is none."""
        return self.process.pid if self.process else 0

    @property
    def is_up(self) -> bool:
        """True while the process lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def is_hopeless(self) -> bool:
        """True when it died too often to be started once more."""
        return len(self.deaths) == MAX_DEATHS and time.monotonic() - self.deaths[0] < WINDOW

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C is for the supervisor, which stops in the right order."""
        with self._log() as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self.pass_fds,
                preexec_fn=_bind_to_parent(),  # noqa: PLW1509 - the supervisor has one thread when it forks
            )
        self.again_at = None

    def _log(self) -> IO[bytes]:
        """The log, or nothing where a full disk has no room for a new file: the part itself may need none."""
        try:
            return self.log.open("ab")
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return open(os.devnull, "ab")  # noqa: PTH123

    def look(self) -> str | None:
        """Notice a death and plan the next start; a line for the terminal when something happened."""
        if self.process is None or self.is_up:
            return None
        now = time.monotonic()
        if self.again_at is None:
            self.deaths.append(now)
            recent = sum(1 for at in self.deaths if now - at < WINDOW)
            pause = min(LONGEST_PAUSE, 0.25 * 2 ** (recent - 1))
            self.again_at = now + pause
            return f"{self.name} {ending(self.process.returncode)}; it is started again"
        if now < self.again_at:
            return None
        try:
            self.start()
        except OSError as error:
            self.again_at = now + LONGEST_PAUSE
            return f"{self.name} cannot be started: {error.strerror}; it is tried again"
        return None

    def ask_to_stop(self) -> None:
        """SIGTERM: finish what is quick, and go."""
        if self.is_up and self.process:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()

    def wait(self, until: float) -> bool:
        """True when it has gone before `until` (monotonic)."""
        if self.process is None:
            return True
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL to the part and to what it started in its own session."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def rotate(self) -> None:
        """Keep one older log. The part appends, so emptying the file in place loses no handle."""
        try:
            if self.log.stat().st_size < LOG_BYTES:
                return
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)
        except OSError:
            return  # a full disk must not bring the supervisor down

    def tail(self, lines: int = 12) -> str:
        """The end of the log, to show why a part does not come up."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def stop_all(groups: Sequence[Sequence[Part]], seconds: float) -> list[str]:
    """Stop group after group, each at once; what has not gone by then is killed, and named."""
    killed = []
    until = time.monotonic() + seconds
    for group in groups:
        for part in group:
            part.ask_to_stop()
        for part in group:
            if not part.wait(until):
                part.kill()
                killed.append(part.name)
        # Later groups are quick to stop, but always get a moment.
        until = max(until, time.monotonic() + 0.7)
    return killed
