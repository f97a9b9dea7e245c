"""A wire that can be cut: the only way from a far host to the studio. A thread of its own carries the bytes."""

from __future__ import annotations

import asyncio
import contextlib
import threading

PIECE = 1 << 16


class Relay:
    """Listens on an address and carries every connection to `port`. While it is cut, nothing moves and nobody is told."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.target, self.address = port, address
        self.port = 0
        self._open: asyncio.Event
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        threading.Thread(target=self._serve, name=f"relay to {port}", daemon=True).start()
        self._ready.wait()

    def cut(self) -> None:
        """Bytes on their way wait as long as this lasts, those of new connections too."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def mend(self) -> None:
        """A long cut breaks connections: what hung is closed, and the next ones get through."""
        self._loop.call_soon_threadsafe(self._mend)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _mend(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
        self._open.set()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._open = asyncio.Event()
        self._open.set()
        server = self._loop.run_until_complete(asyncio.start_server(self._carry, self.address, 0))
        self.port = int(server.sockets[0].getsockname()[1])
        self._ready.set()
        self._loop.run_forever()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._open.wait()
            with contextlib.suppress(OSError):
                there, away = await asyncio.open_connection("127.0.0.1", self.target)
                self._writers.add(away)
                try:
                    await asyncio.gather(self._pump(reader, away), self._pump(there, writer))
                finally:
                    self._writers.discard(away)
                    away.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()
