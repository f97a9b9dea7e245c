"""Who may send a large body, and how large: decided from the headers, by the rules of the view that it is for."""

from __future__ import annotations

import io
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import HttpResponse
from django.urls import Resolver404, resolve
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.response import Response
from rest_framework.views import APIView

from core.answers import document_of
from core.api import as_refusal
from core.errors import NotFound, StudioError, TooLarge
from runs.agents.decorators import host_of
from studio.handlers import Utf8Request
from workspaces.access import authorize

# What anybody may send to any address: forms, short documents. It is held in memory, never on the disk.
FREE = 64 * 1024
# In the scope of a request whose body was refused: why, which is shown as a page.
REFUSED = "duto.refused"


class Refused(Exception):
    """The answer of the view, given before the body is read: its status, its document, and headers."""

    def __init__(self, status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.document, self.headers = status, document, headers or {}


def refusal(error: StudioError) -> Refused:
    return Refused(error.status, error.as_document())


def too_large(limit: int) -> Refused:
    """413 with the limit in words."""
    text = f"The request is larger than {limit} bytes, the most that may be sent here."
    return refusal(TooLarge(text, limit=limit))


def limit_for(scope: Any) -> int:
    """The most bytes that this caller may send to this address, FREE or more. Raises Refused, as the view itself would."""
    try:
        request = Utf8Request({**scope, "headers": _without_length(scope["headers"])}, io.BytesIO())
        return max(FREE, _asked_of_view(request))
    except Refused:
        raise
    except (UnicodeDecodeError, SuspiciousOperation, ValueError) as error:
        raise Refused(400, document_of(400)) from error
    except Exception as error:
        known = as_refusal(error)
        if known is None:
            raise
        raise refusal(known) from error
    finally:
        if connection.vendor != "sqlite" and not connection.in_atomic_block:
            connection.close()


def _asked_of_view(request: ASGIRequest) -> int:
    try:
        match = resolve(request.path_info)
    except Resolver404 as error:
        raise NotFound("There is nothing at this address.") from error
    view: Any = match.func
    if request.path_info.startswith("/agent/"):
        return _of_agent(request, view)
    _know(request)
    if issubclass(getattr(view, "view_class", object), APIView):
        return _of_rest(request, view, match.kwargs)
    return _of_page(request, view, match.kwargs)


def _of_agent(request: ASGIRequest, view: Any) -> int:
    most = getattr(view, "most", FREE)
    if most != FREE:
        host_of(request)
    return settings.DUTO.upload_max_bytes if most is None else int(most)


def _of_rest(request: ASGIRequest, func: Any, names: dict[str, Any]) -> int:
    """What `dispatch` does before it calls the method that would read the body."""
    view = func.view_class(**getattr(func, "view_initkwargs", {}))
    method = (request.method or "").lower()
    view.workspace_name = names.get("workspace", "")
    view.args, view.kwargs = (), {name: value for name, value in names.items() if name != "workspace"}
    view.request = view.initialize_request(request)
    view.headers = view.default_response_headers
    try:
        view.initial(view.request, **view.kwargs)
        if not hasattr(view, method):
            raise MethodNotAllowed(method.upper())
    except Exception as error:  # told as the view tells it; what it does not know is raised again
        answer: Response = view.handle_exception(error)
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name in ("WWW-Authenticate", "Retry-After", "Allow")
        }
        raise Refused(answer.status_code, getattr(answer, "data", document_of(answer.status_code)), headers) from error
    return _most(request, takes_files=method in getattr(view, "takes_files", ()))


def _of_page(request: ASGIRequest, view: Any, names: dict[str, Any]) -> int:
    """Pages of a workspace say whom they are for; what is outside of one is a short form, or says by its address how long."""
    if (most_for := getattr(view, "most_for", None)) is not None:
        return int(most_for(**names))
    needs = getattr(view, "needs", None)
    if needs is None or "workspace" not in names or request.method not in view.methods:
        raise too_large(FREE)
    authorize(request, names["workspace"], needs=needs)
    return _most(request, takes_files=view.takes_files)


def _most(request: ASGIRequest, *, takes_files: bool) -> int:
    """A POST carries files in a form of parts; in any other shape it is a document, which is read as a whole."""
    is_file = takes_files and (request.method != "POST" or request.content_type == "multipart/form-data")
    return int(settings.DUTO.upload_max_bytes if is_file else settings.DUTO.request_max_bytes)


def _know(request: ASGIRequest) -> None:
    """The person of the session's cookie, if there is one."""
    SessionMiddleware(_nothing).process_request(request)
    AuthenticationMiddleware(_nothing).process_request(request)


def _nothing(request: Any) -> HttpResponse:
    return HttpResponse()


def _without_length(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Nobody shall look for a body in this request."""
    return [pair for pair in headers if pair[0] not in (b"content-length", b"transfer-encoding")]
