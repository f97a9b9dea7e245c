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
        sql, keys = type(row)._base_manager.filter(pk=row.pk).values("pk").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(sql + " FOR KEY SHARE", keys)
    row.refresh_from_db(fields=fields)
