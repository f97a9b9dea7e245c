"""The rows of a tabular dataset as a pandas frame. How files become rows is said in `duto.tables`."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any, Iterator, List, Mapping, Sequence, Tuple

from duto.exceptions import UserErrorException
from duto.spec.sentences import said
from duto.tables import Column, Source, Table, TableError, form_of, read, survey
from duto.tables.reader import PATH
from duto.tables.values import EXACT

_RULES = ("null", "fail")
# The column that an index without a name is kept as.
UNNAMED = "index"


def read_frame(dataset: Any, on_error: str = "null", out_of_range: str = "null") -> Any:
    """The frame of a saved or unsaved dataset. Raises `UserErrorException`."""
    pandas = _pandas()
    _check_rules(on_error, out_of_range)
    with tempfile.TemporaryDirectory(prefix="duto-table-") as folder:
        return _frame(pandas, copied(dataset, Path(folder)), dataset._definition, on_error, out_of_range)


def read_with_files(dataset: Any) -> Tuple[Any, List[Tuple[int, int, int]]]:
    """The frame of a dataset, and for each stretch of its rows that come from one file where it begins, where it ends, and
    the file's bytes. Raises `UserErrorException`."""
    pandas = _pandas()
    with tempfile.TemporaryDirectory(prefix="duto-table-") as folder:
        local = getattr(dataset, "_sources", None)
        sources = local() if local is not None else copied(dataset, Path(folder))
        if not sources:
            return pandas.DataFrame(), []
        definition = dict(dataset._definition)
        form = dict(definition.get("format") or {})
        if form.get("include_path"):
            frame = _frame(pandas, sources, definition, "null", "null")
            paths = frame.get(PATH)
        else:
            definition["format"] = {**form, "include_path": True}
            kept = [
                {**each, "columns": [*each["columns"], PATH]} if each.get("op") == "keep_columns" else each
                for each in definition.get("operations") or ()
            ]
            frame = _frame(pandas, sources, {**definition, "operations": kept}, "null", "null")
            paths = frame.pop(PATH)
        sizes = {"/" + source.name.lstrip("/"): source.size for source in sources}
    if paths is None or not len(frame):
        return frame, [(0, len(frame), sum(sizes.values()))] if len(frame) else []
    borders = [0, *(paths.ne(paths.shift()).to_numpy().nonzero()[0][1:].tolist()), len(paths)]
    return frame, [(start, stop, sizes.get(paths.iat[start], 0)) for start, stop in zip(borders, borders[1:])]  # noqa: RUF007 - pairwise is younger than 3.8


def copied(dataset: Any, folder: Path) -> List[Source]:
    """The files of a dataset, copied to a folder of this machine. Raises `UserErrorException`."""
    sources = []
    for number, item in enumerate(dataset._files()):
        copy = folder / str(number)
        dataset._client.download(dataset._content(), copy, path=item["path"])
        sources.append(source_of(str(item["path"]), copy))
    if not sources:
        raise UserErrorException(f"The dataset finds no file: {dataset}")
    return sources


def read_local(
    sources: Sequence[Source], definition: Mapping[str, Any], on_error: str = "null", out_of_range: str = "null"
) -> Any:
    """The frame of files on this machine, as a step has its inputs. Raises `UserErrorException`."""
    pandas = _pandas()
    _check_rules(on_error, out_of_range)
    if not sources:
        return pandas.DataFrame()
    return _frame(pandas, sources, definition, on_error, out_of_range)


def source_of(name: str, path: Path) -> Source:
    """A file of this machine under its name inside the dataset."""
    return Source(name, path.stat().st_size, lambda: path.open("rb", buffering=1 << 18))


