"""What databases share: one statement that only reads, and its rows as Arrow, batch by batch."""

from __future__ import annotations

import datetime
import decimal
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Invalid
from datasets.kinds.base import Connection, Field, refused

if TYPE_CHECKING:
    import pyarrow as pa

# So many rows are asked for at a time, and about so many bytes of them.
ROWS, BYTES = 10_000, 16 << 20
SERVER = (
    Field("host", gettext_lazy("Server"), True),
    Field("port", gettext_lazy("Port")),
    Field("database", gettext_lazy("Database"), True),
    Field("username", gettext_lazy("User"), True),
)
PASSWORD = (Field("password", gettext_lazy("Password"), True),)
MOST_DIGITS = 38
_READS = re.compile(r"[\s(]*(select|with|values|table|show)\b", re.IGNORECASE)
# What of a query is no code: comments, texts and quoted names. A quote within one is doubled, so that two follow one another.
_COMMENT = r"(?P<comment>--[^\r\n]*|/\*.*?\*/)"
STANDARD = re.compile(rf"{_COMMENT}|'[^']*'|\"[^\"]*\"", re.DOTALL)
# PostgreSQL's and DuckDB's: texts with escapes, and between names in dollars.
DOLLARS = re.compile(
    rf"{STANDARD.pattern}|(?<!\w)e'(?:[^'\\]|\\.|'')*'|(?<![\w$])(?P<dollar>\$(?:[^\W\d]\w*)?\$).*?(?P=dollar)",
    re.DOTALL | re.IGNORECASE,
)


def check(place: Connection) -> None:
    """Raises Invalid."""
    if place["port"] and not place["port"].isdecimal():
        raise Invalid(_("A port is a number."), code="bad_option")
    if place["port"] and not 0 < int(place["port"]) < 1 << 16:
        raise Invalid(_("A port is a number from 1 to 65535."), code="bad_option")


def code_of(store: str, sql: str, quoting: re.Pattern[str]) -> str:
    """What a query is without its comments, texts and quoted names. `quoting`: those of its language, comments by that name.

    Raises StoreError for a comment in a comment, which some databases read as two and some as one.
    """

    def left(found: re.Match[str]) -> str:
        comment = found["comment"]
        if comment and comment.startswith("/*") and "/*" in comment[2:]:
            raise refused(store, "answer", "store_no_select")
        return " " if comment else " '' "

    return quoting.sub(left, sql)


def require_reading(store: str, sql: str, quoting: re.Pattern[str] = STANDARD) -> str:
    """The one statement without its closing semicolon. Where it can, the database itself holds it to one that reads; this one
    says so in words."""
    plain = sql.strip().rstrip(";").rstrip()
    code = code_of(store, plain, quoting).rstrip().rstrip(";")
    if ";" in code or not _READS.match(code):
        raise refused(store, "answer", "store_no_select")
    return plain


def batches(
    store: str, fields: Sequence[pa.Field], fetch: Callable[[int], Sequence[Sequence[Any]]]
) -> Iterator[pa.RecordBatch]:
    """Rows as record batches of one schema, the first without a row. `fetch` gives as many rows as it is asked for, fewer or none
    at the end: first one, then as many as are some MiB, since how large rows are is only known once they are here.

    Raises StoreError for a value that is not of its column's type.
    """
    import pyarrow as pa

    names = [each.name for each in fields]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise refused(store, "answer", "store_same_column", column=twice)
    schema = pa.schema(list(fields))
    yield pa.RecordBatch.from_pylist([], schema=schema)
    count = 1
    while part := fetch(count):
        columns = []
        for place, each in enumerate(fields):
            values = [_plain(row[place], each.type) for row in part]
            try:
                columns.append(pa.array(values, each.type))
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
                raise refused(store, "answer", "store_bad_value", column=each.name, type=str(each.type)) from error
        batch = pa.RecordBatch.from_arrays(columns, schema=schema)
        yield batch
        count = max(1, min(ROWS, 8 * count, BYTES * len(part) // max(batch.nbytes, 1)))


def column(name: str, kind: str | pa.DataType) -> pa.Field:
    """A column by the name of its type, as Arrow has it, or by the type itself."""
    import pyarrow as pa

    return pa.field(name, pa.type_for_alias(kind) if isinstance(kind, str) else kind)


def of_values(name: str, values: Iterable[Any]) -> pa.Field:
    """A column by its first values, for drivers that tell no types; text where all are null."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    for kind, found in (
        (bool, pa.bool_()), (int, pa.int64()), (float, pa.float64()), (datetime.datetime, pa.timestamp("us")),
        (datetime.date, pa.date32()), (bytes, pa.binary()),
    ):  # fmt: skip
        if kinds == {kind}:
            return pa.field(name, found)
    return pa.field(name, pa.string())


def decimal_type(precision: int | None, scale: int | None) -> pa.DataType:
    """A number of fixed digits as such, any other as text: a float would change its last ones."""
    import pyarrow as pa

    if precision and 0 < precision <= MOST_DIGITS and scale is not None and 0 <= scale <= precision:
        return pa.decimal128(precision, scale)
    return pa.string()


def _plain(value: Any, kind: pa.DataType) -> Any:
    import pyarrow as pa

    if value is None:
        return None
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    if pa.types.is_string(kind) and not isinstance(value, str):
        if isinstance(value, dict | list):
            return json.dumps(value, ensure_ascii=False, default=str)
        if isinstance(value, decimal.Decimal):
            return format(value, "f")
        if isinstance(value, datetime.datetime | datetime.date):
            return value.isoformat()
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if pa.types.is_binary(kind) and not isinstance(value, bytes):
        return bytes(value)
    return value
