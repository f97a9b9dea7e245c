"""How the lines that are found in a log are asked for and told over REST."""

from __future__ import annotations

from collections.abc import Callable

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers as s
from rest_framework.response import Response

from core.loglines import Found
from workspaces.api.base import StudioView

LAST = 1 << 62
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


def found_lines(view: StudioView, search: Callable[[str, int], Found], errors: Callable[[int], Found]) -> Response:
    """The answer to QUERY, by either way of looking."""
    start = view.number("from", 0, most=LAST)
    wanted = view.request.query_params.get("q")
    return Response((errors(start) if wanted is None else search(wanted, start)).as_document())
