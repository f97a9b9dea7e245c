"""The web process's HTTP on real sockets: clients that take for ever, and answers to bodies that nobody reads."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from studio import protocol
from studio.server import config_of

GUARD = 60


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Reads no body at `/refused`, all of it elsewhere; sends without end at `/endless`, until the client has gone."""
    size = 0
    if scope["path"] == "/endless":
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        sending = asyncio.create_task(_endlessly(send))
        assert (await receive())["type"] == "http.disconnect"
        sending.cancel()
        return
    while scope["path"] != "/refused":
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    status = 401 if scope["path"] == "/refused" else 200
    text = f"{size}".encode()
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-length", str(len(text)).encode())]}
    )
    await send({"type": "http.response.body", "body": text})


async def _endlessly(send: Any) -> None:
    while True:
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        # A broken connection takes everything at once: without a pause nobody would ever hear that it is broken.
        await asyncio.sleep(0)


class Talk:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, until: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(until), GUARD)

    async def rest(self) -> bytes:
        """All until the server closes."""
        return await asyncio.wait_for(self.reader.read(), GUARD)


@pytest.fixture
async def server() -> AsyncIterator[Any]:
    listening = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(config_of(application))
    running.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(running.serve(sockets=[listening]))
    while not running.started:
        await asyncio.sleep(0.01)

    async def connect() -> Talk:
        return Talk(*await asyncio.open_connection(*listening.getsockname()))

    yield connect
    running.should_exit = running.force_exit = True
    await task


async def test_a_head_has_an_end_of_time(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 1.0)
    silent = await server()
    assert await silent.rest() == b""
    slow = await server()  # not before: it would be cut off while it begins to speak
    await slow.say(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert await slow.rest() == b""
    second = await server()
    await second.say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await second.hear(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
    await second.say(b"GET / HTTP/1.1\r\nX-Drip: ")
    assert await second.rest() == b""


async def test_what_begins_no_request_does_not_hold_a_connection(server: Any) -> None:
    talk = await server()
    await talk.say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await talk.hear(b"\r\n\r\n0")
    place = talk.writer.get_extra_info("sockname")
    [here] = [each for each in _protocols() if each.transport.get_extra_info("peername") == place]
    assert here.timeout_keep_alive_task is not None
    await talk.say(b"\r\n")
    async with asyncio.timeout(GUARD):
        while here.timeout_keep_alive_task is not None:
            await asyncio.sleep(0.01)
    assert here._deadline is not None


def _protocols() -> list[protocol.Protocol]:
    import gc

    return [each for each in gc.get_objects() if type(each) is protocol.Protocol and each.transport is not None]


@pytest.mark.parametrize("endless", [b"GET / HTTP/1.1\r\nX-Long: ", b"GET /", b"GET / HTTP/1.1\r\n"])
async def test_a_head_has_an_end_of_size(server: Any, endless: bytes) -> None:
    talk = await server()
    await talk.say(endless)
    more = b"X-A: b\r\n" * 1000 if endless.endswith(b"\n") else b"x" * 8000
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        for _ in range(4000):
            await talk.say(more)
        await talk.hear(b"never")
    assert not [each for each in _protocols() if each._in_head and each._head_size > 4 * protocol.HEAD_MAX]


async def test_the_answer_to_a_body_that_nobody_reads_arrives(server: Any) -> None:
    talk = await server()
    total = 8 << 20
    await talk.say(f"PUT /refused HTTP/1.1\r\nHost: x\r\nContent-Length: {total}\r\n\r\n".encode())
    for _ in range(total // 65536):
        await talk.say(b"x" * 65536)
    assert (await talk.hear(b"\r\n\r\n0")).startswith(b"HTTP/1.1 401")
    await talk.say(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
    assert (await talk.hear(b"\r\n\r\n3")).startswith(b"HTTP/1.1 200")


async def test_a_refused_body_is_not_waited_for_for_ever(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.3)
    talk = await server()
    await talk.say(b"PUT /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nxx")
    assert (await talk.rest()).startswith(b"HTTP/1.1 401")


async def test_a_reader_that_takes_nothing_is_cut_off_and_a_slow_one_is_not(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "READ_SECONDS", 5.0)
    deaf, slow = await server(), await server()
    for each in (deaf, slow):
        await each.say(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
    deaf.writer.transport.pause_reading()
    place = deaf.writer.get_extra_info("sockname")
    # Looked for once: among all objects of a long run that takes longer than a reader may be silent here.
    [cut_off] = [each for each in _protocols() if each.transport.get_extra_info("peername") == place]
    async with asyncio.timeout(GUARD):
        while not cut_off.transport.is_closing():
            assert await slow.reader.read(1 << 22)
            await asyncio.sleep(0.02)
    assert await asyncio.wait_for(slow.reader.readexactly(8 << 20), GUARD)
    slow.writer.close()


async def test_who_asks_before_sending_is_told_at_once(server: Any) -> None:
    head = b"HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    refused, taken = await server(), await server()
    await refused.say(b"PUT /refused " + head)
    assert (await refused.hear(b"\r\n\r\n0")).startswith(b"HTTP/1.1 401")
    await taken.say(b"PUT / " + head)
    assert (await taken.hear(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    await taken.say(b"abc")
    assert (await taken.hear(b"\r\n\r\n3")).startswith(b"HTTP/1.1 200")
