"""A table written as files: for `to_csv_files`, `to_parquet_files` and `partition_by`. Batch by batch, so that no more than
some megabytes of it are in memory.
"""

from __future__ import annotations

import contextlib
import csv
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from duto.data.tabular_reading import as_user_error, copied
from duto.exceptions import UserErrorException
from duto.tables import Column, Table, form_of, read, survey
from duto.tables.values import text_of

# Where a file ends and the next begins: by its cells, which are of some bytes each.
CELLS_OF_A_FILE = 8_000_000
# Rows of partitions wait in memory for others of the same, up to so many cells together.
CELLS_KEPT = 2_000_000
LONGEST_FOLDER = 200
Rows = List[Tuple[Any, ...]]
Write = Callable[[Path, Sequence[Column], Iterator[Rows]], None]


@contextlib.contextmanager
def rows_of(dataset: Any) -> Iterator[Table]:
    """The rows of a dataset, of its files or of those beside the script. Raises `UserErrorException`, also while they are
    read."""
    with tempfile.TemporaryDirectory(prefix="duto-table-") as folder, as_user_error():
        local = getattr(dataset, "_sources", None)
        sources = local() if local is not None else copied(dataset, Path(folder))
        columns = survey(sources, form_of(dataset._definition.get("format") or {}))
        yield read(sources, dataset._definition, columns)


def write_parts(dataset: Any, folder: Path, suffix: str, separator: str = ",") -> None:
    """The rows as `part-00000.csv` and so on; a table without rows is one file with its columns."""
    write = _writer(suffix, separator)
    with rows_of(dataset) as table:
        batches = _batches(table)
        number, first = 0, next(batches, [])
        while first or not number:
            done = _Limited(first, batches, max(1, CELLS_OF_A_FILE // max(1, len(table.columns))))
            write(folder / f"part-{number:05}.{suffix}", table.columns, iter(done))
            number, first = number + 1, done.rest


class _Limited:
    """So many rows and no more; `rest` is the batch that the next file begins with."""

    def __init__(self, first: Rows, batches: Iterator[Rows], most: int) -> None:
        self._first, self._batches, self._most = first, batches, most
        self.rest: Rows = []

    def __iter__(self) -> Iterator[Rows]:
        count, batch = 0, self._first
        while batch and not self.rest:
            count += len(batch)
            yield batch
            batch = next(self._batches, [])
            if count >= self._most:
                self.rest = batch


class Partitions(NamedTuple):
    """What a table in folders is read by."""

    form: str
    types: Dict[str, str]


def write_partitions(dataset: Any, keys: Sequence[str], folder: Path) -> Partitions:
    """The rows as Parquet files in a folder for each combination of the keys' values, which the files leave out.

    Raises:
        UserErrorException: a key is no column, or all columns are; a value that is missing or cannot be a folder's name.
    """
    write = _writer("parquet")
    with rows_of(dataset) as table:
        names = [column.name for column in table.columns]
        if unknown := [key for key in keys if key not in names]:
            raise UserErrorException(f"There is no column '{unknown[0]}'; there are: {', '.join(names[:50])}.")
        if not keys or len(set(keys)) == len(names):
            raise UserErrorException("partition_keys are some of the columns, and leave at least one.")
        places = [names.index(key) for key in keys]
        columns = [column for column in table.columns if column.name not in keys]
        kept = [names.index(column.name) for column in columns]
        waiting: Dict[Tuple[str, ...], Rows] = {}
        parts: Dict[Tuple[str, ...], int] = {}
        count = 0
        for batch in _batches(table):
            for row in batch:
                where = tuple(_folder(key, row[place]) for key, place in zip(keys, places))
                waiting.setdefault(where, []).append(tuple(row[place] for place in kept))
            count += len(batch)
            if count * len(kept) >= CELLS_KEPT:
                _flush(waiting, parts, columns, folder, write)
                count = 0
        _flush(waiting, parts, columns, folder, write)
        if not parts:
            raise UserErrorException("The dataset has no rows to make partitions of.")
        of_key = {key: table.columns[place].type for key, place in zip(keys, places)}
    pieces = [f"{{{key}:yyyy-MM-dd HH-mm-ss}}" if of_key[key] == "datetime" else f"{{{key}}}" for key in keys]
    types = {key: kind for key, kind in of_key.items() if kind not in ("string", "datetime")}
    return Partitions("/" + "/".join([*pieces, "*.parquet"]), types)


def _flush(
    waiting: Dict[Tuple[str, ...], Rows], parts: Dict[Tuple[str, ...], int], columns: Sequence[Column], folder: Path,
    write: Write,
) -> None:  # fmt: skip
    for where, rows in waiting.items():
        place = folder.joinpath(*where)
        place.mkdir(parents=True, exist_ok=True)
        number = parts.get(where, 0)
        write(place / f"part-{number:05}.parquet", columns, iter([rows]))
        parts[where] = number + 1
    waiting.clear()


def _folder(key: str, value: Any) -> str:
    """A value as the name of a folder that gives the very value again."""
    if value is None:
        raise UserErrorException(
            f"A row has no value of '{key}', which names no folder. Leave such rows out: dataset.filter(~dataset['{key}'].is_null())."
        )
    if isinstance(value, datetime):
        if value.microsecond:
            raise UserErrorException(f"The times of '{key}' have parts of a second, which are lost in a folder's name.")
        return value.strftime("%Y-%m-%d %H-%M-%S").rjust(19, "0")
    text = str(text_of(value))
    is_name = text.strip() == text and text not in ("", ".", "..") and len(text) <= LONGEST_FOLDER
    if not is_name or any(sign in '/\\*?[]"<>|:' or sign < " " for sign in text):
        raise UserErrorException(f"The value {text[:80]!r} of '{key}' cannot be a folder's name.")
    return text


def _batches(table: Table) -> Iterator[Rows]:
    for columns, size in table.batches:
        if size:
            yield list(zip(*columns)) if columns else [()] * size


def _writer(suffix: str, separator: str = ",") -> Write:
    if suffix == "parquet":
        return _write_parquet
    if not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n':
        raise UserErrorException(f"The separator of CSV files is one character, not {separator!r}.")
    return lambda path, columns, batches: _write_csv(path, columns, batches, separator)


def _write_csv(path: Path, columns: Sequence[Column], batches: Iterator[Rows], separator: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream, delimiter=separator, lineterminator="\n")
        out.writerow([column.name for column in columns])
        for rows in batches:
            out.writerows([text_of(value) for value in row] for row in rows)


def _write_parquet(path: Path, columns: Sequence[Column], batches: Iterator[Rows]) -> None:
    pyarrow = _pyarrow()
    kinds: Mapping[str, Any] = {
        "string": pyarrow.string(),
        "long": pyarrow.int64(),
        "float": pyarrow.float64(),
        "bool": pyarrow.bool_(),
        "datetime": pyarrow.timestamp("us"),
    }
    schema = pyarrow.schema([(column.name, kinds[column.type]) for column in columns])
    with pyarrow.parquet.ParquetWriter(str(path), schema) as out:
        for rows in batches:
            arrays = [_array(pyarrow, held, field) for held, field in zip(zip(*rows), schema)]
            out.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _array(pyarrow: Any, held: Sequence[Any], field: Any) -> Any:
    try:
        return pyarrow.array(held, type=field.type)
    except (pyarrow.ArrowException, OverflowError) as error:
        raise UserErrorException(f"The column '{field.name}' cannot be written as Parquet: {error}.") from error


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        text = "Writing Parquet needs pyarrow: add it to the environment's packages, or use to_csv_files()."
        raise UserErrorException(text) from error
    return pyarrow
