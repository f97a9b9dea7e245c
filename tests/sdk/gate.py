"""A gate on the way to a studio: a socket that lets through, loses answers, or is shut."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from urllib.parse import urlsplit


class Gate:
    """Forwards bytes to `target`, an address such as http://127.0.0.1:8000; `url` leads through it."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._lose: re.Pattern[bytes] | None = None
        self._is_shut = False
        self._open: set[socket.socket] = set()
        self.lost = 0
        self.calls = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, pattern: str) -> None:
        """The next request that begins like this reaches the studio, and its answer reaches nobody."""
        self._lose = re.compile(pattern.encode())

    def shut(self) -> None:
        """Whoever comes is turned away, and who is inside is thrown out."""
        self._is_shut = True
        for each in list(self._open):
            _close(each)

    def unshut(self) -> None:
        self._is_shut = False

    def close(self) -> None:
        self.shut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            self.calls += 1
            if self._is_shut:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(self._target)
        self._open |= {client, server}
        losing = threading.Event()
        back = threading.Thread(target=self._back, args=(server, client, losing), daemon=True)
        back.start()
        try:
            while data := client.recv(1 << 16):
                if self._lose is not None and self._lose.match(data):
                    self._lose = None
                    losing.set()
                server.sendall(data)
        except OSError:
            pass
        _close(server)
        back.join(60)
        self._open -= {client, server}

    def _back(self, server: socket.socket, client: socket.socket, losing: threading.Event) -> None:
        try:
            while data := server.recv(1 << 16):
                if losing.is_set():
                    self.lost += 1
                    break
                client.sendall(data)
        except OSError:
            pass
        _close(client)


def _close(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
