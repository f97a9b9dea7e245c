"""Where shims notify the agent: one datagram with the name of an attempt's folder. A lost one costs a tenth of a second."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

from duto_agent.loops import start_loop

LONGEST_ADDRESS = 100


class ShimNotifications:
    """A unix datagram socket; None as its address where the path is too long for one."""

    def __init__(self, path: Path) -> None:
        self.address: str | None = str(path) if len(str(path)) <= LONGEST_ADDRESS else None
        self._closed = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if self.address:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            self._socket.bind(self.address)
            path.chmod(0o666)  # a step in a container is another user; on the host the home keeps others away

    def listen(self, notify: Callable[[str], None]) -> None:
        if self.address:
            start_loop(
                "shim-notifications", lambda: notify(self._socket.recv(1024).decode("utf-8", "replace")), self._closed
            )

    def close(self) -> None:
        """The thread that listens goes with the process."""
        self._closed.set()
        self._socket.close()
