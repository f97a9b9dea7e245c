"""All rows and files of a world that many tests begin with: made once a process, and put there again for each."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from core.storage import data_dir, workspace_roots
from studio.testing.quick import FILLED
from workspaces.models import Workspace


@dataclass
class Kept:
    """What stood in the tables that were not empty, and the folders of the workspaces."""

    rows: dict[str, Any]
    files: Path

    @classmethod
    def of_now(cls) -> Kept:
        """Of the database and the storage as they are."""
        names = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - FILLED
        read = _copied if connection.vendor == "postgresql" else _selected
        with connection.cursor() as cursor:
            rows = {name: rows for name in sorted(names) if (rows := read(cursor, connection.ops.quote_name(name)))}
        # Below the services' own folder, which goes at the end.
        files = Path(tempfile.mkdtemp(dir=data_dir()))
        for folder in _folders():
            shutil.copytree(folder, files / folder.relative_to(data_dir()))
        return cls(rows, files)

    def put(self) -> None:
        """All of it there again, in a database that is empty."""
        write = _copy if connection.vendor == "postgresql" else _insert
        with transaction.atomic(), connection.cursor() as cursor:
            for name, rows in self.rows.items():
                write(cursor, connection.ops.quote_name(name), rows)
        shutil.copytree(self.files, data_dir(), dirs_exist_ok=True)


def _folders() -> list[Path]:
    """All that is kept of the workspaces that there are."""
    ids = Workspace.objects.values_list("pk", flat=True)
    return [root.local for each in ids for root in workspace_roots(each) if root.local and root.local.exists()]


def _copied(cursor: Any, table: str) -> list[bytes]:
    with cursor.copy(f"COPY {table} TO STDOUT") as copy:
        return [bytes(data) for data in copy]


def _copy(cursor: Any, table: str, rows: list[bytes]) -> None:
    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
        copy.write(b"".join(rows))


def _selected(cursor: Any, table: str) -> list[Any]:
    return list(cursor.connection.execute(f"SELECT * FROM {table}"))


def _insert(cursor: Any, table: str, rows: list[Any]) -> None:
    marks = ", ".join("?" * len(rows[0]))
    cursor.connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
