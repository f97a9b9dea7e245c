"""JSON that a row holds already: SQLite keeps what is no text, as it is spelt, and every reader would stumble over it."""

from __future__ import annotations

from typing import Any

from django.db.models import JSONField

from core.text import cleaned, has_bad


def read_clean() -> None:
    """From now on JSON columns give clean texts. PostgreSQL takes none but these."""
    as_it_is = JSONField.from_db_value

    def from_db_value(self: JSONField[Any, Any], value: Any, expression: Any, connection: Any) -> Any:
        found = as_it_is(self, value, expression, connection)
        return cleaned(found) if connection.vendor == "sqlite" and isinstance(value, str) and has_bad(value) else found

    JSONField.from_db_value = from_db_value  # type: ignore[method-assign]
