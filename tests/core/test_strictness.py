"""JSON has types: a number is no text, a text is no number, and neither is true."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework import serializers as s
from rest_framework.exceptions import ValidationError

from core import strictness


class Leaf(s.Serializer):  # type: ignore[type-arg]
    on = s.BooleanField()


class Body(s.Serializer):  # type: ignore[type-arg]
    name = s.CharField()
    count = s.IntegerField()
    share = s.FloatField()
    on = s.BooleanField()
    id = s.UUIDField()
    names = s.ListField(child=s.CharField())
    leaf = Leaf()
    leaves = Leaf(many=True)
    sizes = s.DictField(child=s.IntegerField())
    anything = s.DictField()


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": None}, {"name": "a", "count": 1, "share": 1, "on": False, "id": "x"}, {"count": 2.0, "share": 0.5}, {"names": ["a", ""]}, {"leaf": {"on": True}},
        {"leaves": [{"on": False}]}, {"sizes": {"a": 1}}, {"anything": {"a": True, "b": [1]}}, {"unknown": 5}, {"names": "no list"}, {"leaf": 3},
    ],
)  # fmt: skip
def test_what_has_its_type_is_left_to_the_serializer(body: Any) -> None:
    strictness.check(Body(), body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": 5}, "name"), ({"name": True}, "name"), ({"count": "5"}, "count"), ({"count": True}, "count"), ({"count": 1.5}, "count"), ({"share": "0.5"}, "share"), ({"share": True}, "share"),
        ({"on": "yes"}, "on"), ({"on": 1}, "on"), ({"id": 5}, "id"), ({"names": ["a", 3]}, "names"), ({"leaf": {"on": "true"}}, "leaf"), ({"leaves": [{"on": 0}]}, "leaves"), ({"sizes": {"a": "1"}}, "sizes"),
    ],
)  # fmt: skip
def test_what_has_another_type_is_refused_by_its_field(body: Any, field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        strictness.check(Body(), body)
    assert isinstance(refused.value.detail, dict) and list(refused.value.detail) == [field]
