"""Rows that others must not take away while something that needs them is being written."""

from __future__ import annotations

from django.db import connection
from django.db.models import Model


def refresh(row: Model, *fields: str) -> None:
    """Read these fields anew, and hold the row until the transaction ends against those who lock it for update, and nobody else.

    A row that is only updated, as that of a pipeline is by each of its runs, is not waited for.
    """
    if connection.vendor == "postgresql":
        # Django knows the locks for update alone.
        quote = connection.ops.quote_name
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {quote(row._meta.db_table)} WHERE id = %s FOR KEY SHARE", [row.pk])
    row.refresh_from_db(fields=fields)
