"""Delimited text, record by record, in the dialect of RFC 4180 with any separator. Nothing is skipped silently."""

from __future__ import annotations

import codecs
import csv
import io
from itertools import chain, islice
from typing import Any, BinaryIO, Iterator, List, Optional, Sequence, Tuple

from duto.spec.sentences import Said, said
from duto.spec.units import size_text
from duto.tables.errors import TableError
from duto.tables.forms import Form
from duto.tables.lines import LONGEST_LINE, lines_of, long_line

SNIFFED = 64 * 1024
LONGEST_VALUE = 64 << 20
# A batch has about as many cells, whatever its columns, and ends where its text is longer.
CELLS, MOST_ROWS, MOST_TEXT = 200_000, 5_000, 16 << 20
# How files begin that people take for text, and what is said of them.
_SIGNS = {
    b"PK\x03\x04": said("zip_archive"),
    b"\xd0\xcf\x11\xe0": said("excel_book"),
    b"\x1f\x8b": said("gzip_file"),
    b"PAR1": said("parquet_file", advice=said("say_parquet")),
    b"SQLite format 3": said("sqlite_file"),
}
# Stands for a separator of several characters while a line is taken apart; Unicode promises that no text has it.
_STAND_IN = "\ufdd0"
# The standard library's limit is of 128 KiB and for the whole process; a larger one hurts nobody.
csv.field_size_limit(max(csv.field_size_limit(), LONGEST_VALUE))

Names = List[str]
Columns = List[List[Optional[str]]]


