"""Where shims ring: one datagram with the name of an attempt's folder. A lost ring costs a tenth of a second."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

LONGEST_ADDRESS = 100


class Doorbell:
    """A unix datagram socket; None as its address where the path is too long for one."""

    def __init__(self, path: Path) -> None:
        self.address: str | None = str(path) if len(str(path)) <= LONGEST_ADDRESS else None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if self.address:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            self._socket.bind(self.address)
            path.chmod(0o666)  # a step in a container is another user; on the host the home keeps others away

    def listen(self, ring: Callable[[str], None]) -> None:
        if self.address:
            threading.Thread(target=self._listen, args=(ring,), name="doorbell", daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _listen(self, ring: Callable[[str], None]) -> None:
        with contextlib.suppress(OSError):
            while True:
                ring(self._socket.recv(1024).decode("utf-8", "replace"))
