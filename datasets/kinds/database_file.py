"""Files of SQLite and DuckDB in folders of the studio's machine that its settings name, to read by query, in a process of its own."""

from __future__ import annotations

import contextlib
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from core.errors import Invalid, StudioError
from core.storage import data_dir
from datasets import child
from datasets.kinds import database
from datasets.kinds.base import Connection, Field, Kind, refused
from datasets.stored_messages import refusal, say
from duto.spec import units

if TYPE_CHECKING:
    import pyarrow as pa

CHILD = Path(__file__).parents[1] / "sql_child.py"
# Addresses, of which DuckDB and Arrow reserve more than they use.
MEMORY = 3 << 30
_QUOTING = {
    "sqlite": re.compile(rf"{database.STANDARD.pattern}|`[^`]*`|\[[^\]]*\]", re.DOTALL), "duckdb": database.DOLLARS,
}  # fmt: skip
# What starting and ending the process may take beside the time that a query has, in seconds.
MARGIN = 10


class File:
    """`datasets.kinds.base.Database` over a process that has the file open for one question."""

    def __init__(self, place: Connection, engine: str) -> None:
        self.place, self.store, self.engine = place, place.name, engine

    def check(self) -> None:
        self.tables()

    def tables(self) -> list[str]:
        with self._asked({"task": "tables"}, 10) as answers:
            return list(next(answers)["tables"])

    def query(self, sql: str, seconds: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        plain = database.require_reading(self.store, sql, _QUOTING[self.engine])
        with self._asked({"task": "query", "sql": plain}, seconds) as answers:
            for answer in answers:
                with pa.ipc.open_stream(answer["data"]) as stream:
                    yield stream.read_next_batch()

    @contextlib.contextmanager
    def _asked(self, question: Mapping[str, Any], seconds: int) -> Iterator[Iterator[dict[str, Any]]]:
        asked = {**question, "engine": self.engine, "path": str(self._file()), "limit": seconds}
        try:
            with child.asked(CHILD, asked, memory=MEMORY, seconds=seconds + MARGIN, task="query") as answers:
                yield self._heard(answers)
        except StudioError as error:
            if error.code == "table_too_slow":  # it did not end itself: an engine that hears nothing
                raise refused(self.store, "answer", "store_slow_query", seconds=seconds) from error
            if error.code == "table_too_large":
                size = units.size_text(MEMORY)
                raise refused(self.store, "answer", "store_large_query", size=size) from error
            raise

    def _heard(self, answers: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for answer in answers:
            if "refused" in answer:
                said = answer["refused"]
                raise refused(self.store, said["stage"], said["code"], **said["facts"])
            yield answer

    def _file(self) -> Path:
        """Looked at each time: the settings, and what a link leads to, may be others by now."""
        path = _real(self.place["path"])
        if path is None:
            raise refused(self.store, "container", "store_folder", path=self.place["path"])
        try:
            is_file = stat.S_ISREG(path.stat().st_mode)
        except OSError as error:
            raise refused(
                self.store, "container", "store_no_database", engine=self.engine, why=error.strerror or str(error)
            ) from error
        if not is_file:
            raise refused(self.store, "container", "store_container", container=str(path))
        return path


def _real(path: str) -> Path | None:
    """Where it leads; None where that is no folder whose files may be read. The studio's own never are."""
    given = Path(path)
    if not given.is_absolute():
        return None
    real = given.resolve()
    allowed = [Path(each).resolve() for each in settings.DUTO.database_folders.split(":") if each]
    is_own = real.is_relative_to(data_dir().resolve())
    return real if not is_own and any(real.is_relative_to(each) for each in allowed) else None


def check(place: Connection) -> None:
    """Raises Invalid."""
    if _real(place["path"]) is None:
        raise refusal(
            Invalid, say("store_folder", store=place.name, path=place["path"]), code="bad_option", field="path"
        )


def _kind(name: str, label: Any, azure_type: str) -> Kind:
    return Kind(
        name,
        label,
        azure_type,
        options=(
            Field("path", _("File"), True, help=_("whole path on the studio’s machine, in a folder of DUTO_DATABASE_FOLDERS")),
        ),
        database=lambda place: File(place, name),
        is_writable=False,
        modules=("duckdb", "pyarrow"),
        check=check,
        address=None,
    )  # fmt: skip


SQLITE = _kind("sqlite", _("SQLite file"), "Sqlite")
DUCKDB = _kind("duckdb", _("DuckDB file"), "DuckDb")
