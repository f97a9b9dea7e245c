"""The agent's end of the relay: what comes out of a run's closed network reaches the studio, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path
from urllib.parse import urlsplit

from duto_agent.shim.relay import Streams, carrier

LONGEST = 100


class Relay:
    """A unix socket in a folder of its own, which networks' containers see read-only."""

    def __init__(self, folder: Path, studio: str) -> None:
        self.folder, self.path = folder, folder / "studio"
        url = urlsplit(studio)
        self.host = url.hostname or "127.0.0.1"
        self.port = url.port or (443 if url.scheme == "https" else 80)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None

    def start(self) -> None:
        """Raises OSError where the path is too long for a socket."""
        if len(str(self.path)) > LONGEST:
            raise OSError(36, f"{self.path} is too long for a socket: choose a shorter folder for the agent's home")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        ready = threading.Event()
        threading.Thread(target=asyncio.run, args=(self._serve(ready),), name="relay", daemon=True).start()
        ready.wait(10)

    def stop(self) -> None:
        if self._loop is not None and self._ended is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._ended.set)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_unix_server(carrier(self._connect), str(self.path))
        self.path.chmod(0o666)  # of another user in the container; on the host the folder above is closed to others
        ready.set()
        await self._ended.wait()
        server.close()

    async def _connect(self) -> Streams:
        return await asyncio.open_connection(self.host, self.port)
