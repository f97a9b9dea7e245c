"""The agent's side of the zygote: asks it for shims, starts it again when it dies."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

SHIM = Path(__file__).resolve().parent.parent / "shim"
ANSWER_S = 2.0


def shim_command(argument: str) -> list[str]:
    """The shim on this interpreter, isolated from every setting and package of its surroundings."""
    return [sys.executable, "-I", "-S", str(SHIM), argument]


class Zygote:
    """One helper process; when it cannot serve, the shim is started the slow way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None

    def start(self) -> None:
        """Start it; called before the agent has threads, and again if it dies."""
        with self._lock:
            self._start()

    def spawn(self, directory: Path) -> None:
        """Start the shim of this attempt directory and do not wait for it."""
        with self._lock:
            if self._ask(directory):
                return
            self._stop()
            with contextlib.suppress(OSError):
                self._start()
            if self._ask(directory):
                return
        with (directory / "shim.err").open("ab") as errors:
            subprocess.Popen(
                shim_command(str(directory)),
                env={},
                start_new_session=True,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def stop(self) -> None:
        """Hang up; the shims it forked live on."""
        with self._lock:
            self._stop()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(ANSWER_S)
        try:
            self._process = subprocess.Popen(
                shim_command("zygote"),
                env={},
                cwd="/",
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            theirs.close()
        self._link = ours

    def _stop(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._process is not None:
            try:
                self._process.wait(0.5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _ask(self, directory: Path) -> bool:
        if self._link is None:
            return False
        try:
            self._link.send(os.fsencode(directory))
            return int(self._link.recv(64) or b"0") > 0
        except (OSError, ValueError):
            return False
