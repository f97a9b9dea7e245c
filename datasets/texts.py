"""What a delimited text must not have, which a reader of tables passes over in silence: pure, over bytes."""

from __future__ import annotations

import codecs
import mmap
import re
from pathlib import Path

CHUNK = 1 << 20
BOM = b"\xef\xbb\xbf"
# From an opening quote to its closing one, doubled ones skipped; nothing in the group when the text ends before.
QUOTED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+("?)')


def fault(path: Path, separator: str, most: int) -> str | None:
    """What is wrong with a UTF-8 file that is not empty, with its line: a NUL byte, other bytes that
    are no text, or a quote that is never closed.

    Looks at what begins in the first `most` bytes.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        if (zero := text.find(b"\0", 0, most)) >= 0:
            return f"it has a NUL byte in line {_line(text, zero)}, so it is not a text file"
        if (odd := _undecodable(text, most)) is not None:
            return f"line {_line(text, odd)} is not utf-8; name its encoding"
        if (quote := open_quote(text, separator.encode(), most)) is not None:
            return f"the quote in line {_line(text, quote)} is never closed"
    return None


def open_quote(text: mmap.mmap | bytes, separator: bytes, most: int) -> int | None:
    """Where the quote stands that no other one closes. A quote opens only where a value begins."""
    place = text.find(b'"', 0, most)
    while place >= 0:
        end = place + 1
        if _begins(text, place, separator):
            found = QUOTED.match(text, place)
            assert found is not None
            if not found[1]:
                return place
            end = found.end()
        place = text.find(b'"', end, most)
    return None


def _undecodable(text: mmap.mmap, most: int) -> int | None:
    """Where the first byte stands that is no UTF-8."""
    decoder, end = codecs.getincrementaldecoder("utf-8")(), min(most, len(text))
    for start in range(0, end, CHUNK):
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(text[start : min(start + CHUNK, end)], final=start + CHUNK >= len(text))
        except UnicodeDecodeError as error:
            return start - held + error.start
    return None


def _begins(text: mmap.mmap | bytes, place: int, separator: bytes) -> bool:
    """Whether a value begins here: after a separator, a line's end or the file's beginning, and after one blank."""
    for start in (place, place - 1) if text[max(0, place - 1) : place] == b" " else (place,):
        before = text[max(0, start - len(separator)) : start]
        if start == 0 or before == separator or before[-1:] in (b"\n", b"\r"):
            return True
        if start == len(BOM) and text[:start] == BOM:
            return True
    return False


def _line(text: mmap.mmap, place: int) -> int:
    """The number of the line, from 1 on; old files end their lines with CR alone."""
    ends = 0
    for mark in (b"\n", b"\r"):
        at = text.find(mark, 0, place)
        while at >= 0:
            ends, at = ends + 1, text.find(mark, at + 1, place)
        if ends:
            break
    return ends + 1
