"""A JSON object a line. Values keep their types: texts stay texts, numbers stay numbers."""

from __future__ import annotations

import io
import json
from itertools import islice
from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Tuple

from duto.tables.errors import TableError
from duto.tables.forms import Form

CELLS, MOST_ROWS, SOME_ROWS = 200_000, 5_000, 100


def batches(stream: BinaryIO, name: str, form: Form) -> Iterator[Tuple[List[str], List[List[Any]], int]]:
    """Names, cells by column and how many rows they are of; a key may first come in a later batch."""
    objects = _objects(io.TextIOWrapper(stream, encoding=form.encoding, errors="strict", newline="\n"), name, form)
    most = SOME_ROWS
    while True:
        rows = list(islice(objects, most))
        if not rows:
            return
        names = list(dict.fromkeys(key for row in rows for key in row))
        yield names, [[row.get(key) for row in rows] for key in names], len(rows)
        most = max(1, min(MOST_ROWS, CELLS // max(1, len(names))))


def _objects(text: io.TextIOWrapper, name: str, form: Form) -> Iterator[Dict[str, Any]]:
    number = 0
    try:
        for line in text:
            number += 1
            if not line.strip():
                continue
            found = _object(line, name, number, form.drop_invalid)
            if found is not None:
                yield found
    except UnicodeError as error:
        told = f"after line {number} it is not {form.encoding_name}; name its encoding"
        raise TableError(f"in '{name}', {told}") from error


def _object(line: str, name: str, number: int, is_dropped: bool) -> Optional[Dict[str, Any]]:
    try:
        found = json.loads(line, parse_constant=_CONSTANTS.__getitem__)
        why = "is JSON, but no object"
    except (ValueError, RecursionError) as error:
        found, why = None, f"is no JSON object: {str(error)[:100]}"
    if isinstance(found, dict):
        return {_clean(key): _value(value) for key, value in found.items()}
    if is_dropped:
        return None
    raise TableError(
        f"in '{name}', line {number} {why}. With invalid_lines='drop' such lines are left out."
    )  # fmt: skip


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