class Delimited:
    """One file. `names` are given where an earlier file's header names the columns of this one."""

    def __init__(self, stream: BinaryIO, name: str, form: Form, names: Optional[Sequence[str]] = None) -> None:
        self._stream, self._name, self._form = stream, name, form
        self._check_head()
        self._length = 0
        # Held for as long as this reader: a wrapper that is collected closes the file.
        self._text = io.TextIOWrapper(stream, encoding=form.encoding, errors="strict", newline="")
        self._records = self._parse()
        first = next(self._records, None)
        self.names: Names = []
        if first is not None and names is None and form.header is not False:
            self.names = header_names(first)
            first = None
        elif first is not None:
            self.names = list(names) if names is not None else [f"Column{n}" for n in range(1, len(first) + 1)]
        self._first = first

    def batches(self) -> Iterator[Tuple[Columns, int]]:
        """The cells by column, and how many rows they are of."""
        width = len(self.names)
        most = max(1, min(MOST_ROWS, CELLS // max(1, width)))
        rows: List[List[Any]] = [self._first] if self._first is not None else []
        place, ends = 0, self._length + MOST_TEXT
        for row in chain(self._records, [None]):
            if row is not None:
                rows.append(row)
                if len(rows) < most and self._length < ends:
                    continue
            if not rows:
                return
            widths = set(map(len, rows))
            if widths != {width}:
                rows = [self._fitted(row, width, place + n) for n, row in enumerate(rows)]
            place += len(rows)
            yield [list(column) for column in zip(*rows)], len(rows)
            rows, ends = [], self._length + MOST_TEXT

    def _fitted(self, row: List[Any], width: int, place: int) -> List[Any]:
        """A row as wide as the table: empty values beyond the last column are only separators at the line's end."""
        if len(row) < width:
            return [*row, *[None] * (width - len(row))]
        if any(row[width:]):
            values = said("values", count=f"{len(row):,}")  # always more than one
            columns = said("one_column") if width == 1 else said("columns", count=f"{width:,}")
            separator = repr(self._form.separator)
            line = self._line_of(place)
            raise self._fault(said("row_width", line=line, values=values, columns=columns, separator=separator))
        return row[:width]

    def _parse(self) -> Iterator[List[str]]:
        separator = self._form.separator
        lines = self._lines()
        reader = csv.reader(lines, delimiter=separator if len(separator) == 1 else _STAND_IN, strict=True)
        began = 0
        try:
            for record in reader:
                began = reader.line_num
                if not _is_row(record, began):
                    continue
                if len(separator) > 1:
                    record = [each.replace(_STAND_IN, separator) for each in record]
                yield record
        except csv.Error as error:
            raise self._fault(_sentence_of(str(error), began + 1, reader.line_num)) from error
        except UnicodeError as error:
            line = self._undecodable_line()
            raise self._fault(
                said("bad_encoding", line=line, encoding=self._form.encoding_name, advice=said("name_encoding"))
            ) from error

    def _lines(self) -> Iterator[str]:
        separator = self._form.separator
        is_long = len(separator) > 1
        for number, line in enumerate(lines_of(self._text), 1):
            self._length += len(line)
            if len(line) > LONGEST_LINE:
                raise self._fault(long_line(number))
            if "\0" in line:
                raise self._fault(said("nul_byte", line=number))
            if is_long:
                if _STAND_IN in line:
                    raise self._fault(said("stand_in", line=number))
                line = line.replace(separator, _STAND_IN)
            yield line

    def _check_head(self) -> None:
        """Refuse early, and in words, what would only make nonsense."""
        head = self._stream.read(SNIFFED)
        self._stream.seek(0)
        encoding = self._form.encoding
        is_wide = encoding.replace("_", "-").startswith(("utf-16", "utf-32"))
        if not is_wide and head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise self._fault(said("looks_like_utf16", encoding=self._form.encoding_name, advice=said("name_encoding")))
        if not is_wide and b"\0" in head:
            for sign, what in _SIGNS.items():
                if head.startswith(sign):
                    raise self._fault(what)
            line = head[: head.index(b"\0")].count(b"\n") + 1
            raise self._fault(said("nul_byte", line=line))
        if head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
            raise self._fault(said("web_page"))

    def _undecodable_line(self) -> int:
        """The line of the first bytes that are not of the encoding."""
        self._stream.seek(0)
        decoder, ends = codecs.getincrementaldecoder(self._form.encoding)(), 0
        while True:
            chunk = self._stream.read(4096)
            try:
                ends += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                return ends + error.object[: error.start].count(b"\n") + 1
            except UnicodeError:
                return ends + 1
            if not chunk:
                return ends + 1

    def _line_of(self, place: int) -> int:
        """The line where a record ends; asked for only to say what is wrong."""
        self._stream.seek(0)
        again = io.TextIOWrapper(self._stream, encoding=self._form.encoding, errors="replace", newline="")
        separator = self._form.separator
        lines = (line.replace(separator, _STAND_IN) for line in again) if len(separator) > 1 else iter(again)
        reader = csv.reader(lines, delimiter=separator if len(separator) == 1 else _STAND_IN)
        wanted = place + (1 if self._first is None else 0)
        records = (reader.line_num for record in reader if _is_row(record, reader.line_num))
        line = next(islice(records, wanted, None), reader.line_num)
        again.detach()
        return line

    def _fault(self, why: Said) -> TableError:
        return TableError(said("in_file", name=self._name, why=why))


def _is_row(record: Sequence[str], line: int) -> bool:
    """An empty line, or one of blanks alone, is no row; one with `""` is. Neither is a first line `sep=;`, by which Excel
    tells itself the separator."""
    if line == 1 and record == ["sep=", ""]:
        return False
    return len(record) > 1 or (len(record) == 1 and (record[0] == "" or bool(record[0].strip())))


def header_names(record: Sequence[str]) -> Names:
    """The names of a header: an empty one is ColumnN, the second of two equal ones gets a number."""
    return distinct([name if name.strip() else f"Column{place}" for place, name in enumerate(record, 1)])


def distinct(names: Sequence[str]) -> Names:
    """Names without repetition, as pandas numbers them: `a`, `a.1`."""
    taken, made = set(names), []
    seen: dict = {}  # type: ignore[type-arg]
    for name in names:
        count = seen.get(name, 0)
        chosen = name
        while count and chosen in taken:
            chosen, count = f"{name}.{count}", count + 1
        seen[name] = max(count, 1)
        taken.add(chosen)
        made.append(chosen)
    return made


def _sentence_of(error: str, began: int, ended: int) -> Said:
    if "end of data" in error:
        return said("open_quote", line=began)
    if "expected after" in error:
        return said("after_quotes", line=ended)
    if "field limit" in error:
        return said("long_cell", line=began, most=size_text(LONGEST_VALUE))
    return said("bad_line", line=ended, error=error)
