"""How requests reach Django: people's through the middleware in one hop, agents' straight to their views."""

from __future__ import annotations

from functools import cache
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.exception import convert_exception_to_response
from django.db import connection
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_header_parameters

from core import outbox_publisher
from core.serving import one_by_one
from studio import beat
from studio.middleware import ErrorDocuments


class Utf8Request(ASGIRequest):
    """Bodies and addresses are UTF-8. Django would read them by any codec that a stranger names, `hex` among them."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class StreamingHandler(ASGIHandler):
    """Sends what is made in pieces in pieces: given a plain iterator, Django would gather all of it in memory first."""

    request_class = Utf8Request

    async def send_response(self, response: HttpResponseBase, send: Any) -> None:
        if isinstance(response, StreamingHttpResponse):
            # Who reads slowly keeps no connection to the database from others meanwhile.
            await sync_to_async(_give_connection_back)()
            if not response.is_async:
                response.streaming_content = one_by_one(response._iterator)  # type: ignore[attr-defined]
        await super().send_response(response, send)


def _give_connection_back() -> None:
    if connection.vendor != "sqlite" and not connection.in_atomic_block:
        connection.close()


class PagesHandler(StreamingHandler):
    """All middleware in one thread: mixed with async ones each would cost two changes of thread a request."""

    _middleware_chain: Any

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)
        self._middleware_chain = sync_to_async(self._middleware_chain, thread_sensitive=True)


class AgentsHandler(StreamingHandler):
    """Agents carry a key and no cookies: sessions, CSRF, languages and static files have nothing to do for them."""

    def load_middleware(self, is_async: bool = False) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        answer: Any = convert_exception_to_response(self._get_response_async)  # type: ignore[attr-defined]
        self._middleware_chain: Any = ErrorDocuments(answer)


def by_path() -> Any:
    """The application that sends each request to its handler."""
    pages, agents = PagesHandler(), AgentsHandler()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        begin()
        await (agents if scope["path"].startswith("/agent/") else pages)(scope, receive, send)

    return application


@cache
def begin() -> None:
    """What a web process does besides answering, from its first request on: an import alone starts nothing."""
    beat.start()
    outbox_publisher.start()
