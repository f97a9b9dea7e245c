"""Rows by what people have written into a column of names and values, such as tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.db.models.fields.json import KeyTransform

T = TypeVar("T", bound=Model)


def asked(query: Mapping[str, Any], name: str) -> dict[str, str | None]:
    """The pairs of a query string, by key."""
    return dict(map(pair, values(query, name)))


def values(query: Mapping[str, Any], name: str) -> list[str]:
    """`?tags=a&tags=b` and `?tags=a,b` alike."""
    given = query.getlist(name) if hasattr(query, "getlist") else [query.get(name, "")]
    return [part.strip() for text in given for part in str(text).split(",") if part.strip()]


def pair(text: str) -> tuple[str, str | None]:
    """`key` alone asks for its presence, `key=value` or `key:value` for the value."""
    key, mark, value = text.partition("=" if "=" in text else ":")
    return key, value if mark else None


def narrowed(rows: QuerySet[T], column: str, pairs: Mapping[str, str | None]) -> QuerySet[T]:
    """The rows whose column has all of these pairs; None: whatever the value is."""
    for number, (key, value) in enumerate(pairs.items()):
        if value is None:
            rows = rows.filter(**{f"{column}__has_key": key})
        else:
            # Not `tags__<key>`: a key is a person's text, and must not be read as a look-up.
            name = f"{column}_{number}"
            rows = rows.alias(**{name: KeyTransform(key, column)}).filter(**{name: value})
    return rows
