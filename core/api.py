"""How REST answers when it refuses: one body for every error (docs/wire.md, *Errors*)."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.http import Http404
from rest_framework.exceptions import APIException, NotAuthenticated, ValidationError
from rest_framework.response import Response

from core.answers import CODES
from core.busy import as_busy
from core.errors import Invalid, NotFound, StudioBusy, StudioError, TooLarge, TooManyRequests
from core.fullness import as_full
from core.spec import unprocessable
from duto.spec.errors import SpecError

WHO = "Sign in first, or send a token: 'Authorization: Bearer duto_...'."


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None for a bug, which may crash its request."""
    if isinstance(error, APIException) and not isinstance(error, ValidationError):
        return _of_framework(error)
    refusal = as_refusal(error)
    if refusal is None:
        return None
    response = Response(refusal.as_document(), status=refusal.status)
    if refusal.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="duto"'
    if isinstance(refusal, StudioBusy | TooManyRequests):
        response["Retry-After"] = str(refusal.retry_after)
    return response


def as_refusal(error: Exception) -> StudioError | None:
    """The refusal that an exception of ours, of Django or of a serializer stands for."""
    if isinstance(error, StudioError):
        return error
    if isinstance(error, SpecError):
        return unprocessable(error)
    if isinstance(error, ValidationError):
        return Invalid(_sentence(error.detail), fields=error.detail)
    if isinstance(error, Http404):
        return NotFound("There is nothing at this address.")
    if isinstance(error, RequestDataTooBig | TooManyFilesSent):
        return TooLarge("The request is larger than this studio takes.")
    return as_full(error) or as_busy(error)


def _of_framework(error: APIException) -> Response:
    code = CODES.get(error.status_code, "invalid")
    text = WHO if isinstance(error, NotAuthenticated) else str(error.detail)
    body = {"error": {"code": code, "message": text, "facts": {}}}
    response = Response(body, status=error.status_code)
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    return response


def _sentence(detail: Any, field: str = "") -> str:
    """The first complaint of a serializer, with the field it is about."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()), ("", "The request is not valid."))
        return _sentence(inner, _below(field, str(name)))
    if isinstance(detail, list | tuple):
        return _sentence(detail[0] if detail else "The request is not valid.", field)
    return f"'{field}': {detail}" if field else str(detail)


def _below(field: str, name: str) -> str:
    """Where in a request: `events[0]`, `tags.team`."""
    if name == "non_field_errors" or not field:
        return field if name == "non_field_errors" else name
    return f"{field}[{name}]" if name.isdigit() else f"{field}.{name}"
