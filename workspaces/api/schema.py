"""How the OpenAPI document names and describes what the views do."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from core import once

LIMIT = OpenApiParameter("limit", int, description="How many, from 1 to 500.")
KEY = OpenApiParameter(
    once.HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Of a key that was sent before with the same request, the answer tells what that did; nothing is done again.",
)
AFTER = OpenApiParameter("after", str, description="The cursor `next` of the page before.")


class StudioSchema(AutoSchema):
    """A page of a list is an object with `items`, so that a list must be recognised by it."""

    def get_operation_id(self) -> str:
        name: str = super().get_operation_id()
        return f"{name.removesuffix('_retrieve')}_list" if self._is_page() else name

    def get_override_parameters(self) -> list[Any]:
        given = list(super().get_override_parameters())
        known = {each.name for each in given if isinstance(each, OpenApiParameter)}
        paged = [LIMIT, AFTER] if self._is_page() else []
        if self.method == "POST" and getattr(self.view, "keeps_keys", False):
            paged.append(KEY)
        return [*given, *(each for each in paged if each.name not in known)]

    def _is_page(self) -> bool:
        answer = self.get_response_serializers()
        return self.method == "GET" and "next" in getattr(answer, "_declared_fields", {})
