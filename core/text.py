"""Text from outside, cleaned at every entrance by one function (`duto.spec.text`)."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from duto.spec.text import DEEPEST, clean, cleaned, is_deep

__all__ = ["DEEPEST", "clean", "cleaned", "document_of", "has_bad", "is_deep", "isolated"]

_ESCAPES = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def has_bad(text: str) -> bool:
    """Whether JSON, as text without surrogates of its own, spells a character that is none."""
    return _ESCAPES.search(text) is not None


def isolated(text: str) -> str:
    """The text as it may stand in a line of another direction, for places that take no `<bdi>`: what is read from right to left would draw a
    number that follows it to its other side. Source: Unicode Standard Annex #9, isolates."""
    is_mixed = any(unicodedata.bidirectional(each) in ("R", "AL") for each in text)
    return f"\u2068{text}\u2069" if is_mixed else text


def document_of(body: bytes) -> Any:
    """The JSON of a body that must be taken whatever its texts hold. Raises ValueError for what is no JSON."""
    text = body.decode("utf-8", "replace")
    try:
        document = json.loads(text)
        return cleaned(document) if has_bad(text) or is_deep(document) else document
    except RecursionError as error:
        raise ValueError("It is nested too deep.") from error
