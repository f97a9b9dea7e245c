"""Lists are paged by keyset: a page costs the same at the first row and at the millionth."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet

from core.errors import Invalid
from core.text import cleaned

T = TypeVar("T", bound=Model)
U = TypeVar("U")
DEFAULT_LIMIT = 50
MAX_LIMIT = 500
LONGEST_CURSOR = 16_384
NO_CURSOR = "'after' is not a cursor of this list. Begin without it, then send the 'next' of the page before."


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
    # A cursor names its list, so that one of another list is refused instead of giving some rows of this one.
    label = f"{rows.model._meta.model_name}:{','.join(keys)}"
    if after:
        rows = rows.filter(_beyond(names, _read(after, label, rows.model, names), descending))
    found = list(rows.order_by(*keys)[: count + 1])
    following = encode([label, *(_value(found[count - 1], name) for name in names)]) if len(found) > count else None
    return Page(found[:count], following)


def part_of(
    items: Sequence[U], *, after: str | None, limit: int | str | None = None, label: str
) -> tuple[list[U], str | None]:
    """The same of a list that is in memory already: the cursor is the place in it. `label` names the list.

    Raises Invalid for a cursor that this list did not give.
    """
    count = limit_of(limit)
    start = 0
    if after:
        values = decode(after)
        if len(values) != 2 or values[0] != label or type(values[1]) is not int or not 0 <= values[1] <= len(items):
            raise Invalid(NO_CURSOR)
        start = values[1]
    following = encode([label, start + count]) if start + count < len(items) else None
    return list(items[start : start + count]), following


def limit_of(limit: int | str | None) -> int:
    try:
        count = int(limit) if limit is not None else DEFAULT_LIMIT
    except ValueError as error:  # also for thousands of digits
        raise Invalid(f"'limit' is a number from 1 to {MAX_LIMIT}, not {str(limit)[:40]!r}.") from error
    if not 1 <= count <= MAX_LIMIT:
        raise Invalid(f"'limit' is a number from 1 to {MAX_LIMIT}, not {count}.")
    return count


def encode(values: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values, default=str).encode()).decode().rstrip("=")


def decode(cursor: str) -> list[Any]:
    """The values that a cursor carries. Raises Invalid for what encode() has not made."""
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError("too long")
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or encode(values) != cursor:
            raise ValueError("not ours")
    except (ValueError, RecursionError) as error:
        raise Invalid(NO_CURSOR) from error
    return values


def _read(cursor: str, label: str, model: type[Model], names: list[str]) -> list[Any]:
    """The keys of the last row of the page before, each as its column has it."""
    values = decode(cursor)
    if values[:1] != [label] or len(values) != len(names) + 1:
        raise Invalid(NO_CURSOR)
    found = [_as_column(_field(model, name), value) for name, value in zip(names, values[1:], strict=True)]
    if encode([label, *found]) != cursor:
        raise Invalid(NO_CURSOR)
    return found


def _as_column(column: Field[Any, Any], value: Any) -> Any:
    try:
        if value is None or cleaned(value) != value:
            raise ValidationError("no database keeps this text")
        return column.clean(value, None)
    except (ValidationError, ValueError, TypeError) as error:
        raise Invalid(NO_CURSOR) from error


def _field(model: type[Model], name: str) -> Field[Any, Any]:
    *ways, last = name.split("__")
    for way in ways:
        model = model._meta.get_field(way).related_model  # type: ignore[assignment]
    return model._meta.get_field(last)  # type: ignore[return-value]


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
    *ways, last = name.split("__")
    value: Any = row
    for part in ways[:-1]:
        value = getattr(value, part)
    if ways and last == "id":  # stands in the row itself
        return getattr(value, f"{ways[-1]}_id")
    return getattr(getattr(value, ways[-1]), last) if ways else getattr(value, last)
