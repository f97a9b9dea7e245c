"""Databases of PostgreSQL, to read by query."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from datasets import guard
from datasets.kinds import database
from datasets.kinds.base import Connection, Field, Kind, of_server, refused

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

# By the numbers of its types, which never change.
_TYPES = {
    16: "bool", 20: "int64", 21: "int64", 23: "int64", 26: "int64", 700: "double", 701: "double", 1082: "date32",
    1114: "timestamp[us]", 1184: "timestamp[us]", 17: "binary",
}  # fmt: skip
_NUMERIC = 1700


class Server:
    """`datasets.kinds.base.Database` over psycopg."""

    def __init__(self, place: Connection) -> None:
        self.place, self.store, self.host = place, place.name, place["host"]

    def check(self) -> None:
        with self._connection(10):
            pass

    def tables(self) -> list[str]:
        sql = (
            "select table_schema || '.' || table_name from information_schema.tables"
            " where table_schema not in ('pg_catalog', 'information_schema') order by 1 limit 500"
        )
        with self._connection(10) as connection:
            return [str(row[0]) for row in connection.execute(sql)]

    def query(self, sql: str, seconds: int) -> Iterator[pa.RecordBatch]:
        plain = database.require_reading(self.store, sql, database.DOLLARS)
        # A cursor of the server's: it takes one statement, which only reads, and holds no more than a batch here.
        with self._connection(seconds) as connection, connection.cursor(name="duto") as cursor:
            cursor.execute(plain)
            fields = [database.column(each.name, _type(each)) for each in cursor.description or ()]
            until = time.monotonic() + seconds

            def fetch(count: int) -> Sequence[Sequence[Any]]:
                # The server counts for each fetch anew, and a query may tell it not to: it is told what is left each time.
                left = int((until - time.monotonic()) * 1000)
                if left <= 0:
                    raise refused(self.store, "answer", "store_slow_query", seconds=seconds)
                connection.execute(f"set statement_timeout = {left}")
                return cursor.fetchmany(count)

            yield from database.batches(self.store, fields, fetch)

    @contextlib.contextmanager
    def _connection(self, seconds: int) -> Iterator[psycopg.Connection[Any]]:
        import psycopg

        port = int(self.place["port"] or 5432)
        # Connected to is what was looked up and checked; the name stays for the certificate.
        address = guard.allowed_addresses(self.host, port)[0]
        try:
            with psycopg.connect(
                host=self.host, hostaddr=address, port=port, dbname=self.place["database"], user=self.place["username"],
                password=self.place.secret("password"), sslmode=self.place["sslmode"] or "prefer",
                connect_timeout=int(guard.CONNECT_SECONDS), application_name="duto", passfile="/dev/null",
                options=f"-c default_transaction_read_only=on -c statement_timeout={seconds * 1000}",
            ) as connection:  # fmt: skip
                connection.read_only = True
                yield connection
                connection.rollback()  # before 16 it writes large objects in a transaction that only reads
        except psycopg.errors.QueryCanceled as error:
            raise refused(self.store, "answer", "store_slow_query", seconds=seconds) from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise refused(self.store, "permission", "store_permission", why=_said(error)) from error
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise refused(self.store, "answer", "store_no_select") from error
        except psycopg.OperationalError as error:
            raise self._unconnected(error) from error
        except psycopg.Error as error:
            raise refused(self.store, "answer", "store_bad_query", why=_said(error)) from error

    def _unconnected(self, error: Exception) -> Exception:
        text = str(error)
        if "authentication failed" in text or "no password supplied" in text or "no pg_hba.conf entry" in text:
            return refused(self.store, "sign_in", "store_sign_in", why=self.place["username"])
        if "does not exist" in text and "database" in text:
            return refused(self.store, "container", "store_container", container=self.place["database"])
        return refused(
            self.store, "network", "store_network", host=self.host, why=text.rpartition(": ")[2].strip()[:200]
        )


def _said(error: Any) -> str:
    return str(error.diag.message_primary or type(error).__name__)[:300]


def _type(column: Any) -> str | pa.DataType:
    if column.type_code == _NUMERIC:
        return database.decimal_type(column.precision, column.scale)
    return _TYPES.get(column.type_code, "string")


KIND = Kind(
    "postgresql",
    _("PostgreSQL database"),
    "AzurePostgreSql",
    options=(
        *database.SERVER,
        Field("sslmode", _("TLS"), help=_("disable, prefer, require or verify-full; empty is prefer")),
    ),
    credentials=database.PASSWORD,
    database=Server,
    is_writable=False,
    modules=("psycopg",),
    check=database.check,
    address=of_server(5432),
)
