"""Databases of MySQL and MariaDB, to read by query."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from core import certificates
from datasets import guard
from datasets.kinds import database
from datasets.kinds.base import Connection, Field, Kind, of_server, refused

if TYPE_CHECKING:
    import pyarrow as pa

DENIED, NO_DATABASE, NO_RIGHT, READ_ONLY, TOO_SLOW, GONE = (
    1045,
    1049,
    (1044, 1142, 1143, 1227),
    1792,
    (1969, 3024, 1317),
    (2003, 2006, 2013),
)
# A comment that begins so is code.
_QUOTING = re.compile(
    r"(?P<comment>--(?=\s|$)[^\n]*|\#[^\n]*|/\*(?!M?!).*?\*/)|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`",
    re.DOTALL,
)
_HIDDEN = re.compile(r"/\*M?!")
# Writes that no transaction refuses. Where texts end depends on settings of the server, so these words may be nowhere.
_FILES = re.compile(r"outfile|dumpfile", re.IGNORECASE)


def require_reading(store: str, sql: str) -> str:
    """The one statement, which writes no file either. Raises StoreError."""
    plain = database.require_reading(store, sql, _QUOTING)
    if _FILES.search(plain) or _HIDDEN.search(database.code_of(store, plain, _QUOTING)):
        raise refused(store, "answer", "store_no_select")
    return plain


class Server:
    """`datasets.kinds.base.Database` over PyMySQL."""

    def __init__(self, place: Connection) -> None:
        self.place, self.store, self.host = place, place.name, place["host"]

    def check(self) -> None:
        with self._connection(10):
            pass

    def tables(self) -> list[str]:
        sql = "select concat(table_schema, '.', table_name) from information_schema.tables where table_schema = %s order by 1 limit 500"
        with self._connection(10) as connection, connection.cursor() as cursor:
            cursor.execute(sql, (self.place["database"],))
            return [str(row[0]) for row in cursor.fetchall()]

    def query(self, sql: str, seconds: int) -> Iterator[pa.RecordBatch]:
        from pymysql.cursors import SSCursor

        plain = require_reading(self.store, sql)
        with self._connection(seconds) as connection, connection.cursor(SSCursor) as cursor:
            cursor.execute(plain)
            fields = [database.column(each[0], _type(each)) for each in cursor.description or ()]
            yield from database.batches(self.store, fields, cursor.fetchmany)

    @contextlib.contextmanager
    def _connection(self, seconds: int) -> Iterator[Any]:
        import pymysql

        connection = pymysql.connect(
            host=self.host, user=self.place["username"], password=self.place.secret("password"), database=self.place["database"],
            charset="utf8mb4", connect_timeout=int(guard.CONNECT_SECONDS), read_timeout=seconds + 30, write_timeout=30,
            ssl=certificates.context() if self.place["tls"] else None, defer_connect=True, local_infile=False,
        )  # fmt: skip
        try:
            connection.connect(guard.connect(self.host, int(self.place["port"] or 3306)))
            with connection.cursor() as cursor:
                # MariaDB and MySQL each know one of them.
                try:
                    cursor.execute(f"set session max_statement_time = {int(seconds)}")
                except pymysql.Error:
                    cursor.execute(f"set session max_execution_time = {int(seconds) * 1000}")
                cursor.execute("set session time_zone = '+00:00'")
                cursor.execute("start transaction read only")
            yield connection
        except pymysql.Error as error:
            raise self._refusal(error, seconds) from error
        except OSError as error:
            raise refused(
                self.store, "network", "store_network", host=self.host, why=error.strerror or str(error)
            ) from error
        finally:
            with contextlib.suppress(Exception):
                connection.close() if connection.open else None

    def _refusal(self, error: Any, seconds: int) -> Exception:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = str(error.args[1] if len(error.args) > 1 else error)[:300]
        if code == DENIED:
            return refused(self.store, "sign_in", "store_sign_in", why=self.place["username"])
        if code == NO_DATABASE:
            return refused(self.store, "container", "store_container", container=self.place["database"])
        if code in NO_RIGHT:
            return refused(self.store, "permission", "store_permission", why=text)
        if code in TOO_SLOW:
            return refused(self.store, "answer", "store_slow_query", seconds=seconds)
        if code == READ_ONLY:
            return refused(self.store, "answer", "store_no_select")
        if code in GONE:
            return refused(self.store, "network", "store_network", host=self.host, why=text)
        return refused(self.store, "answer", "store_bad_query", why=text)


def _type(column: Any) -> str | pa.DataType:
    from pymysql.constants import FIELD_TYPE as T

    code = column[1]
    if code in (T.TINY, T.SHORT, T.LONG, T.INT24, T.LONGLONG, T.YEAR):
        return "int64"
    if code in (T.DECIMAL, T.NEWDECIMAL):
        return database.decimal_type(column[4], column[5])
    times = {T.DATE: "date32", T.DATETIME: "timestamp[us]", T.TIMESTAMP: "timestamp[us]"}
    return "double" if code in (T.FLOAT, T.DOUBLE) else times.get(code, "string")


KIND = Kind(
    "mysql",
    _("MySQL or MariaDB database"),
    "AzureMySql",
    options=(*database.SERVER, Field("tls", _("By TLS alone"), is_flag=True)),
    credentials=database.PASSWORD,
    database=Server,
    is_writable=False,
    extra="mysql",
    modules=("pymysql",),
    check=database.check,
    address=of_server(3306),
)
