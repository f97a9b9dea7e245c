"""Text from outside that must be taken, whatever it holds."""

from __future__ import annotations

from typing import Any


def cleaned(document: Any) -> Any:
    """The same JSON with a replacement character for what PostgreSQL stores in no text: nulls and half pairs."""
    if isinstance(document, str):
        return document.replace("\0", "�").encode("utf-8", "replace").decode()
    if isinstance(document, dict):
        return {cleaned(key): cleaned(value) for key, value in document.items()}
    if isinstance(document, list):
        return [cleaned(value) for value in document]
    return document
