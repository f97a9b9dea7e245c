"""JSON in columns: what one database keeps otherwise than the other is the same on both."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.models import JSONField
from psycopg.types.json import Jsonb

from core.text import cleaned, has_bad

# Texts, which stay, and floats of which `jsonb` would make whole numbers, or lose the sign.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?e\+\d+|-0\.0(?![\d.eE])')
# A `jsonb` number has no -0; this one is nearer to it than any float, and is read as it.
_NEGATIVE_ZERO = "-1e-400"


def read_clean() -> None:
    """From now on JSON columns give clean texts: SQLite keeps what is no text, as it is spelt, and every reader would stumble over
    it. PostgreSQL takes none but these."""
    as_it_is = JSONField.from_db_value

    def from_db_value(self: JSONField[Any, Any], value: Any, expression: Any, connection: Any) -> Any:
        found = as_it_is(self, value, expression, connection)
        return cleaned(found) if connection.vendor == "sqlite" and isinstance(value, str) and has_bad(value) else found

    JSONField.from_db_value = from_db_value  # type: ignore[method-assign]


def keep_floats() -> None:
    """From now on PostgreSQL gives floats back as floats. `jsonb` writes 1e+16 as 10000000000000000, which is a whole number to
    whoever reads it; what is written with a fraction keeps that."""

    def adapt_json_value(self: DatabaseOperations, value: Any, encoder: Any) -> Jsonb:
        return Jsonb(value, dumps=lambda document: spelt(json.dumps(document, cls=encoder)))

    DatabaseOperations.adapt_json_value = adapt_json_value  # type: ignore[assignment,method-assign]


def spelt(text: str) -> str:
    """JSON whose floats `jsonb` keeps as floats."""
    return _TOKEN.sub(_spelt, text) if "e+" in text or "-0.0" in text else text


def _spelt(match: re.Match[str]) -> str:
    found = match[0]
    if found.startswith('"'):
        return found
    return _NEGATIVE_ZERO if found == "-0.0" else f"{Decimal(found):f}.0"
