"""How REST reads JSON: text that no database could keep is cleaned on arrival, and depth is bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from core.text import DEEPEST, cleaned, is_deep

TOO_DEEP = f"The JSON is nested more than {DEEPEST} levels deep."


class Parser(JSONParser):
    """JSON of bounded depth, with clean texts: no null characters, no halves of a character."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            found: dict[str, Any] = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError(TOO_DEEP) from error
        if is_deep(found):
            raise ParseError(TOO_DEEP)
        clean_document: dict[str, Any] = cleaned(found)
        return clean_document
