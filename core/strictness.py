"""JSON has types: what the document calls a text is no number, and the other way round.

The framework's fields were made for forms, where everything is text, and would take `5` for a name and `"yes"` for true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers as s
from rest_framework.exceptions import ValidationError

# The first that fits decides; those that are no subclass of any take what they like.
KINDS: tuple[tuple[type[s.Field[Any, Any, Any, Any]], tuple[type, ...], str], ...] = (
    (s.BooleanField, (bool,), "Must be true or false."),
    (s.IntegerField, (int,), "A whole number is needed."),
    (s.FloatField, (int, float), "A number is needed."),
    (s.CharField, (str,), "A text is needed."),
    (s.UUIDField, (str,), "A text is needed."),
)


def check(field: s.Field[Any, Any, Any, Any], value: Any) -> None:
    """Raises ValidationError that names the field, as the framework's own checks do. Null and absence are theirs to judge."""
    if wrong := _wrong(field, value):
        raise ValidationError(wrong)


def _wrong(field: s.Field[Any, Any, Any, Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(field, s.Serializer):
        if not isinstance(value, Mapping):
            return None  # refused by the serializer itself
        found = {name: _wrong(each, value.get(name)) for name, each in field.fields.items()}
        return {name: wrong for name, wrong in found.items() if wrong}
    if isinstance(field, s.ListField | s.ListSerializer):
        child, values = field.child, value if isinstance(value, list) else []
        return next((wrong for each in values if child and (wrong := _wrong(child, each))), None)
    if isinstance(field, s.DictField):
        below = value.values() if isinstance(value, Mapping) else ()
        return next((wrong for each in below if (wrong := _wrong(field.child, each))), None)
    for kind, types, text in KINDS:
        if isinstance(field, kind):
            return None if _is(value, types) else [text]
    return None


def _is(value: Any, types: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in types
    # JSON has one kind of number: 1.0 is a whole one.
    return isinstance(value, types) or (int in types and isinstance(value, float) and value.is_integer())
