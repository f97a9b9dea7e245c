"""Values in a line for a shell: one word each, whatever they hold and whatever quotes they stand in."""

from __future__ import annotations

import re
import shlex
from typing import Any, List, Mapping, Sequence

from duto.spec.parameters import as_text

# Where no quotes keep a value together, and how it is told.
UNSAFE: Mapping[str, str] = {"`": "in backticks", "<<": "in or after a here-document", "#": "in a comment"}
_MARKS = re.compile(r"\\.|\$\(|\$'|<<<|<<|['\"`()#\n]", re.DOTALL)
_SUBSTITUTION = ("$(", "(")
_QUOTES = ("'", '"', "$'")


def open_at_end(line: str) -> str:
    """What a shell has not seen the end of after this text: the mark that opened the innermost, empty for nothing."""
    opened = [""]
    for found in _MARKS.finditer(line):
        mark, inner = found[0], opened[-1]
        if inner == "<<":
            break
        if inner == "'":
            is_end = mark.endswith("'")
        elif inner == "$'":
            is_end = mark in ("'", "$'")
        elif inner == "#":
            is_end = mark.endswith("\n")
        else:
            is_end = mark == (")" if inner in _SUBSTITUTION else inner)
        if is_end:
            opened.pop()
        elif inner in ("'", "$'", "#"):
            continue
        elif mark in ("$(", "`") or (inner != '"' and _opens(mark, line[: found.start()], opened)):
            opened.append(mark)
    return opened[-1]


def _opens(mark: str, before: str, opened: Sequence[str]) -> bool:
    """Outside of quotes: whether something begins here."""
    if mark == "#":
        return not before or before[-1] in " \t\n;&|()`"
    if mark == "<<":
        return tuple(opened[-2:]) != _SUBSTITUTION  # else a number that is shifted
    return mark in _QUOTES or mark == "("


def as_word(value: str, before: str) -> str:
    """A value as a part of one word of a shell, which has seen the line `before` it."""
    word, quote = shlex.quote(value), open_at_end(before)
    return f"{quote[-1]}{word}{quote}" if quote in _QUOTES and word != value else word


def with_values(arguments: Sequence[Any], values: Mapping[str, Any]) -> List[Any]:
    """The arguments of a command with the values of its parameters as words; inputs and outputs stay as they are."""
    found: List[Any] = []
    before = ""
    for each in arguments:
        if not isinstance(each, Mapping):
            each = as_text(each)
        elif "parameter" in each:
            each = as_word(as_text(values.get(each["parameter"])), before)
        found.append(each)
        before += f"{each if isinstance(each, str) else ''} "
    return found
