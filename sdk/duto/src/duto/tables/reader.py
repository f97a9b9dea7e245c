"""Files into columns and rows: the one way for pages, downloads, profiles, programs and steps."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from duto.spec import globs
from duto.spec.sentences import said
from duto.tables import json_lines, moments, operations, parquet, values
from duto.tables.delimited import Delimited
from duto.tables.errors import Misfit, TableError
from duto.tables.forms import Form, form_of
from duto.tables.partitions import keys_of, mismatch, types_of, values_of

PATH = "Path"
# What a table is known by is kept and shown: so many columns, and so many characters of their names all together.
MOST_COLUMNS, LONGEST_NAMES = 100_000, 2 << 20
# How much was looked through, and of how much, in bytes.
Progress = Callable[[int, int], None]
Raw = Tuple[List[str], List[List[Any]], int]


@dataclass(frozen=True)
class Source:
    """A file: its path inside the dataset, its size in bytes, and how to open it for reading from the start."""

    name: str
    size: int
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Column:
    """`type`: string, long, float, bool or datetime. `order`: what the texts of a column of times show about days
    and months. `is_extra`: of the path, not of the file."""

    name: str
    type: str
    order: Optional[str] = None
    is_extra: bool = False


@dataclass(frozen=True)
class Table:
    """Columns, and batches of values by column with the number of their rows. Values are None, str, int, float,
    bool, and datetime in UTC without a zone."""

    columns: List[Column]
    batches: Iterator[Tuple[List[List[Any]], int]]

    def rows(self) -> Iterator[Tuple[Any, ...]]:
        for columns, size in self.batches:
            yield from zip(*columns) if columns else [()] * size


def survey(
    sources: Sequence[Source], form: Form, progress: Optional[Progress] = None, most: Optional[int] = None
) -> List[Column]:
    """The columns of all files together, each of the type that all of its values have.

    Columns are those of all files by name, in the order in which they are first seen. `most`: of how many bytes of
    text the values are looked at, for who wants a guess soon. Raises TableError.
    """
    sources = chosen(sources, form)
    _check_partitions(sources, form)
    found = _of_parquet(sources, form) if form.type == "parquet" else _of_values(sources, form, progress, most)
    if not found and form.type != "json_lines":
        is_one = len(sources) == 1
        raise TableError(
            said("empty_file", name=sources[0].name) if is_one else said("empty_files", count=len(sources))
        )
    extras = _extras(form)
    names = {column.name for column in found}
    for column in extras:
        if column.name in names:
            raise TableError(said("own_column", name=column.name))
    before, after = [each for each in extras if each.name == PATH], [each for each in extras if each.name != PATH]
    return [*before, *found, *after]


class Far:
    """Remembers how much was looked through, and tells it on."""

    def __init__(self, progress: Optional[Progress] = None) -> None:
        self.done, self._progress = 0, progress

    def __call__(self, done: int, total: int) -> None:
        self.done = done
        if self._progress is not None:
            self._progress(done, total)


def read(
    sources: Sequence[Source],
    definition: Mapping[str, Any],
    columns: Optional[List[Column]] = None,
    on_error: str = "null",
    progress: Optional[Progress] = None,
    misfits: Optional[Dict[str, int]] = None,
) -> Table:
    """The table of a definition (`format`, `operations`). `columns`: what `survey()` said of the same files.

    A value that is not of the declared type of its column is None, or raises with `on_error` "fail"; `misfits` counts
    such values by column, as far as the rows were read. Raises TableError, also while the rows are read.
    """
    form = form_of(definition.get("format") or {})
    sources = chosen(sources, form)
    if columns is None:
        columns = survey(sources, form)
    made, batches = operations.apply(
        columns, _typed(sources, form, columns, on_error, progress, misfits), definition.get("operations") or []
    )
    return Table(made, batches)


def chosen(sources: Sequence[Source], form: Form) -> List[Source]:
    """The files that a form's `glob` or `extension` leaves. Raises TableError when none is left."""
    wanted, ending = (form.glob or "").lstrip("/"), form.extension or ""
    pattern = globs.crossing(wanted) if wanted else None
    kept = [each for each in sources if (pattern.fullmatch(each.name) if pattern else each.name.endswith(ending))]
    if not kept:
        like = {"name": sources[0].name, "wanted": wanted or ending} if sources else {}
        raise TableError(said("no_file_like", **like) if like else said("no_file_here"))
    return kept


def _of_values(
    sources: Sequence[Source], form: Form, progress: Optional[Progress], most: Optional[int]
) -> List[Column]:
    """Looks at every value, unless nothing depends on them."""
    seen: Dict[str, Any] = {}
    orders: Dict[str, Optional[str]] = {}
    is_text = form.type == "delimited"
    wants_values = not is_text or form.infer or any(_needs_order(each) for each in form.columns.values())
    far = Far(progress)
    for names, cells, _size in _raw(sources, form, far, with_rows=wants_values):
        known = len(seen)
        for place, name in enumerate(names):
            look = seen.get(name)
            if look is None:
                look = seen[name] = values.OfTexts(form.decimal) if is_text else values.OfValues()
            if not cells:
                continue
            wanted = form.columns.get(name)
            if wanted is None:
                look.look(cells[place])
            elif _needs_order(wanted):
                shown = moments.order_of([each for each in cells[place] if isinstance(each, str)])
                orders[name] = moments.together(orders.get(name), shown)
        if len(seen) > known:
            _check_names(seen)
        if most is not None and far.done >= most:
            break
    return [_column(name, look, form, orders.get(name)) for name, look in seen.items()]


