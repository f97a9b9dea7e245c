"""How the web process speaks HTTP: as uvicorn does, with an end for clients that take for ever."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Seconds for the head of a request, and its most bytes.
HEAD_SECONDS, HEAD_MAX = 30.0, 64 * 1024
# A body that was refused is thrown away for so long: closed at once, the client might never see the answer.
LINGER_SECONDS = 5.0
# A reader that takes nothing for so long has gone, whether it says so or not.
READ_SECONDS = 120.0
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Protocol(HttpToolsProtocol):
    """One connection. The time of bodies is kept by `studio.limits`, which knows what they are for."""

    _deadline: asyncio.TimerHandle | None = None
    _patience: asyncio.TimerHandle | None = None
    _in_head, _head_size = False, 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._close_in(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stay()
        self._has_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._has_read()
        self._patience = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._has_read()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        self._head_size += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._head_size > HEAD_MAX:
            self.transport.write(TOO_LARGE)
            self.transport.close()
        elif self._is_idle():
            self._close_in(self.timeout_keep_alive)

    def on_message_begin(self) -> None:
        self._in_head, self._head_size = True, 0
        self._close_in(HEAD_SECONDS)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stay()
        super().on_headers_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what follows a chunked body says nothing that anybody asks
            super().on_header(name, value)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self._stay()

    def on_response_complete(self) -> None:
        is_unread = self.cycle.more_body and not self.pipeline
        super().on_response_complete()
        if is_unread and not self.transport.is_closing():
            self._close_in(LINGER_SECONDS)

    def _is_idle(self) -> bool:
        """Whether something came that begins no request, which would end the wait for the next one."""
        is_between = not self._in_head and (self.cycle is None or self.cycle.response_complete)
        return is_between and self._deadline is None and self.timeout_keep_alive_task is None

    def _has_read(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _close_in(self, seconds: float) -> None:
        self._stay()
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _stay(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
