"""Carries connections from one address to another and knows nothing else: the studio's way into a closed network.

`python -I -S relay.py PORT SOCKET` stands in the container that holds the network of a run: whoever connects to
127.0.0.1:PORT there is carried to the unix socket, behind which the agent connects to the studio alone. Without
arguments it only holds the network open. Standard library, Python 3.8 and later.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any, Awaitable, Callable, Tuple

Streams = Tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]
CHUNK = 1 << 16


def carrier(connect: Connect) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """What a server calls for each connection. One that cannot be carried is closed."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await connect()
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
        for each in (back, writer):
            each.close()

    return carry


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """To the end of one direction; the other may go on."""
    try:
        while True:
            data = await source.read(CHUNK)
            if not data:
                break
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
    except OSError:
        target.close()


async def _serve(port: int, path: str) -> None:
    async def connect() -> Streams:
        return await asyncio.open_unix_connection(path)

    server: Any = await asyncio.start_server(carrier(connect), "127.0.0.1", port)
    await server.serve_forever()


def main(arguments: list[str]) -> None:
    """Until somebody ends us."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if not arguments:
        while True:
            signal.pause()
    asyncio.run(_serve(int(arguments[0]), arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
