"""What a refusal says."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework import serializers

from core.api import as_refusal


class Asked(serializers.Serializer[Any]):
    name = serializers.CharField()
    events = serializers.ListField(child=serializers.ChoiceField(["failed"]), required=False)
    tags = serializers.DictField(child=serializers.CharField(), required=False)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "'name': This field is required."),
        ({"name": "x", "events": ["failed", "nope"]}, "'events[1]': \"nope\" is not a valid choice."),
        ({"name": "x", "tags": {"team": None}}, "'tags.team': This field may not be null."),
        ([], "Invalid data. Expected a dictionary, but got list."),
    ],
)
def test_a_refusal_names_the_place_in_the_request(asked: Any, said: str) -> None:
    with pytest.raises(serializers.ValidationError) as wrong:
        Asked(data=asked).is_valid(raise_exception=True)
    refusal = as_refusal(wrong.value)
    assert refusal is not None and refusal.message == said