def frame_of(pandas: Any, table: Table, out_of_range: str = "null") -> Any:
    """A table as a frame. Whole numbers with gaps are floats where those hold them, else objects; texts and truths
    with gaps are objects with None; times have no zone and are in UTC."""
    pieces: List[List[Any]] = [[] for _ in table.columns]
    size = 0
    for columns, count in table.batches:
        size += count
        for held, values, column in zip(pieces, columns, table.columns):
            held.append(_packed(values, column))
    made = {
        place: _joined(pandas, held, column, out_of_range)
        for place, (held, column) in enumerate(zip(pieces, table.columns))
    }
    frame = pandas.DataFrame(made, index=pandas.RangeIndex(size))
    names = [column.name for column in table.columns]
    frame.columns = pandas.Index(names, dtype=object) if names else frame.columns
    return frame


def _frame(
    pandas: Any, sources: Sequence[Source], definition: Mapping[str, Any], on_error: str, out_of_range: str
) -> Any:
    with as_user_error():
        form = form_of(definition.get("format") or {})
        columns = survey(sources, form)
        frame = frame_of(pandas, read(sources, definition, columns, on_error), out_of_range)
        return _indexed(frame, form.index)


@contextlib.contextmanager
def as_user_error() -> Iterator[None]:
    """What is wrong with a table, as programs catch it: `UserErrorException`."""
    try:
        yield
    except TableError as error:
        raise UserErrorException(f"This cannot be read as a table: {error}.") from error
    except ValueError as error:
        raise UserErrorException(f"This table cannot be read: {error}") from error


def _indexed(frame: Any, names: Sequence[str]) -> Any:
    """The frame with the index that it was registered with, unless an operation took a column of it away."""
    if not names or not all(name in frame.columns for name in names):
        return frame
    made = frame.set_index(list(names))
    made.index.names = [None if name == UNNAMED else name for name in names]
    return made


def _packed(values: List[Any], column: Column) -> Any:
    """A batch of a column as narrow as can be, so that a frame does not need several times its size."""
    import numpy

    if column.type == "float":
        return numpy.array([float("nan") if each is None else each for each in values], dtype="float64")
    if column.type == "datetime":
        return numpy.array(values, dtype="datetime64[us]")
    if column.type in ("long", "bool") and None not in values:
        return numpy.array(values, dtype="int64" if column.type == "long" else "bool")
    made = numpy.empty(len(values), dtype=object)
    made[:] = values
    return made


def _joined(pandas: Any, held: List[Any], column: Column, out_of_range: str) -> Any:
    import numpy

    kinds = {"float": "float64", "datetime": "datetime64[us]", "long": "int64", "bool": "bool"}
    if not held:
        return numpy.empty(0, dtype=kinds.get(column.type, "object"))
    whole = numpy.concatenate(held)
    if column.type == "long" and whole.dtype == object:
        values = [each for each in whole if each is not None]
        if all(-EXACT <= each <= EXACT for each in values):
            whole = numpy.array([float("nan") if each is None else float(each) for each in whole])
    if column.type == "datetime":
        return _times(pandas, whole, out_of_range)
    # A series of objects stays one; a frame of newer pandas would make its own type of texts.
    return pandas.Series(whole, dtype=object) if whole.dtype == object else whole


def _times(pandas: Any, whole: Any, out_of_range: str) -> Any:
    """Nanoseconds, as programs know them; a time that those cannot hold is null or an error, as was asked."""
    low, high = pandas.Timestamp.min.to_datetime64(), pandas.Timestamp.max.to_datetime64()
    import numpy

    outside = (whole < numpy.datetime64(low, "us")) | (whole > numpy.datetime64(high, "us"))
    if not outside.any():
        return whole.astype("datetime64[ns]")
    if out_of_range == "fail":
        raise TableError(said("outside_nanoseconds", time=str(whole[outside][0])))
    whole = whole.copy()
    whole[outside] = numpy.datetime64("NaT")
    return whole.astype("datetime64[ns]")


def _check_rules(on_error: str, out_of_range: str) -> None:
    for name, value in (("on_error", on_error), ("out_of_range_datetime", out_of_range)):
        if value not in _RULES:
            raise UserErrorException(f"{name} is 'null' or 'fail', not {value!r}.")


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        text = "Reading a tabular dataset needs pandas: add it to the environment's packages."
        raise UserErrorException(text) from error
    return pandas
