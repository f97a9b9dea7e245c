"""A JSON object a line. Values keep their types: texts stay texts, numbers stay numbers."""

from __future__ import annotations

import io
import json
from itertools import chain
from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Tuple

from duto.spec.sentences import said
from duto.tables.errors import TableError
from duto.tables.forms import Form
from duto.tables.lines import LONGEST_LINE, lines_of, long_line

CELLS, MOST_ROWS, SOME_ROWS, MOST_TEXT = 200_000, 5_000, 100, 16 << 20


def batches(stream: BinaryIO, name: str, form: Form) -> Iterator[Tuple[List[str], List[List[Any]], int]]:
    """Names, cells by column and how many rows they are of; a key may first come in a later batch."""
    most, rows, length = SOME_ROWS, [], 0
    text = io.TextIOWrapper(stream, encoding=form.encoding, errors="strict", newline="\n")
    for size, row in chain(_objects(text, name, form), [(0, None)]):
        if row is not None:
            rows.append(row)
            length += size
            if len(rows) < most and length < MOST_TEXT:
                continue
        if not rows:
            return
        names = list(dict.fromkeys(key for each in rows for key in each))
        yield names, [[each.get(key) for each in rows] for key in names], len(rows)
        most, rows, length = max(1, min(MOST_ROWS, CELLS // max(1, len(names)))), [], 0


def _objects(text: io.TextIOWrapper, name: str, form: Form) -> Iterator[Tuple[int, Optional[Dict[str, Any]]]]:
    number = 0
    try:
        for line in lines_of(text):
            number += 1
            if len(line) > LONGEST_LINE:
                raise TableError(said("in_file", name=name, why=long_line(number)))
            if not line.strip():
                continue
            found = _object(line, name, number, form.drop_invalid)
            if found is not None:
                yield len(line), found
    except UnicodeError as error:
        why = said("bad_encoding_after", line=number, encoding=form.encoding_name, advice=said("name_encoding"))
        raise TableError(said("in_file", name=name, why=why)) from error


def _object(line: str, name: str, number: int, is_dropped: bool) -> Optional[Dict[str, Any]]:
    try:
        found = json.loads(line, parse_constant=_CONSTANTS.__getitem__)
        why = said("no_object", line=number)
    except json.JSONDecodeError as error:
        found, why = None, said("bad_json", line=number, error=f"{error.msg} at character {error.pos + 1}")
    except (ValueError, RecursionError) as error:
        found, why = None, said("bad_json", line=number, error=str(error)[:100])
    if isinstance(found, dict):
        return {_clean(key): _value(value) for key, value in found.items()}
    if is_dropped:
        return None
    raise TableError(said("in_file", name=name, why=said("droppable", why=why)))


_CONSTANTS = {"NaN": None, "Infinity": float("inf"), "-Infinity": float("-inf")}


def _value(value: Any) -> Any:
    return _clean(value) if isinstance(value, str) else value


def _clean(text: str) -> str:
    """Half a surrogate pair, which JSON can spell, is no character; it becomes the sign for one that is lost."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
