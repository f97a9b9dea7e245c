"""Parquet files by pyarrow. The schema gives the types; times come in UTC."""

from __future__ import annotations

from typing import Any, BinaryIO, Iterator, List, Tuple

from duto.spec.sentences import said
from duto.tables.delimited import distinct
from duto.tables.errors import TableError

CELLS, MOST_ROWS, MOST_BYTES = 200_000, 5_000, 16 << 20


def opened(stream: BinaryIO, name: str) -> Any:
    """The file. Raises TableError when it is none, or when pyarrow is not there."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise TableError(said("no_pyarrow")) from error
    try:
        return parquet.ParquetFile(stream)
    except Exception as error:  # pyarrow's own, and OSError
        raise TableError(said("in_file", name=name, why=said("no_parquet", error=_first_line(error)))) from error


def types(file: Any) -> List[Tuple[str, str]]:
    """Names and types of its columns."""
    return [*zip(_names(file), (_type(field.type) for field in file.schema_arrow))]


def batches(file: Any, name: str) -> Iterator[Tuple[List[str], List[List[Any]], int]]:
    """Names, values by column and how many rows they are of."""
    names = _names(file)
    kept = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
    wide = max((each.total_byte_size // max(1, each.num_rows) for each in kept), default=1)
    rows = max(1, min(MOST_ROWS, CELLS // max(1, len(names)), MOST_BYTES // max(1, wide)))
    try:
        for batch in file.iter_batches(batch_size=rows, use_threads=False):
            yield names, [_values(column) for column in batch.columns], batch.num_rows
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, TableError):
            raise
        raise TableError(said("in_file", name=name, why=said("rows_unread", error=_first_line(error)))) from error


def _names(file: Any) -> List[str]:
    return distinct([field.name for field in file.schema_arrow])


def _type(kind: Any) -> str:
    from pyarrow import types as kinds

    if kinds.is_dictionary(kind):
        return _type(kind.value_type)
    if kinds.is_integer(kind):
        return "long"
    if kinds.is_floating(kind):
        return "float"
    if kinds.is_decimal(kind):
        # What has more digits than a float keeps stays whole as a text.
        return "float" if kind.precision <= 15 else "string"
    if kinds.is_boolean(kind):
        return "bool"
    if kinds.is_timestamp(kind) or kinds.is_date(kind):
        return "datetime"
    return "string"


def _values(column: Any) -> List[Any]:
    import pyarrow
    from pyarrow import types as kinds

    kind = column.type
    if kinds.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if kinds.is_timestamp(kind):
        # The instant in UTC, whatever zone it is shown in; Python's times have microseconds.
        column = column.cast(pyarrow.timestamp("us"), safe=False) if kind.tz is None else _in_utc(column)
    elif kinds.is_date(kind):
        column = column.cast(pyarrow.timestamp("us"), safe=False)
    elif kinds.is_time(kind) or kinds.is_duration(kind):
        column = column.cast(pyarrow.time64("us") if kinds.is_time(kind) else pyarrow.duration("us"), safe=False)
    values: List[Any] = column.to_pylist()
    return values


def _in_utc(column: Any) -> Any:
    import pyarrow

    whole = column.cast(pyarrow.int64()).to_pylist()
    unit = {"s": 1_000_000, "ms": 1000, "us": 1}.get(column.type.unit)
    micros = [None if each is None else each * unit if unit else each // 1000 for each in whole]
    return pyarrow.array(micros, pyarrow.int64()).cast(pyarrow.timestamp("us"))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