def _check_names(names: Mapping[str, Any]) -> None:
    if len(names) > MOST_COLUMNS:
        raise TableError(said("many_columns", most=MOST_COLUMNS))
    if sum(map(len, names)) > LONGEST_NAMES:
        raise TableError(said("long_names", most=LONGEST_NAMES))


def _column(name: str, look: Any, form: Form, order: Optional[str]) -> Column:
    wanted = form.columns.get(name)
    if wanted is not None:
        return Column(name, wanted.type, order)
    return Column(name, look.type if form.infer or form.type != "delimited" else "string")


def _needs_order(wanted: Any) -> bool:
    return bool(wanted.type == "datetime" and not wanted.formats)


def _of_parquet(sources: Sequence[Source], form: Form) -> List[Column]:
    found: Dict[str, str] = {}
    for source in sources:
        if not source.size:
            continue
        with source.open() as stream:
            for name, kind in parquet.types(parquet.opened(stream, source.name)):
                earlier = found.get(name, kind)
                numbers = {earlier, kind} == {"long", "float"}
                found[name] = kind if earlier == kind else "float" if numbers else "string"
        _check_names(found)
    return [
        Column(name, form.columns[name].type if name in form.columns else kind) for name, kind in found.items()
    ]  # fmt: skip


def _typed(
    sources: Sequence[Source],
    form: Form,
    columns: List[Column],
    on_error: str,
    progress: Optional[Progress],
    misfits: Optional[Dict[str, int]],
) -> Iterator[Tuple[List[List[Any]], int]]:
    extras: Dict[str, Any] = {}
    for names, cells, size in _raw(sources, form, progress, extras=extras):
        if not size:
            continue
        places = {name: place for place, name in enumerate(names)}
        made = []
        for column in columns:
            if column.is_extra:
                held: List[Any] = [extras.get(column.name)] * size
            elif column.name in places:
                held = cells[places[column.name]]
            else:
                held = [None] * size
            made.append(_values(held, column, form, on_error, misfits))
        yield made, size


def _values(held: List[Any], column: Column, form: Form, on_error: str, misfits: Optional[Dict[str, int]]) -> List[Any]:
    wanted = form.columns.get(column.name)
    if wanted is not None:
        if wanted.type == "string" and form.type == "delimited" and not form.empty_as_string and not column.is_extra:
            return [each or None for each in held]
        return values.declared(held, column.name, wanted, column.order, on_error, misfits)
    try:
        is_text = form.type == "delimited" and not column.is_extra
        return values.guessed(held, column.type, is_text, form.empty_as_string, form.decimal)
    except Misfit as error:
        raise TableError(said("in_column", name=column.name, why=error.message)) from error
    except (ValueError, TypeError, KeyError) as error:
        raise TableError(said("column_changed", name=column.name)) from error


def _raw(
    sources: Sequence[Source],
    form: Form,
    progress: Optional[Progress],
    with_rows: bool = True,
    extras: Optional[Dict[str, Any]] = None,
) -> Iterator[Raw]:
    """Names, cells and number of rows, batch by batch; `extras` holds the values of the path at hand."""
    total, done = sum(source.size for source in sources), 0
    first: Optional[List[str]] = None
    for source in sources:
        with source.open() as stream:
            if extras is not None:
                extras.clear()
                extras.update(_extra_values(source, form))
            for names, cells, size in _batches(stream, source, form, first, with_rows):
                if form.header == "first" and names:
                    first = names
                if progress is not None:
                    progress(done + min(_at(stream), source.size), total)
                yield names, cells, size
        done += source.size
        if progress is not None:
            progress(done, total)


def _batches(
    stream: BinaryIO, source: Source, form: Form, first: Optional[List[str]], with_rows: bool
) -> Iterator[Raw]:
    if form.type == "parquet":
        if source.size:
            yield from parquet.batches(parquet.opened(stream, source.name), source.name)
        return
    if form.type == "json_lines":
        yield from json_lines.batches(stream, source.name, form)
        return
    file = Delimited(stream, source.name, form, first if form.header == "first" else None)
    if not file.names:
        return
    yield file.names, [[] for _ in file.names], 0
    if with_rows:
        for cells, size in file.batches():
            yield file.names, cells, size


def _at(stream: Any) -> int:
    try:
        return int((stream.raw if isinstance(stream, io.BufferedReader) else stream).tell())
    except (OSError, ValueError, AttributeError):
        return 0


def _extras(form: Form) -> List[Column]:
    found = [Column(PATH, "string", is_extra=True)] if form.include_path else []
    if form.partition_format:
        found += [Column(name, kind, is_extra=True) for name, kind in types_of(form.partition_format)]
    return [
        Column(each.name, form.columns[each.name].type, is_extra=True) if each.name in form.columns else each
        for each in found
    ]


def _extra_values(source: Source, form: Form) -> Dict[str, Any]:
    found: Dict[str, Any] = {PATH: "/" + source.name.lstrip("/")} if form.include_path else {}
    if form.partition_format:
        parts: Mapping[str, Any] = values_of(form.partition_format, source.name) or {}
        found.update({name: parts.get(name) for name in keys_of(form.partition_format)})
    return found


def _check_partitions(sources: Sequence[Source], form: Form) -> None:
    text = mismatch(form.partition_format or "", [each.name for each in sources])
    if text:
        raise TableError(text)


def plain(value: Any) -> Any:
    """A value as JSON has it: what is no number is null, times are texts."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    return value.isoformat() if isinstance(value, datetime) else value
