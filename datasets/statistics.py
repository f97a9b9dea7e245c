"""Statistics of the columns of a table, by DuckDB over files that hold each column apart: what a profile shows, and what a
comparison of two tables is made of.

Pure: it imports nothing of the studio, and runs in the process that reads tables (`datasets.tables_child`), within its bounds.
A `Spool` takes the rows, in batches of values by column; then each function asks one thing of one column. Values are as
`duto.tables` gives them. Times are whole microseconds since 1970 inside of the spool, so that they are counted, ordered and
parted into bins as whole numbers are, and come out as they went in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
from pyarrow import parquet

from duto.tables.reader import plain

# Up to so many rows everything is counted exactly. Beyond, the distinct values of a column with many of them, its quantiles
# and its most frequent values are approximate, and said to be.
EXACT_ROWS = 1_000_000
# A column that seems to have no more distinct values than these is counted exactly, however long it is.
FEW_VALUES = 100_000
QUANTILES = ("0.001", "0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99", "0.999")
BINS = 20
TOP = 10
# Of a text that is shown, in characters.
LONGEST = 200
# What DuckDB holds in memory; what is more goes to its folder.
MEMORY = 768 << 20
MOST_ON_DISK = "100GiB"
# Columns of one file of a spool, and what is held of a spool before it is written.
WIDTH, PIECE_BYTES, PIECE_ROWS = 50, 24 << 20, 250_000
_ORIGIN = datetime(1970, 1, 1)
_MICRO = timedelta(microseconds=1)
_STORED = {
    "long": pyarrow.int64(), "float": pyarrow.float64(), "bool": pyarrow.bool_(), "datetime": pyarrow.int64(),
    "string": pyarrow.string(),
}  # fmt: skip
# Values of a column as they come out: a number, a text, a truth or a time.
Value = Any


@dataclass(frozen=True)
class Column:
    """A column of a spool: its name, its type (string, long, float, bool, datetime), and its place from 0."""

    name: str
    type: str
    place: int

    @property
    def has_numbers(self) -> bool:
        return self.type in ("long", "float")

    @property
    def has_bins(self) -> bool:
        """Whether its values lie on a line: numbers and times."""
        return self.has_numbers or self.type == "datetime"

    @property
    def sql(self) -> str:
        return f"c{self.place}"

    @property
    def is_valid(self) -> str:
        """The condition on its values that statistics are of: there, and no NaN or infinity."""
        return f"isfinite({self.sql})" if self.type == "float" else f"{self.sql} IS NOT NULL"

    @property
    def is_present(self) -> str:
        """The condition that something is there: neither null nor NaN."""
        return (
            f"{self.sql} IS NOT NULL AND NOT isnan({self.sql})" if self.type == "float" else f"{self.sql} IS NOT NULL"
        )

    def shown(self, value: Any) -> Value:
        """A value as it went in."""
        if value is None:
            return None
        if self.type == "datetime":
            return _ORIGIN + timedelta(microseconds=int(value))
        return f"{value[:LONGEST]}…" if isinstance(value, str) and len(value) > LONGEST else value

    def stored(self, value: Value) -> Any:
        """A value as it lies in the spool."""
        return (value - _ORIGIN) // _MICRO if isinstance(value, datetime) else value


@dataclass(frozen=True)
class Histogram:
    """How many values lie between neighbouring `edges`. Each bin has its lower edge, the last one both of its own."""

    edges: list[Value]
    counts: list[int]


@dataclass
class ColumnStatistics:
    """What is known of a column. `missing` is null or NaN, `error` how many of the nulls are values that were not
    of the declared type; minimum, maximum and all that follows are of the finite values of
    numbers and times, minimum and maximum also of texts and truths.

    `standard_deviation`, `skewness` and `kurtosis` are those of a sample, as pandas has them (`std`, `skew`, `kurt`: excess, bias
    corrected); they are None where there are too few values, or all are one. `quantiles` are by linear interpolation.
    `approximate` names what is not exact. `lengths`: of texts, in characters, the least, the most and the mean.
    """

    name: str
    type: str
    count: int
    null: int = 0
    nan: int = 0
    infinite: int = 0
    error: int = 0
    empty: int = 0
    distinct: int = 0
    minimum: Value = None
    maximum: Value = None
    mean: float | None = None
    standard_deviation: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None
    quantiles: dict[str, Value] = field(default_factory=dict)
    lengths: tuple[int, int, float] | None = None
    top: list[tuple[Value, int]] = field(default_factory=list)
    histogram: Histogram | None = None
    approximate: list[str] = field(default_factory=list)

    @property
    def missing(self) -> int:
        return self.null + self.nan

    def document(self) -> dict[str, Any]:
        """As JSON has it: times by ISO 8601. What has no meaning for the type is null, or an empty list."""
        histogram = self.histogram and {
            "edges": list(map(plain, self.histogram.edges)),
            "counts": self.histogram.counts,
        }
        return {
            "name": self.name, "type": self.type, "count": self.count, "missing": self.missing, "null": self.null,
            "nan": self.nan, "infinite": self.infinite, "error": self.error, "empty": self.empty, "distinct": self.distinct,
            "minimum": plain(self.minimum), "maximum": plain(self.maximum), "mean": self.mean,
            "standard_deviation": self.standard_deviation, "skewness": self.skewness, "kurtosis": self.kurtosis,
            "quantiles": {name: plain(value) for name, value in self.quantiles.items()},
            "lengths": self.lengths and dict(zip(("minimum", "maximum", "mean"), self.lengths, strict=True)),
            "top": [{"value": plain(value), "count": count} for value, count in self.top],
            "histogram": histogram, "approximate": self.approximate,
        }  # fmt: skip


class Spool:
    """The rows of a table on the disk, in a folder of its own, with a connection of DuckDB that reads them.

    `write()` takes batches, `close()` ends the writing. Memory stays within `MEMORY` and some pieces, however many rows.
    """

    def __init__(self, folder: Path, columns: Sequence[tuple[str, str]], connection: Any = None) -> None:
        self.columns = [Column(name, kind, place) for place, (name, kind) in enumerate(columns)]
        self.rows = 0
        self.connection = connection or connect(folder)
        self._files: list[str] = []
        self._writers: list[Any] = []
        self._held: list[Any] = []
        self._held_rows = self._held_bytes = 0
        self._schema = pyarrow.schema([(each.sql, _STORED[each.type]) for each in self.columns])
        for start in range(0, max(1, len(self.columns)), WIDTH):
            path = folder / f"part-{start}.parquet"
            self._files.append("'" + str(path).replace("'", "''") + "'")
            schema = pyarrow.schema(list(self._schema)[start : start + WIDTH])
            # Statistics of Parquet leave NaN out, so that DuckDB would take a question for it to be answered by them.
            self._writers.append(parquet.ParquetWriter(path, schema, compression="zstd", write_statistics=False))

    def write(self, values: Sequence[Sequence[Any]], size: int) -> None:
        """Take a batch: the values of each column, and how many rows they are of."""
        arrays = [_array(column, held) for column, held in zip(self.columns, values, strict=True)]
        self.take(pyarrow.RecordBatch.from_arrays(arrays, schema=self._schema) if arrays else None, size)

    def take(self, batch: Any, size: int) -> None:
        """Take a batch of Arrow of the spool's own columns."""
        self.rows += size
        if batch is not None:
            self._held.append(batch)
            self._held_rows += size
            self._held_bytes += batch.nbytes
        if self._held_rows >= PIECE_ROWS or self._held_bytes >= PIECE_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        for writer in self._writers:
            writer.close()
        self._writers = []

    def source(self, column: Column, *, with_place: bool = False) -> str:
        """What the column is asked of, as SQL; `with_place`: with the place of each row as `file_row_number`, from 0."""
        return f"read_parquet({self._files[column.place // WIDTH]}{', file_row_number=true' if with_place else ''})"

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.connection.execute(sql, list(values)).fetchall()]

    def _flush(self) -> None:
        if not self._held:
            return
        whole = pyarrow.Table.from_batches(self._held, schema=self._schema).combine_chunks()
        self._held, self._held_rows, self._held_bytes = [], 0, 0
        for number, writer in enumerate(self._writers):
            names = whole.column_names[number * WIDTH : (number + 1) * WIDTH]
            writer.write_table(whole.select(names), row_group_size=PIECE_ROWS)


