"""Columns of times. In the step, and where a model is loaded."""

from __future__ import annotations

from typing import Any

import pandas


def times_of(column: Any, errors: str = "raise") -> Any:
    """A column as times in UTC, without a zone. Raises as pandas does, unless `errors` is another."""
    return pandas.to_datetime(column, utc=True, errors=errors).dt.tz_localize(None)
