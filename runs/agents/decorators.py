"""Views for agents: a host is let in by its key, and a refusal goes out in the shape of docs/wire.md, *Errors*."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.db import Error
from django.http import HttpRequest, HttpResponseNotAllowed, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from compute.models import Host
from compute.services.hosts import authenticate
from core.busy import as_busy
from core.errors import Conflict, Invalid, NotFound, StudioBusy, StudioError, TooLarge, Unauthenticated
from core.fullness import as_full
from duto_protocol.messages import RANKS_MOST
from runs.models import Attempt

log = logging.getLogger(__name__)
View = Callable[..., HttpResponseBase]


def agent_call(*methods: str, most: int | None) -> Callable[[View], View]:
    """A view for agents: `view(request, host, ...)`, without session and CSRF, for the host of the key.

    `most` are the bytes that a body may have; None: it is a file.
    """

    def wrap(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def inner(request: HttpRequest, **names: Any) -> HttpResponseBase:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            try:
                return view(request, host_of(request), **names)
            except StudioError as error:
                return refusal(error)
            except (OSError, Error) as error:
                return refusal_of(error)

        inner.most = most  # type: ignore[attr-defined]
        return inner

    return wrap


def host_of(request: HttpRequest) -> Host:
    """The host whose key the request carries. Raises Unauthenticated."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthenticated("Send the host's key: 'Authorization: Bearer <key>'.")
    return authenticate(key.strip())


def refusal(error: StudioError) -> JsonResponse:
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, StudioBusy) else {}
    return JsonResponse(error.as_document(), status=error.status, headers=headers)


def refusal_of(error: Exception) -> JsonResponse:
    """The answer where the studio's disk is full or its database busy, which an agent waits out; any other error is raised again."""
    known = as_full(error) or as_busy(error)
    if known is None:
        raise error
    log.error("%s (%s)", known.message, error)
    return refusal(known)


def attempt_for(host: Host, attempt_id: UUID, epoch: int) -> Attempt:
    """The attempt that this host holds. Raises NotFound for another's, Conflict (`stale_epoch`) for an old lease."""
    attempt = Attempt.objects.select_related("run").filter(pk=attempt_id, host=host).first()
    if attempt is None:
        raise NotFound("This host has no such attempt.")
    if attempt.epoch != epoch:
        raise stale(attempt)
    return attempt


def stale(attempt: Attempt) -> Conflict:
    """The answer to an agent whose lease was given to another, or is over."""
    return Conflict(f"The attempt is at epoch {attempt.epoch}. Stop this one.", code="stale_epoch", epoch=attempt.epoch)


def body_of(request: HttpRequest, limit: int) -> bytes:
    """The request's body, read once. Raises TooLarge."""
    data = request.read(limit + 1)
    if len(data) > limit:
        raise TooLarge(f"Send at most {limit} bytes at a time.", limit=limit)
    return bytes(data)


def offset_of(request: HttpRequest, name: str = "offset") -> int:
    """A number of bytes of the query. Raises Invalid."""
    text = request.GET.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(f"Say which bytes are meant: '?{name}=N'.")
    return int(text)


def rank_of(request: HttpRequest) -> int | None:
    """Which process of the attempt is meant; None for the attempt itself. Raises Invalid."""
    text = request.GET.get("rank")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text[:4]) >= RANKS_MOST:
        raise Invalid(f"A rank is a number below {RANKS_MOST}: '?rank=N'.")
    return int(text)
