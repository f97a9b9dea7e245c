"""The rows of a table, read by DuckDB from local copies, with every other access off."""

from __future__ import annotations

import codecs
import csv
import io
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from core.errors import Unprocessable
from datasets import definitions, rows, texts
from datasets.services import files as resolving
from datasets.stores import root_by_name
from workspaces.models import Workspace

SECONDS = 60
SNIFFED = 64 * 1024
SAMPLE = 2000
# How far a text is checked for what DuckDB passes over: when only a glance is wanted, and when it is to be taken as a
# table. The latter takes seconds for a gigabyte.
GLANCE = 64 << 20
THOROUGH = 1 << 30
BATCH = 1000
NATIVE = frozenset({"utf8", "utf-8", "ascii", "us-ascii", "utf-8-sig"})
# What pandas, and so the SDK, takes for a missing value.
NULLS = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
]  # fmt: skip
SQL_TYPES = {"string": "VARCHAR", "long": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "datetime": "TIMESTAMP"}
NAMES = {"VARCHAR": "string", "BIGINT": "long", "DOUBLE": "float", "BOOLEAN": "bool", "TIMESTAMP": "datetime"}
# What a value must look like to count as one of the type: casting alone would make 39 of 39.1, and true of Yes.
GUESSES = {
    "BIGINT": r"\s*[+-]?\d{1,18}\s*",
    "DOUBLE": r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*",
    "BOOLEAN": r"(?i)\s*(true|false)\s*",
    "TIMESTAMP": r"\s*\d{4}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d{2}.*)?\s*",
}


@dataclass(frozen=True)
class Table:
    """Columns as (name, type), and the rows that were asked for."""

    columns: list[tuple[str, str]]
    rows: list[tuple[Any, ...]]


def read(
    workspace: Workspace,
    found: Sequence[resolving.ResolvedFile],
    definition: Mapping[str, Any],
    limit: int,
    *,
    checked: int = GLANCE,
) -> Table:
    """The first rows after the definition's operations. Raises Unprocessable for what is no table."""
    with opened(workspace, found, definition, checked=checked) as (columns, stream):
        return Table(columns, [row for _, row in zip(range(limit), stream, strict=False)])


@contextmanager
def opened(
    workspace: Workspace,
    found: Sequence[resolving.ResolvedFile],
    definition: Mapping[str, Any],
    *,
    checked: int = THOROUGH,
) -> Iterator[tuple[list[tuple[str, str]], Iterator[tuple[Any, ...]]]]:
    """Columns and a stream of rows. The time it may take starts now."""
    form = definition.get("format") or {}
    with tempfile.TemporaryDirectory() as folder:
        local = [_local(workspace, each, form, Path(folder) / str(n)) for n, each in enumerate(found)]
        if form.get("type", "delimited") == "delimited":
            _check_whole(local, found, form, checked)
        connection = _connect(local)
        stop = threading.Timer(SECONDS, connection.interrupt)
        stop.start()
        try:
            sql, parameters = _query(connection, local, form)
            cursor = connection.execute(sql, parameters)
            columns = [(str(each[0]), _name(str(each[1]))) for each in cursor.description or []]
            yield rows.apply(columns, _stream(cursor), definition.get("operations") or [])
        except duckdb.InterruptException as error:
            raise _refuse(f"reading it took longer than {SECONDS} seconds") from error
        except (duckdb.Error, UnicodeError, csv.Error) as error:
            raise _refuse(_reason(error)) from error
        finally:
            stop.cancel()
            connection.close()


def _connect(local: Sequence[Path]) -> duckdb.DuckDBPyConnection:
    """A database in memory that may read these files and nothing else in the world."""
    connection = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "1GB"})
    paths = ", ".join("'" + str(path).replace("'", "''") + "'" for path in local)
    connection.execute(f"SET allowed_paths=[{paths}]")
    connection.execute("SET enable_external_access=false")
    connection.execute("SET lock_configuration=true")
    return connection


def _local(workspace: Workspace, each: resolving.ResolvedFile, form: Mapping[str, Any], copy: Path) -> Path:
    """The file on this disk: where it lies, or a copy when it lies elsewhere or in another encoding."""
    root = root_by_name(workspace, each.datastore)
    here = root.local / each.key if root.local is not None else None
    is_text = form.get("type", "delimited") == "delimited"
    if is_text:
        _check_text(root.read(each.key, 0, SNIFFED), each.path, form)
    encoding = str(form.get("encoding") or "utf8").lower()
    if here is not None and not (is_text and encoding not in NATIVE):
        return here
    with root.open(each.key) as source, copy.open("wb") as target:
        reader = codecs.getreader(encoding)(source, "strict") if is_text and encoding not in NATIVE else None
        try:
            while chunk := (reader or source).read(1 << 20):
                target.write(chunk.encode() if isinstance(chunk, str) else chunk)
        except UnicodeError as error:
            raise _refuse(f"'{each.path}' is not {encoding}; name its encoding") from error
    return copy


def _check_whole(
    local: Sequence[Path], found: Sequence[resolving.ResolvedFile], form: Mapping[str, Any], most: int
) -> None:
    """DuckDB drops the last row when its quote is never closed, and says nothing."""
    for path, each in zip(local, found, strict=True):
        if fault := texts.fault(path, form.get("separator") or ",", most):
            raise _refuse(f"in '{each.path}', {fault}")


