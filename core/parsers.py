"""How REST reads JSON: nothing of a body is dropped or replaced without a word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from core.text import DEEPEST, cleaned, has_bad, is_deep
from duto.spec.secrets import DIGEST, SEALED, is_sealed

TOO_DEEP = f"The JSON is nested more than {DEEPEST} levels deep."
NO_TEXT = (
    "A text of the body has a null character, or half of a surrogate pair: no database keeps these. Leave them out, or replace "
    "them by U+FFFD."
)


class Parser(JSONParser):
    """JSON of bounded depth, with each key once, and of texts that a database can keep."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        encoding = (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
        try:
            text = stream.read().decode(encoding)
            found: dict[str, Any] = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
        except RecursionError as error:
            raise ParseError(TOO_DEEP) from error
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from error
        if is_deep(found):
            raise ParseError(TOO_DEEP)
        # Two halves side by side, each written on its own, are a character.
        if has_bad(text) and cleaned(found) != found:
            raise ParseError(NO_TEXT)
        return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ParseError for a key that is there twice, of which one would be lost, and for what only the studio makes."""
    found = dict(pairs)
    if is_sealed(found):
        raise ParseError(f"An object of '{SEALED}' and '{DIGEST}' is how the studio keeps a secret. Send its text.")
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _value in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ParseError(f"The JSON has the key {twice[:80]!r} twice in one object. Which one is meant?")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"Out of range float values are not JSON compliant: {name!r}")
