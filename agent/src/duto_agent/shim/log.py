"""What a step says: the notifications of the agent, and the log."""

from __future__ import annotations

import os
import socket
import time

BELL_GAP_S = 0.004
TAIL = 1 << 16


class AgentNotifier:
    """Tells the agent to look; a wake-up that nobody hears is no loss."""

    def __init__(self, address: str | None, word: str) -> None:
        self.address, self.word = address, word.encode()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self.socket:
            self.socket.setblocking(False)
        self.last, self.owed = 0.0, False

    def notify(self, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self.last < BELL_GAP_S:
            self.owed = True
            return
        self.last, self.owed = now, False
        if self.socket:
            try:
                self.socket.sendto(self.word, self.address or "")
            except OSError:
                pass


class Log:
    """The bytes of a log, as they came."""

    def __init__(self, directory: str, cap: int, name: str = "log.data") -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.data = os.open(os.path.join(directory, name), flags, 0o600)
        self.size = os.fstat(self.data).st_size
        self.cap, self.dropped = cap, 0
        self.error: str | None = None
        self._last = bytearray()

    @property
    def tail(self) -> bytes:
        """The last that was said, what was dropped included."""
        return bytes(self._last[-TAIL:])

    def write(self, data: bytes) -> None:
        self._last += data
        if len(self._last) > 8 * TAIL:  # seldom, for a script that says little at a time
            del self._last[:-TAIL]
        room = self.cap - self.size
        if len(data) > room:
            if not self.dropped:
                self._append(data[: max(room, 0)])
                self._append(b"\nduto: the log reached its limit of %d bytes; the rest is dropped.\n" % self.cap)
            self.dropped += len(data) - max(room, 0)
        else:
            self._append(data)

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                written = os.write(self.data, view)
                self.size += written
                view = view[written:]
        except OSError as error:  # a full disk must not stop the script
            self.error = os.strerror(error.errno or 0)
            self.dropped += len(view)

    def close(self) -> None:
        os.close(self.data)
