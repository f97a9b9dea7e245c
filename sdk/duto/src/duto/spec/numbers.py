"""Numbers that JSON does not carry, or that a database's JSON changes, as MongoDB's Extended JSON spells them.

`{"$numberDouble": "NaN"}` stands for NaN, infinities, -0.0 and floats of 1e16 and more, which PostgreSQL's `jsonb` would
turn into whole numbers. All others travel as they are; whole numbers in all their digits.
"""

from __future__ import annotations

import math
from typing import Any, Mapping

KEY = "$numberDouble"
_WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_LARGE = 1e16


def as_json(value: float) -> Any:
    """A float as JSON: itself, or an object with its text."""
    text = float.__repr__(value)
    if math.isfinite(value) and abs(value) < _LARGE and text != "-0.0":
        return float(value)
    return {KEY: _WORDS.get(text, text)}


def number_of(value: Any) -> Any:
    """The float of such an object; anything else as it is."""
    if isinstance(value, Mapping) and len(value) == 1 and isinstance(value.get(KEY), str):
        try:
            return float(value[KEY])
        except ValueError:
            return value
    return value


def encoded(value: Any) -> Any:
    """The same JSON with every float spelt."""
    if isinstance(value, float):
        return as_json(value)
    if isinstance(value, Mapping):
        number = number_of(value)
        return as_json(number) if isinstance(number, float) else {key: encoded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [encoded(each) for each in value]
    return value


def decoded(value: Any) -> Any:
    """The same JSON with every spelt float as a number again."""
    if isinstance(value, Mapping):
        number = number_of(value)
        return number if isinstance(number, float) else {key: decoded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [decoded(each) for each in value]
    return value
