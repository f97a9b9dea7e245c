"""Databases of SQL Server and Azure SQL, to read by query, where the host has Microsoft's ODBC driver."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Invalid
from datasets import guard
from datasets.kinds import database
from datasets.kinds.base import Connection, Kind, of_server, refused

if TYPE_CHECKING:
    import pyarrow as pa


# What ends a name in brackets begins none, so that one which is doubled has to be taken as a whole.
_QUOTING = re.compile(rf"{database.STANDARD.pattern}|\[(?:[^\]]|\]\])*\]", re.DOTALL)
# A batch of SQL Server needs no semicolon between statements: these words begin or make one that does something else than read.
# Most are reserved, so that a column of such a name is in brackets anyway. Between two words is what is no sign of ASCII's: what
# counts as a blank is the server's to say.
_DOES = re.compile(
    r"\b(add|alter|backup|begin|bulk|call|checkpoint|commit|create|deallocate|declare|dbcc|delete|deny|disable|drop|dump|enable"
    r"|end[^!-~]+conversation|exec|execute|goto|grant|if|insert|into|kill|load|merge(?!\s+(join|union))|next[^!-~]+value"
    r"|opendatasource|openquery|openrowset|print|raiserror|readtext|receive|reconfigure|rename[^!-~]+(database|object)|restore"
    r"|return|revert|revoke|rollback|save|send|set|setuser|shutdown|throw|trigger|truncate|update|updatetext|use(?!\s+(hint|plan))|waitfor|while|writetext)\b",
    re.IGNORECASE | re.ASCII,
)
# And no space after a number: `1drop` is two words.
_NUMBERS = re.compile(r"(?<![\w@#])\.?\d[\w.]*", re.ASCII)
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e\d*)?|0x[0-9a-f]*", re.IGNORECASE | re.ASCII)


def require_reading(store: str, sql: str) -> str:
    """The one statement, without comments: nothing in a batch but what was looked at here. Raises StoreError."""
    plain = database.require_reading(store, sql, _QUOTING)
    code = database.code_of(store, plain, _QUOTING)
    if _DOES.search(code) or not all(_NUMBER.fullmatch(each) for each in _NUMBERS.findall(code)):
        raise refused(store, "answer", "store_no_select")
    return _QUOTING.sub(lambda found: " " if found["comment"] else found[0], plain)


class Server:
    """`datasets.kinds.base.Database` over pyodbc."""

    def __init__(self, place: Connection) -> None:
        self.place, self.store, self.host = place, place.name, place["host"]

    def check(self) -> None:
        with self._connection(10):
            pass

    def tables(self) -> list[str]:
        sql = "select top 500 table_schema + '.' + table_name from information_schema.tables order by 1"
        with self._connection(10) as connection:
            return [str(row[0]) for row in connection.execute(sql).fetchall()]

    def query(self, sql: str, seconds: int) -> Iterator[pa.RecordBatch]:
        """The server knows no transaction that only reads: the user whose credentials these are should have no right to write."""
        plain = require_reading(self.store, sql)
        with self._connection(seconds) as connection:
            cursor = connection.execute(plain)
            names = [each[0] for each in cursor.description or ()]
            first, size = list[Any](), 0
            while len(first) < database.ROWS and size < database.BYTES and (row := cursor.fetchone()) is not None:
                first.append(row)
                size += sum(len(value) for value in row if isinstance(value, str | bytes))
            fields = [database.of_values(name, (row[place] for row in first)) for place, name in enumerate(names)]
            held = iter(first)
            yield from database.batches(
                self.store, fields, lambda count: list(itertools.islice(held, count)) or cursor.fetchmany(count)
            )

    @contextlib.contextmanager
    def _connection(self, seconds: int) -> Iterator[Any]:
        import pyodbc

        driver = next((name for name in sorted(pyodbc.drivers(), reverse=True) if name.startswith("ODBC Driver")), None)
        if driver is None:
            raise refused(self.store, "answer", "store_driver")
        port = int(self.place["port"] or 1433)
        guard.allowed_addresses(self.host, port)
        parts = {
            "Driver": f"{{{driver}}}", "Server": f"tcp:{self.host},{port}", "Database": self.place["database"],
            "Uid": self.place["username"], "Pwd": _quoted(self.place.secret("password")), "Encrypt": "yes",
            "ApplicationIntent": "ReadOnly", "Connection Timeout": str(int(guard.CONNECT_SECONDS)),
        }  # fmt: skip
        try:
            connection = pyodbc.connect(";".join(f"{key}={value}" for key, value in parts.items()))
        except pyodbc.Error as error:
            raise self._refusal(error, seconds) from error
        try:
            connection.timeout = seconds
            yield connection
        except pyodbc.Error as error:
            raise self._refusal(error, seconds) from error
        finally:
            connection.rollback()
            connection.close()

    def _refusal(self, error: Any, seconds: int) -> Exception:
        state = str(error.args[0]) if error.args else ""
        if state == "28000":
            return refused(self.store, "sign_in", "store_sign_in", why=self.place["username"])
        if state == "HYT00":
            return refused(self.store, "answer", "store_slow_query", seconds=seconds)
        if state.startswith("08"):
            return refused(self.store, "network", "store_network", host=self.host, why=state)
        text = str(error.args[1] if len(error.args) > 1 else error).rpartition("]")[2]
        return refused(self.store, "answer", "store_bad_query", why=text[:300])


def _quoted(text: str) -> str:
    return "{" + text.replace("}", "}}") + "}"


def check(place: Connection) -> None:
    """Raises Invalid."""
    database.check(place)
    for name in ("host", "database", "username"):
        if set(place[name]) & set(";{}="):
            raise Invalid(
                _("The option '%(name)s' has a character that no name of a server has.") % {"name": name},
                code="bad_option",
            )


KIND = Kind(
    "sqlserver",
    gettext_lazy("SQL Server or Azure SQL database"),
    "AzureSqlDatabase",
    options=database.SERVER,
    credentials=database.PASSWORD,
    database=Server,
    is_writable=False,
    extra="sqlserver",
    modules=("pyodbc",),
    check=check,
    address=of_server(1433),
)
