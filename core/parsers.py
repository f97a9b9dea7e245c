"""How REST reads JSON: what neither database could keep is refused at the door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

DEEPEST = 100
TOO_DEEP = f"The JSON is nested more than {DEEPEST} levels deep."


class Parser(JSONParser):
    """JSON of bounded depth, with text that PostgreSQL can store: no null characters, no halves of a character."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            found: dict[str, Any] = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError(TOO_DEEP) from error
        check(found)
        return found


def check(document: Any) -> None:
    """Raises ParseError for what cannot be kept. A loop, since depth is what it is about."""
    level, depth = [document], 0
    while level:
        if depth > DEEPEST:
            raise ParseError(TOO_DEEP)
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                _check_text(value)
            elif isinstance(value, dict):
                below += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                below += value
        level, depth = below, depth + 1


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ParseError("The JSON holds a null character (\\u0000), which no text can have.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ParseError("The JSON holds half of a surrogate pair, which is no character.") from error