def _check_text(head: bytes, path: str, form: Mapping[str, Any]) -> None:
    """Refuse early, and in words, what a reader of tables would make nonsense of."""
    encoding = str(form.get("encoding") or "utf8").lower()
    if not head.strip():
        raise _refuse(f"'{path}' is empty")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and encoding in NATIVE:
        raise _refuse(f"'{path}' is not {encoding} but looks like utf-16; name its encoding")
    if not encoding.startswith(("utf-16", "utf16", "utf-32", "utf32", "utf_")) and b"\0" in head:
        raise _refuse(f"'{path}' is not a text file")
    if head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise _refuse(f"'{path}' is a web page, not a table")
    try:
        codecs.getincrementaldecoder("utf-8" if encoding in NATIVE else encoding)().decode(head)
    except LookupError as error:
        raise _refuse(f"there is no encoding '{encoding}'") from error
    except UnicodeDecodeError as error:
        raise _refuse(f"'{path}' is not {encoding}; name its encoding") from error


def _query(
    connection: duckdb.DuckDBPyConnection, local: Sequence[Path], form: Mapping[str, Any]
) -> tuple[str, list[Any]]:
    kind, paths = form.get("type", "delimited"), [str(path) for path in local]
    if kind == "parquet":
        return f"SELECT {_cast(form, None)} FROM read_parquet(?, union_by_name=true)", [paths]
    if kind == "json_lines":
        source = "read_json(?, format='newline_delimited', union_by_name=true)"
        return f"SELECT {_cast(form, None)} FROM {source}", [paths]
    names = _names(local[0], form)
    source, parameters = _delimited(paths, names, form)
    guessed = _guess(connection, source, parameters, names, form)
    return f"SELECT {_cast(form, guessed)} FROM {source}", parameters


def _names(path: Path, form: Mapping[str, Any]) -> list[str]:
    """The columns of a delimited file: its header, or Column1, Column2, ..."""
    separator = form.get("separator") or ","
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.read(SNIFFED)
    lines = csv.reader(io.StringIO(head), delimiter=separator) if len(separator) == 1 else None
    first = next(lines, []) if lines else head.splitlines()[0].split(separator)
    if form.get("header", True) is False:
        return [f"Column{place}" for place in range(1, len(first) + 1)]
    named = [name.strip() or f"Column{place}" for place, name in enumerate(first, 1)]
    return rows.distinct(named)


def _delimited(paths: Sequence[str], names: Sequence[str], form: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Everything is said and nothing sniffed: a sniffer skips what it does not understand."""
    columns = "{" + ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in names) + "}"
    quiet = "" if form.get("empty_as_string") else f", nullstr={[*NULLS]!r}"
    header = form.get("header", True)
    options = (
        f"columns={columns}, auto_detect=false, delim={_literal(form.get('separator') or ',')}, quote='\"',"
        f" escape='\"', strict_mode=true, null_padding=true, parallel=false{quiet}"
    )
    if header == "first":
        parts = [f"SELECT * FROM read_csv(?, header=true, {options})"]
        if len(paths) > 1:
            parts.append(f"SELECT * FROM read_csv(?, header=false, {options})")
        return "(" + " UNION ALL ".join(parts) + ")", [paths[:1], *([paths[1:]] if len(paths) > 1 else [])]
    return f"read_csv(?, header={'true' if header else 'false'}, {options})", [list(paths)]


def _guess(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    parameters: list[Any],
    names: Sequence[str],
    form: Mapping[str, Any],
) -> dict[str, str]:
    """The narrowest type that every value of a sample has, column by column."""
    if form.get("infer") is False:
        return dict.fromkeys(names, "VARCHAR")
    tests = [
        f"bool_and(regexp_full_match({_quoted(name)}, {_literal(looks)}) AND TRY_CAST({_quoted(name)} AS {kind}) IS NOT NULL)"
        f" FILTER ({_quoted(name)} IS NOT NULL)"
        for name in names
        for kind, looks in GUESSES.items()
    ]
    sample = f"SELECT {', '.join(tests)} FROM (SELECT * FROM {source} LIMIT {SAMPLE})"
    answers = connection.execute(sample, parameters).fetchall()[0]
    found: dict[str, str] = {}
    for place, name in enumerate(names):
        fits = answers[place * len(GUESSES) : (place + 1) * len(GUESSES)]
        found[name] = next((kind for kind, fit in zip(GUESSES, fits, strict=True) if fit), "VARCHAR")
    return found


def _cast(form: Mapping[str, Any], guessed: Mapping[str, str] | None) -> str:
    """The columns to select. A value that is not of its column's type is missing, as the SDK has it."""
    wanted = {name: SQL_TYPES[definitions.type_name(each)] for name, each in (form.get("columns") or {}).items()}
    if guessed is None:
        changed = [f"TRY_CAST({_quoted(name)} AS {kind}) AS {_quoted(name)}" for name, kind in wanted.items()]
        return f"* REPLACE ({', '.join(changed)})" if changed else "*"
    kinds = {**guessed, **{name: kind for name, kind in wanted.items() if name in guessed}}
    return ", ".join(
        # Trimming keeps the cast out of the reader, which would fail where this gives NULL.
        _quoted(name) if kind == "VARCHAR" else f"TRY_CAST(trim({_quoted(name)}) AS {kind}) AS {_quoted(name)}"
        for name, kind in kinds.items()
    )


def _stream(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while batch := cursor.fetchmany(BATCH):
        yield from batch


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(sql_type: str) -> str:
    return NAMES.get(sql_type, "long" if "INT" in sql_type else "float" if "DECIMAL" in sql_type else sql_type.lower())


def _reason(error: Exception) -> str:
    """DuckDB's first lines, without the paths of this machine."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and "file =" not in line]
    if isinstance(error, UnicodeError):
        return "it is not in the encoding that was said; name its encoding"
    text = " ".join(lines[:3]).split("Possible")[0]
    return text.removeprefix("Invalid Input Error: ").strip()[:400]


def _refuse(why: str) -> Unprocessable:
    return Unprocessable(f"This cannot be read as a table: {why}.".replace("..", "."), code="not_a_table")