def connect(folder: Path) -> Any:
    """A connection of DuckDB that reads files, keeps within `MEMORY` and puts what is more into the folder."""
    settings: dict[str, Any] = {
        "threads": 1, "memory_limit": f"{MEMORY >> 20}MiB", "temp_directory": str(folder / "overflow"),
        "max_temp_directory_size": MOST_ON_DISK, "preserve_insertion_order": False,
        "autoinstall_known_extensions": False, "autoload_known_extensions": False,
    }  # fmt: skip
    return duckdb.connect(config=settings)


def _array(column: Column, values: Sequence[Any]) -> Any:
    if column.type == "datetime":
        return pyarrow.array([None if each is None else (each - _ORIGIN) // _MICRO for each in values], pyarrow.int64())
    if column.type == "float":
        return pyarrow.array(values, pyarrow.float64(), from_pandas=False)
    try:
        return pyarrow.array(values, _STORED[column.type])
    except UnicodeEncodeError:
        # Half of a pair of UTF-16, which JSON can say and no text holds.
        clean = [None if each is None else each.encode("utf-8", "replace").decode() for each in values]
        return pyarrow.array(clean, pyarrow.string())


def of_column(spool: Spool, column: Column) -> ColumnStatistics:
    found = ColumnStatistics(column.name, column.type, spool.rows)
    _count(spool, column, found)
    if column.has_numbers:
        _moments(spool, column, found)
    valid = found.count - found.missing - found.infinite
    if column.has_bins and valid:
        _quantiles(spool, column, found, valid)
        edges = edges_between(column, found.minimum, found.maximum)
        found.histogram = Histogram(edges, counts_in(spool, column, edges))
    _top(spool, column, found)
    return found


def summary(spool: Spool, column: Column) -> ColumnStatistics:
    """Counts, ends and moments of a column alone."""
    found = ColumnStatistics(column.name, column.type, spool.rows)
    _count(spool, column, found)
    if column.has_numbers:
        _moments(spool, column, found)
    return found


def frequent_in_both(before: Spool, old: Column, after: Spool, new: Column) -> list[tuple[Value, int, int]]:
    """The values that are among the most frequent ones of either column, with how often each has them."""
    sides = ((before, old), (after, new))
    wanted: dict[Any, None] = {}
    for spool, column in sides:
        among = f"SELECT {column.sql} FROM {spool.source(column)} WHERE {column.is_present}"
        wanted |= dict.fromkeys(value for value, _ in spool.ask(_grouped(column, among, TOP)))
    counts = []
    for spool, column in sides:
        among = f"SELECT {column.sql} FROM {spool.source(column)} WHERE {column.sql} IN (SELECT unnest(?::{_SQL[column.type]}[]))"
        counts.append(dict(spool.ask(_grouped(column, among, len(wanted) or 1), [list(wanted)])))
    return [(new.shown(value), counts[0].get(value, 0), counts[1].get(value, 0)) for value in wanted]


def _count(spool: Spool, column: Column, found: ColumnStatistics) -> None:
    c = column.sql
    wanted = [f"count({c})", f"approx_count_distinct({c})", f"min({c}) FILTER ({column.is_valid})",
              f"max({c}) FILTER ({column.is_valid})"]  # fmt: skip
    if column.type == "float":
        wanted += [f"count(*) FILTER (isnan({c}))", f"count(*) FILTER (isinf({c}))"]
    elif column.type == "string":
        wanted[2:4] = [f"left(min({c}), {LONGEST + 1})", f"left(max({c}), {LONGEST + 1})"]
        wanted += [f"count(*) FILTER ({c} = '')", f"min(length({c}))", f"max(length({c}))", f"avg(length({c}))"]
    (row,) = spool.ask(f"SELECT {', '.join(wanted)} FROM {spool.source(column)}")
    found.null = spool.rows - row[0]
    if column.type == "float":
        found.nan, found.infinite = row[4], row[5]
    elif column.type == "string":
        found.empty = row[4]
        found.lengths = None if row[5] is None else (row[5], row[6], row[7])
    found.minimum, found.maximum = column.shown(row[2]), column.shown(row[3])
    if column.type == "float" and found.minimum is not None:
        found.minimum, found.maximum = found.minimum + 0.0, found.maximum + 0.0  # -0.0 is 0.0
    if spool.rows <= EXACT_ROWS or row[1] <= FEW_VALUES:
        distinct = f"SELECT DISTINCT {c} FROM {spool.source(column)} WHERE {column.is_present}"
        ((found.distinct,),) = spool.ask(f"SELECT count(*) FROM ({distinct})")
    else:
        found.distinct = min(row[1], spool.rows - found.missing)
        found.approximate.append("distinct")


def _moments(spool: Spool, column: Column, found: ColumnStatistics) -> None:
    """Mean and central moments, the latter around the mean itself: sums of powers would lose all digits of values that lie
    close together and far from zero."""
    n = found.count - found.missing - found.infinite
    if not n:
        return
    c, valid, place = column.sql, column.is_valid, spool.source(column)
    spread: float
    if column.type == "long":
        ((total,),) = spool.ask(f"SELECT sum({c}) FROM {place} WHERE {valid}")
        mean = Fraction(int(total), n)
        found.mean = _finite(mean)
        # Whole numbers are taken from each other exactly; what is left of the mean is less than one.
        middle = round(mean)
        spread = float(max(abs(found.minimum - middle), abs(found.maximum - middle)) or 1)
        rest = float(mean - middle)
        distance = f"((({c}::HUGEINT - {middle}::HUGEINT)::DOUBLE - {rest!r}::DOUBLE) / {spread!r}::DOUBLE)"
        scale = 1.0
    else:
        # By a power of two, so that no digit changes and no sum overflows.
        scale = 2.0 ** max(-1000, min(1000, math.frexp(max(abs(found.minimum), abs(found.maximum)))[1]))
        scaled = f"({c} / {scale!r}::DOUBLE)"
        ((total,),) = spool.ask(f"SELECT fsum({scaled}) FROM {place} WHERE {valid}")
        centre = total / n
        found.mean = _finite(Fraction(centre) * Fraction(scale))
        spread = max(abs(found.minimum / scale - centre), abs(found.maximum / scale - centre)) or 1.0
        distance = f"(({scaled} - {centre!r}::DOUBLE) / {spread!r}::DOUBLE)"
    sums = ", ".join(f"fsum({' * '.join(['d'] * power)})" for power in (1, 2, 3, 4))
    ((s1, s2, s3, s4),) = spool.ask(f"SELECT {sums} FROM (SELECT {distance} AS d FROM {place} WHERE {valid})")
    if found.minimum == found.maximum:
        found.standard_deviation = 0.0 if n > 1 else None
        return
    off = s1 / n  # the mean was rounded
    m2 = s2 / n - off**2
    m3 = s3 / n - 3 * off * s2 / n + 2 * off**3
    m4 = s4 / n - 4 * off * s3 / n + 6 * off**2 * s2 / n - 3 * off**4
    if m2 <= 0:
        return
    found.standard_deviation = _finite(Fraction(math.sqrt(m2 * n / (n - 1))) * Fraction(spread) * Fraction(scale))
    if n > 2:
        found.skewness = math.sqrt(n * (n - 1)) / (n - 2) * m3 / m2**1.5
    if n > 3:
        found.kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (m4 / m2**2 - 3) + 6)


def _finite(value: Fraction) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _quantiles(spool: Spool, column: Column, found: ColumnStatistics, valid: int) -> None:
    c, place = column.sql, f"{spool.source(column)} WHERE {column.is_valid}"
    if spool.rows > EXACT_ROWS:
        ((values,),) = spool.ask(f"SELECT approx_quantile({c}, [{', '.join(QUANTILES)}]) FROM {place}")
        found.quantiles = {name: column.shown(value) for name, value in zip(QUANTILES, values, strict=True)}
        found.approximate.append("quantiles")
        return
    ordered = spool.connection.execute(f"SELECT {c} FROM {place} ORDER BY {c}").fetchnumpy()[c]
    for name in QUANTILES:
        where = Fraction(name) * (valid - 1)
        low = math.floor(where)
        lower, upper = ordered[low].item(), ordered[min(low + 1, valid - 1)].item()
        value = Fraction(lower) + (Fraction(upper) - Fraction(lower)) * (where - low)
        if column.type == "datetime":
            found.quantiles[name] = column.shown(round(value))
        else:
            is_whole = column.type == "long" and value.denominator == 1
            found.quantiles[name] = int(value) if is_whole else float(value)


def _top(spool: Spool, column: Column, found: ColumnStatistics) -> None:
    if "distinct" not in found.approximate:
        found.top = categories(spool, column, TOP)
        return
    # Of very many values the likely ones are looked for, and these then counted.
    c, place = column.sql, spool.source(column)
    ((likely,),) = spool.ask(f"SELECT approx_top_k({c}, {5 * TOP}) FROM {place} WHERE {column.is_present}")
    among = f"SELECT {c} FROM {place} WHERE {c} IN (SELECT unnest(?::{_SQL[column.type]}[]))"
    rows = spool.ask(_grouped(column, among, TOP), [likely])
    found.top = [(column.shown(value), count) for value, count in rows]
    found.approximate.append("top")


_SQL = {"long": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "datetime": "BIGINT", "string": "VARCHAR"}


def _grouped(column: Column, among: str, most: int) -> str:
    return f"SELECT {column.sql}, count(*) AS n FROM ({among}) GROUP BY 1 ORDER BY n DESC, 1 LIMIT {most}"


def categories(spool: Spool, column: Column, most: int) -> list[tuple[Value, int]]:
    """The most frequent values that are there, with how many there are, the smaller first of equally many."""
    among = f"SELECT {column.sql} FROM {spool.source(column)} WHERE {column.is_present}"
    rows = spool.ask(_grouped(column, among, most))
    return [(column.shown(0.0 if value == 0 and column.type == "float" else value), count) for value, count in rows]


def edges_between(column: Column, lowest: Value, highest: Value) -> list[Value]:
    """The edges of at most `BINS` bins of one width. Those of whole numbers and times are whole, so that no bin has more of
    them than another has; one value alone is one bin."""
    low, high = column.stored(lowest), column.stored(highest)
    if low == high:
        return [column.shown(low), column.shown(high)]
    if column.type == "float":
        step = (Fraction(high) - Fraction(low)) / BINS
        made = [low, *(float(Fraction(low) + step * number) for number in range(1, BINS)), high]
        return sorted(set(made))
    width = -(-(high - low + 1) // BINS)
    made = [low + width * number for number in range(-(-(high - low + 1) // width) + 1)]
    return [column.shown(min(each, _LAST) if column.type == "datetime" else each) for each in made]


_LAST = (datetime.max - _ORIGIN) // _MICRO


def counts_in(spool: Spool, column: Column, edges: Sequence[Value]) -> list[int]:
    """How many finite values lie in each bin between these edges, which rise. What lies outside is not counted."""
    bounds = [column.stored(each) for each in edges]
    kind = _SQL[column.type]
    if bounds[0] == bounds[-1]:
        counts = [f"count(*) FILTER ({column.sql} = {_literal(bounds[0], kind)})"]
    else:
        last = len(bounds) - 2
        counts = [
            f"count(*) FILTER ({column.sql} >= {_literal(low, kind)} AND {column.sql} "
            f"{'<=' if number == last else '<'} {_literal(high, kind)})"
            for number, (low, high) in enumerate(pairwise(bounds))
        ]
    (row,) = spool.ask(f"SELECT {', '.join(counts)} FROM {spool.source(column)} WHERE {column.is_valid}")
    return [int(each) for each in row]


def _literal(value: Any, kind: str) -> str:
    # As a text, because a bare number of many digits would be read as a decimal.
    return f"'{value!r}'::{'HUGEINT' if kind == 'BIGINT' else kind}"
