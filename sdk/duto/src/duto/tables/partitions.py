"""Values in paths: `partition_format='/{state}/{date:yyyy/MM/dd}/data.csv'` makes columns of the pieces."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from duto.spec.sentences import Said, said

_FIELD = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
_MARKS = {"yyyy": ("%Y", 4, 4), "MM": ("%m", 1, 2), "dd": ("%d", 1, 2), "HH": ("%H", 1, 2), "mm": ("%M", 1, 2),
          "ss": ("%S", 1, 2)}  # fmt: skip
_MARK = re.compile("yyyy|MM|dd|HH|mm|ss")


class _Piece(NamedTuple):
    """A part of the format: a literal text, or what may stand there, for the column and strptime's sign it goes to."""

    literal: str = ""
    name: str = ""
    least: int = 0
    most: int = 0
    sign: str = ""


def keys_of(partition_format: Optional[str]) -> List[str]:
    """The names of the columns, in order."""
    return list(dict.fromkeys(match.group(1) for match in _FIELD.finditer(partition_format or "")))


def types_of(partition_format: str) -> List[Tuple[str, str]]:
    """The names with their types: `datetime` where the format says how a date is written, else `string`."""
    dated = {match.group(1) for match in _FIELD.finditer(partition_format) if match.group(2)}
    return [(name, "datetime" if name in dated else "string") for name in keys_of(partition_format)]


def values_of(partition_format: str, path: str) -> Optional[Dict[str, Any]]:
    """The columns' values for a path that ends as the format says; None for another. Dates come as `datetime`.

    A `*` stands for anything between two slashes. The time it takes grows with the lengths alone, whatever they say.
    Folders that the format begins with may lie above the dataset's own, which its paths do not tell.
    """
    found, below = _values(partition_format, path), partition_format.lstrip("/")
    depth = path.strip("/").count("/")
    while found is None and "/" in below and not {"{", "*"} & set(below.partition("/")[0]):
        below = below.partition("/")[2]
        if _depth(_pieces(below)) == depth:
            found = _values("/" + below, path)
    return found


def _depth(pieces: Sequence[_Piece]) -> int:
    return sum(piece.literal.count("/") for piece in pieces)


def _values(partition_format: str, path: str) -> Optional[Dict[str, Any]]:
    pieces = _pieces(partition_format)
    depth = _depth(pieces)
    parts = ("/" + path.lstrip("/")).split("/")
    text = "/".join(parts[len(parts) - depth - 1 :]) if len(parts) > depth else ""
    if partition_format.startswith("/"):
        text = "/" + text.split("/", 1)[-1] if "/" in text else text
    spans = _spans(pieces, text)
    if spans is None:
        return None
    texts: Dict[str, str] = {}
    signs: Dict[str, str] = {}
    for piece, (start, end) in zip(pieces, spans):
        if piece.name and piece.sign:
            texts[piece.name] = texts.get(piece.name, "") + text[start:end] + "\n"
            signs[piece.name] = signs.get(piece.name, "") + piece.sign + "\n"
        elif piece.name:
            texts.setdefault(piece.name, text[start:end])
    try:
        return {
            name: datetime.strptime(each, signs[name]) if name in signs else each for name, each in texts.items()
        }  # fmt: skip
    except ValueError:
        return None


def mismatch(partition_format: str, paths: Sequence[str]) -> Optional[Said]:
    """What is wrong where paths are not of the format: a column of theirs would have no value."""
    odd = [path for path in paths if values_of(partition_format, path) is None] if partition_format else []
    if not odd:
        return None
    facts = {"format": partition_format, "path": f"/{odd[0].lstrip('/')}"}
    return said("odd_paths", odd=len(odd), count=len(paths), **facts) if len(paths) > 1 else said("odd_path", **facts)


def _pieces(partition_format: str) -> List[_Piece]:
    made: List[_Piece] = []
    last = 0
    for match in _FIELD.finditer(partition_format):
        made += _literals(partition_format[last : match.start()])
        name, form = match.groups()
        made += _date(name, form) if form else [_Piece(name=name, least=1, most=1 << 30)]
        last = match.end()
    return made + _literals(partition_format[last:])


def _literals(text: str) -> List[_Piece]:
    made = []
    for place, part in enumerate(text.split("*")):
        if place:
            made.append(_Piece(most=1 << 30))
        if part:
            made.append(_Piece(literal=part))
    return made


def _date(name: str, form: str) -> List[_Piece]:
    made, last = [], 0
    for match in _MARK.finditer(form):
        made += _literals(form[last : match.start()])
        sign, least, most = _MARKS[match.group()]
        made.append(_Piece(name=name, least=least, most=most, sign=sign))
        last = match.end()
    return made + _literals(form[last:])


def _spans(pieces: List[_Piece], text: str) -> Optional[List[Tuple[int, int]]]:
    """Where each piece stands, the earlier ones as long as they can be; None when it cannot be done.

    From the last piece to the first: `ends[n]` are the places from which the pieces from n on reach the text's end.
    """
    reach: List[List[bool]] = [[False] * (len(text) + 1) for _ in range(len(pieces) + 1)]
    reach[-1][len(text)] = True
    for number in range(len(pieces) - 1, -1, -1):
        for place in range(len(text) + 1):
            reach[number][place] = _longest(pieces[number], text, place, reach[number + 1]) is not None
    if not reach[0][0]:
        return None
    spans, place = [], 0
    for number, piece in enumerate(pieces):
        end = _longest(piece, text, place, reach[number + 1])
        assert end is not None
        spans.append((place, end))
        place = end
    return spans


def _longest(piece: _Piece, text: str, place: int, reach: List[bool]) -> Optional[int]:
    if piece.literal:
        end = place + len(piece.literal)
        return end if text.startswith(piece.literal, place) and reach[end] else None
    stop = place
    while stop < len(text) and stop - place < piece.most and text[stop] != "/":
        if piece.sign and not ("0" <= text[stop] <= "9"):
            break
        stop += 1
    for end in range(stop, place + piece.least - 1, -1):
        if reach[end]:
            return end
    return None
