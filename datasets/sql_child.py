"""The process in which a file of SQLite or DuckDB is asked: `datasets.tables_child` says how it is asked and how it answers.

Of the task `tables` it answers `{"tables": [...]}`; of `query` the rows as streams of Arrow, one a batch, the first of them
without a row; or `{"refused": {"code", "stage", "facts"}}`, a sentence of `datasets.stored_messages`. Both engines are held to
reading, to this one file and to one statement, by what they have for it; the time is measured here, and once more outside.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa

from datasets.tables_child import run, say

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS, MOST_TABLES = 10_000, 500
# About so many bytes of rows the studio takes at a time.
BYTES = 16 << 20
LONGEST_VALUE, WAIT_FOR_LOCK = 256 << 20, 5.0
# Of DuckDB's types those that a table can have, beside numbers of fixed digits, and what is told as JSON.
_PLAIN = (
    pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_date, pa.types.is_timestamp,
    pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary,
)  # fmt: skip
_NESTED = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_struct, pa.types.is_map)
_WIDE, _ODD = ("HUGEINT", "UHUGEINT"), ("BIT", "VARIANT", "UNION", "GEOMETRY", "BIGNUM", "INTERVAL")
_READING = {
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE
}  # fmt: skip
# What its virtual tables (`json_each`, full text, R-trees) ask for when they are opened. Nothing is written by that; a statement
# which would is refused by how the file is opened.
_OPENS = {
    (sqlite3.SQLITE_UPDATE, "sqlite_master"), (sqlite3.SQLITE_PRAGMA, "data_version"), (sqlite3.SQLITE_PRAGMA, "page_size")
}  # fmt: skip
_SHADOWS = ("_node", "_parent", "_rowid")
# What SQLite gives of each type of a column.
_NONE: type[Any] = type(None)
_FITTING: Mapping[str, set[type[Any]]] = {
    "int64": {int, _NONE}, "double": {int, float, _NONE}, "binary": {bytes, _NONE}, "string": {str, int, float, _NONE}
}  # fmt: skip


class Refusal(Exception):
    """Why the file does not answer."""

    def __init__(self, code: str, /, stage: str = "answer", **facts: Any) -> None:
        super().__init__(code)
        self.document = {"code": code, "stage": stage, "facts": facts}


def main() -> None:
    # DuckDB asks the machine for its time zone.
    os.environ["TZ"] = "UTC"
    time.tzset()
    run(_answer)


def _answer(asked: Mapping[str, Any]) -> None:
    try:
        with opened(asked) as engine:
            if asked["task"] == "tables":
                say({"tables": engine.tables()})
                return
            for batch in _in_parts(engine.query(asked["sql"])):
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, batch.schema) as stream:
                    stream.write_batch(batch)
                data = sink.getvalue().to_pybytes()
                say({"bytes": len(data)}, data)
    except Refusal as error:
        say({"refused": error.document})


def _in_parts(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = max(1, BYTES * batch.num_rows // max(batch.nbytes, 1))
        yield from (batch.slice(start, rows) for start in range(0, max(batch.num_rows, 1), rows))


def opened(asked: Mapping[str, Any]) -> contextlib.AbstractContextManager[_Sqlite | _DuckDB]:
    """The file of the question, for the block. Raises Refusal, MemoryError."""
    return _sqlite(asked) if asked["engine"] == "sqlite" else _duckdb(asked)


class _Limit:
    """Ends what an engine does after so many seconds."""

    def __init__(self, connection: Any, seconds: float) -> None:
        self.is_over, self._connection = False, connection
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        self.is_over = True
        with contextlib.suppress(Exception):  # it has just ended by itself
            self._connection.interrupt()

    def stop(self) -> None:
        self._timer.cancel()


@contextlib.contextmanager
def _sqlite(asked: Mapping[str, Any]) -> Iterator[_Sqlite]:
    try:
        connection = sqlite3.connect(
            f"file:{quote(asked['path'])}?mode=ro", uri=True, timeout=WAIT_FOR_LOCK, isolation_level=None, check_same_thread=False
        )  # fmt: skip
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        for word in ("query_only = on", "trusted_schema = off"):
            connection.execute(f"pragma {word}")
        connection.execute("select count(*) from sqlite_master").fetchone()
        connection.set_authorizer(_may)
    except sqlite3.Error as error:
        raise _unopened(error, "SQLite") from error
    limit = _Limit(connection, asked["limit"])
    try:
        yield _Sqlite(connection)
    except sqlite3.Error as error:
        if limit.is_over:
            raise Refusal("store_slow_query", seconds=asked["limit"]) from error
        text = str(error)
        if "not authorized" in text or "readonly" in text or "one statement" in text:
            raise Refusal("store_no_select") from error
        if "locked" in text or "busy" in text:
            raise Refusal("store_away", "away", why=text) from error
        raise Refusal("store_bad_query", why=text[:300]) from error
    finally:
        limit.stop()
        connection.close()


def _may(action: int, one: str | None, name: str | None, _database: str | None, _inner: str | None) -> int:
    """SQLite asks about all that a statement is going to do."""
    is_shadow = action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_DELETE) and (one or "").endswith(_SHADOWS)
    if is_shadow or ((action, one) in _OPENS and not (action == sqlite3.SQLITE_PRAGMA and name)):
        return sqlite3.SQLITE_OK
    if action not in _READING or (action == sqlite3.SQLITE_FUNCTION and name in ("load_extension", "fts3_tokenizer")):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def tables(self) -> list[str]:
        sql = "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite\\_%' escape '\\' order by 1 limit ?"
        return [str(name) for (name,) in self._connection.execute(sql, (MOST_TABLES,))]

    def query(self, sql: str) -> Iterator[pa.RecordBatch]:
        """A column has the type of its first values, since SQLite's have none of their own."""
        cursor = self._connection.execute(sql)
        names = _distinct([each[0] for each in cursor.description or ()])
        part = cursor.fetchmany(ROWS)
        schema = pa.schema([pa.field(name, _type_of(row[place] for row in part)) for place, name in enumerate(names)])
        yield pa.RecordBatch.from_pylist([], schema=schema)
        while part:
            columns = [_column(each.name, each.type, [row[n] for row in part]) for n, each in enumerate(schema)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
            part = cursor.fetchmany(ROWS)


def _type_of(values: Iterable[Any]) -> pa.DataType:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pa.float64()
    found = {int: pa.int64(), float: pa.float64(), bytes: pa.binary()}
    return found.get(next(iter(kinds)), pa.string()) if len(kinds) == 1 else pa.string()


def _column(name: str, kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    try:
        # Arrow would cut 2.5 to a whole number, and take texts for bytes.
        if not {type(value) for value in values} <= _FITTING[str(kind)]:
            raise pa.ArrowInvalid("another type")
        if pa.types.is_string(kind):
            values = [value if value is None or isinstance(value, str) else str(value) for value in values]
        return pa.array(values, kind)
    except (pa.ArrowInvalid, OverflowError) as error:
        raise Refusal("store_bad_value", column=name, type=str(kind)) from error


@contextlib.contextmanager
def _duckdb(asked: Mapping[str, Any]) -> Iterator[_DuckDB]:
    import duckdb

    config: dict[str, Any] = {
        # No file, no address and no extension but what is in this file; and no other setting from now on.
        "enable_external_access": "false", "autoload_known_extensions": "false", "autoinstall_known_extensions": "false",
        "allow_community_extensions": "false", "python_enable_replacements": "false", "lock_configuration": "true",
        "threads": "1", "memory_limit": f"{asked['memory'] // 3 >> 20}MiB",
    }  # fmt: skip
    try:
        connection = duckdb.connect(asked["path"], read_only=True, config=config)
    except duckdb.Error as error:
        raise _unopened(error, "DuckDB") from error
    limit = _Limit(connection, asked["limit"])
    try:
        yield _DuckDB(connection)
    except duckdb.OutOfMemoryException as error:
        raise MemoryError from error
    except (duckdb.Error, OSError) as error:
        if limit.is_over:
            raise Refusal("store_slow_query", seconds=asked["limit"]) from error
        if isinstance(error, duckdb.PermissionException):
            raise Refusal("store_own_tables", why=_first_line(error)) from error
        if not isinstance(error, duckdb.Error):
            raise
        raise Refusal("store_bad_query", why=_first_line(error)) from error
    finally:
        limit.stop()
        connection.close()


class _DuckDB:
    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection

    def tables(self) -> list[str]:
        sql = "select table_schema || '.' || table_name from information_schema.tables order by 1 limit ?"
        return [str(row[0]) for row in self._connection.execute(sql, [MOST_TABLES]).fetchall()]

    def query(self, sql: str) -> Iterator[pa.RecordBatch]:
        from duckdb import StatementType

        statements = self._connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != StatementType.SELECT:
            raise Refusal("store_no_select")
        found = self._connection.sql(sql)
        names, kinds = _distinct(found.columns), [str(each) for each in found.types]
        reader = found.to_arrow_reader(ROWS)
        schema = pa.schema([
            pa.field(name, _told_as(name, kind, each.type)) for name, kind, each in zip(names, kinds, reader.schema, strict=True)
        ])  # fmt: skip
        yield pa.RecordBatch.from_pylist([], schema=schema)
        for batch in reader:
            columns = [_told(each.name, column, each.type) for each, column in zip(schema, batch.columns, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _told_as(name: str, kind: str, found: pa.DataType) -> pa.DataType:
    """The type of a column as other databases' have it: whole numbers of any width as such, times in UTC, all else text."""
    if kind in _WIDE:
        return pa.int64()
    if any(word in kind for word in _ODD):
        raise Refusal("store_odd_type", column=name, type=kind[:100])
    if pa.types.is_timestamp(found):
        return pa.timestamp(found.unit)
    is_text = pa.types.is_null(found) or pa.types.is_dictionary(found) or pa.types.is_time(found)
    if is_text or any(check(found) for check in _NESTED):
        return pa.string()
    if not any(check(found) for check in _PLAIN):
        raise Refusal("store_odd_type", column=name, type=kind[:100])
    return found


def _told(name: str, column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if any(check(column.type) for check in _NESTED):
        values = [
            None if each is None else json.dumps(each, ensure_ascii=False, default=str) for each in column.to_pylist()
        ]
        return pa.array(values, kind)
    if pa.types.is_time(column.type):
        return pa.array([None if each is None else str(each) for each in column.to_pylist()], kind)
    try:
        return column.cast(kind)
    except pa.ArrowInvalid as error:
        raise Refusal("store_bad_value", column=name, type=str(kind)) from error


def _distinct(names: Sequence[str]) -> Sequence[str]:
    """Raises Refusal where two columns have one name."""
    if len(set(names)) != len(names):
        raise Refusal("store_same_column", column=next(name for name in names if list(names).count(name) > 1))
    return names


def _unopened(error: Exception, engine: str) -> Refusal:
    text = _first_line(error)
    if "lock" in text:
        return Refusal("store_away", "away", why=text)
    return Refusal("store_no_database", "container", engine=engine, why=text)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


if __name__ == "__main__":
    main()
