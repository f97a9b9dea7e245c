"""What a file's text shows of how it is to be read as a table: kind, encoding, separator, header, decimal mark.

A guess for a person to look at and to correct, never what a program reads by: the definition says that in full.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from itertools import chain, islice
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from duto.tables.forms import encoding_of
from duto.tables.reader import Source
from duto.tables.values import NULLS

# Of a file's head, for all but the encoding; of all files together, for that.
HEAD, LOOKED_THROUGH = 256 << 10, 64 << 20
CHUNK = 1 << 20
RECORDS = 500
SEPARATORS = (",", ";", "\t", "|", " ")
# A separator gives so large a share of the rows the width of the first: the others may be what is wrong with the file.
MOST_ROWS = 0.5
_MARKS = (
    (codecs.BOM_UTF8, "utf8"),
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
# The first line by which Excel tells itself the separator.
_SEPARATOR_LINE = re.compile(r"\ufeff?sep=([^\r\n\w\"])\r?\n")
_ENDINGS = (".jsonl", ".ndjson", ".json")
_POINT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")
_COMMA = re.compile(r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[T ].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}(?: .*)?")

Records = List[List[str]]


def guess(sources: Sequence[Source], given: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
    """The `format` of a definition for these files. What `given` says is taken as it is; the rest is guessed."""
    made: Dict[str, Any] = {**(given or {})}
    first = next((each for each in sources if each.size), None)
    head = _head(first) if first is not None else b""
    name = first.name if first is not None else sources[0].name if sources else ""
    if "type" not in made:
        made["type"] = _type(head, name.lower())
    if made["type"] == "parquet":
        return made
    if "encoding" not in made and (encoding := _encoding(sources, head)) != "utf8":
        made["encoding"] = encoding
    if made["type"] == "delimited":
        text = _text(head, made.get("encoding"), is_cut=first is not None and first.size > len(head))
        _of_text(made, text)
    return made


def _of_text(made: Dict[str, Any], text: str) -> None:
    if separator := _SEPARATOR_LINE.match(text):
        text = text[separator.end() :]
    if "separator" not in made:
        made["separator"] = separator[1] if separator else _separator(text)
    records = _records(text, made["separator"])
    if "header" not in made:
        made["header"] = _has_header(records)
    if "decimal" not in made and made["separator"] != "," and _has_commas(records):
        made["decimal"] = ","


def _head(source: Source) -> bytes:
    with source.open() as stream:
        return stream.read(HEAD)


def _type(head: bytes, name: str) -> str:
    if (head.startswith(b"PAR1") and b"\0" in head[:4096]) or name.endswith((".parquet", ".pq")):
        return "parquet"
    start = (head[3:] if head.startswith(codecs.BOM_UTF8) else head).lstrip()
    if start[:1] in (b"{", b"[") and (name.endswith(_ENDINGS) or _is_object(start.split(b"\n", 1)[0])):
        return "json_lines"
    return "delimited"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _encoding(sources: Sequence[Source], head: bytes) -> str:
    """By the mark at the start, by zeros, else UTF-8 if all bytes are that, else Windows-1252 or Latin-1.

    Files of which one is UTF-8 beyond ASCII and another is not are told as UTF-8: reading then says which line is not.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    sample = head[:4096]
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = sample[start::2].count(0), sample[1 - start :: 2].count(0)
        if zeros > len(sample) // 4 and not others:
            return name
    checked = [_bytes_of(source) for source in _within(sources)]
    if all(is_utf8 for is_utf8, _, _ in checked) or any(is_utf8 and is_beyond for is_utf8, is_beyond, _ in checked):
        return "utf8"
    return "windows1252" if all(is_windows for _, _, is_windows in checked) else "latin1"


def _within(sources: Sequence[Source]) -> List[Source]:
    """The first files, of as many bytes as are looked through."""
    kept, left = [], LOOKED_THROUGH
    for source in sources:
        if left <= 0:
            break
        kept.append(source)
        left -= source.size
    return kept


