"""How a log is read, and searched, over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers as s
from rest_framework.response import Response

from core.loglines import WINDOW, Found, Window
from core.serving import guarded, serve
from workspaces.api.base import StudioView

LAST = 1 << 62
TEXT = "text/plain; charset=utf-8"
WINDOW_OF = [
    OpenApiParameter("offset", int, description="First byte; a negative number counts from the end."),
    OpenApiParameter("limit", int, description="Most bytes, up to 4 MiB."),
    OpenApiParameter("download", bool, description="`1` for the whole log as a file."),
]
QUERY = [
    OpenApiParameter(
        "q",
        {"type": "string", "minLength": 1},
        description="What to look for, whatever the case; where it is left out, the lines with which errors begin.",
    ),
    OpenApiParameter("from", int, description="Byte to begin at."),
]


class Match(s.Serializer):  # type: ignore[type-arg]
    line = s.IntegerField()
    offset = s.IntegerField()
    text = s.CharField()


class Matches(s.Serializer):  # type: ignore[type-arg]
    matches = Match(many=True)
    next = s.IntegerField(allow_null=True)


def read_log(
    view: StudioView, window: Callable[[int, int], Window], whole: Callable[[], BinaryIO], size: int, name: str
) -> HttpResponseBase:
    """The answer to WINDOW_OF: a window, or the whole as a file of this name."""
    request = view.request._request
    if view.flag("download"):
        return (
            serve(request, whole(), size, name, TEXT)
            if size
            else guarded(request, HttpResponse(content_type=TEXT), name)
        )
    found = window(view.number("offset", 0, least=-LAST, most=LAST), view.number("limit", WINDOW, least=1))
    headers = {
        "X-Log-Offset": str(found.offset),
        "X-Log-Size": str(found.size),
        "X-Log-Final": str(int(found.final)),
    }
    if found.errors is not None:
        headers["X-Log-Errors"] = str(found.errors)
    return guarded(request, HttpResponse(found.data, content_type=TEXT, headers=headers), name)


def found_lines(view: StudioView, search: Callable[[str, int], Found], errors: Callable[[int], Found]) -> Response:
    """The answer to QUERY, by either way of looking."""
    start = view.number("from", 0, most=LAST)
    wanted = view.request.query_params.get("q")
    return Response((errors(start) if wanted is None else search(wanted, start)).as_document())
