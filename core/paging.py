"""Lists are paged by keyset: a page costs the same at the first row and at the millionth."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

from core.errors import Invalid

T = TypeVar("T", bound=Model)
DEFAULT_LIMIT = 50
MAX_LIMIT = 500


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows, and the cursor of the next ones or None."""

    items: list[T]
    next: str | None


def page_of(
    rows: QuerySet[T], *, after: str | None, limit: int | str | None = None, keys: tuple[str, ...] = ("-id",)
) -> Page[T]:
    """The `limit` rows after the cursor, ordered by `keys` (all descending or all ascending, the last one unique).

    Raises Invalid for a cursor that this list did not give.
    """
    count = limit_of(limit)
    descending = keys[0].startswith("-")
    names = [key.lstrip("-") for key in keys]
    if after:
        rows = rows.filter(_beyond(names, decode(after, len(names)), descending))
    found = list(rows.order_by(*keys)[: count + 1])
    following = encode([_value(found[count - 1], name) for name in names]) if len(found) > count else None
    return Page(found[:count], following)


def limit_of(limit: int | str | None) -> int:
    try:
        count = int(limit) if limit not in (None, "") else DEFAULT_LIMIT
    except ValueError as error:
        raise Invalid(f"'limit' is a number from 1 to {MAX_LIMIT}, not {limit!r}.") from error
    if not 1 <= count <= MAX_LIMIT:
        raise Invalid(f"'limit' is a number from 1 to {MAX_LIMIT}, not {count}.")
    return count


def encode(values: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values, default=str).encode()).decode().rstrip("=")


def decode(cursor: str, length: int) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise Invalid("'after' is not a cursor of this list.") from error
    if not isinstance(values, list) or len(values) != length:
        raise Invalid("'after' is not a cursor of this list.")
    return values


def _beyond(names: list[str], values: list[Any], descending: bool) -> Q:
    """(a, b) < (x, y), spelt out because not every database compares rows by an index."""
    operator = "lt" if descending else "gt"
    condition = Q()
    equal: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        condition |= Q(**equal, **{f"{name}__{operator}": value})
        equal[name] = value
    return condition


def _value(row: Model, name: str) -> Any:
    value: Any = row
    for part in name.split("__"):
        value = getattr(value, part)
    return value