def _bytes_of(source: Source) -> Tuple[bool, bool, bool]:
    """Whether a file's bytes are UTF-8, whether any is beyond ASCII, and whether they are Windows-1252."""
    utf8 = codecs.getincrementaldecoder("utf-8")()
    is_utf8, is_beyond, is_windows, read = True, False, True, 0
    with source.open() as stream:
        while read < LOOKED_THROUGH:
            chunk = stream.read(CHUNK)
            read += len(chunk)
            if chunk and chunk.isascii() and not utf8.getstate()[0]:
                continue
            is_beyond = is_beyond or bool(chunk)
            try:
                utf8.decode(chunk, final=not chunk)
            except UnicodeDecodeError:
                is_utf8 = False
                utf8.reset()
            if not chunk:
                break
            is_windows = is_windows and not set(chunk).intersection(b"\x81\x8d\x8f\x90\x9d")
    return is_utf8, is_beyond, is_windows


def _text(head: bytes, encoding: Any, is_cut: bool) -> str:
    try:
        text = head.decode(encoding_of(encoding), errors="ignore")
    except ValueError:
        return ""
    return text[: text.rfind("\n") + 1] or text if is_cut else text


def _records(text: str, separator: str) -> Records:
    """The first rows, blank ones left out; fewer where the quotes end in the middle."""
    found: Records = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator if len(separator) == 1 else ",")
    try:
        for record in islice(reader, RECORDS):
            if any(cell.strip() for cell in record):
                found.append(record)
    except csv.Error:
        pass
    return found


def _separator(text: str) -> str:
    best, points = "", 0.0
    for separator in SEPARATORS:
        records = _records(text, separator)
        width = len(records[0]) if records else 0
        share = sum(len(record) == width or _is_ended(record, width) for record in records) / max(1, len(records))
        if width < 2 or share < MOST_ROWS:
            continue
        cells = list(chain.from_iterable(record[:width] for record in records[1:] or records))
        typed = sum(_kind(cell) != "text" for cell in cells) / max(1, len(cells))
        if separator == " " and (share < 1 or typed < 0.5 or len(records) < 3):
            continue  # words of a sentence are no columns
        if share * (1 + typed) > points:
            best, points = separator, share * (1 + typed)
    # A single column: a separator that stands in no value leaves them whole.
    return best or next((each for each in SEPARATORS if each not in text), ",")


def _is_ended(record: List[str], width: int) -> bool:
    """Whether a row has all columns, and only separators after them."""
    return len(record) > width and not any(record[width:])


def _kind(cell: str) -> str:
    clean = cell.strip()
    if clean in NULLS:
        return "nothing"
    if _POINT.fullmatch(clean) or _COMMA.fullmatch(clean):
        return "number"
    if _DATE.fullmatch(clean):
        return "time"
    return "truth" if clean.lower() in ("true", "false") else "text"


def _has_header(records: Records) -> bool:
    """Not where a value of the first row is of the kind that its whole column has, and no other shows a name."""
    if len(records) < 2:
        return not records or all(_kind(cell) in ("text", "nothing") for cell in records[0])
    against = False
    for place, name in enumerate(records[0]):
        kinds = {_kind(record[place]) for record in records[1:] if len(record) > place} - {"nothing"}
        if len(kinds) != 1 or kinds == {"text"}:
            continue
        if _kind(name) == "text":
            return True
        against = against or _kind(name) in kinds
    return not against


def _has_commas(records: Records) -> bool:
    """Whether columns of numbers have a comma before the decimals, more of them than have a point."""
    commas = points = 0
    for column in zip(*(record for record in records[1:] if len(record) == len(records[0]))):
        values = [cell.strip() for cell in column if cell.strip() not in NULLS]
        numbers = [cell for cell in values if _kind(cell) == "number"]
        if values and len(numbers) == len(values):
            commas += any(_COMMA.fullmatch(cell) for cell in values)
            points += any("." in cell and not _COMMA.fullmatch(cell) for cell in values)
    return commas > points
