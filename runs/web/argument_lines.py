"""Arguments of a step as lines of a form: a text as it is, all else as JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def said(arguments: Sequence[Any]) -> str:
    """One argument a line."""
    return "\n".join(map(_line, arguments))


def read(text: str, before: Sequence[Any]) -> list[Any]:
    """The arguments of these lines. A line that stands for one of `before` is that one, so that a number stays a number.

    Raises ValueError that names the line which begins as JSON and is none.
    """
    kept: dict[str, list[Any]] = {}
    for each in before:
        kept.setdefault(_line(each), []).append(each)
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line:
            continue
        same = kept.get(line)
        if same:
            found.append(same.pop(0) if len(same) > 1 else same[0])
        else:
            found.append(_argument(line, number))
    return found


def _line(argument: Any) -> str:
    if isinstance(argument, str):
        is_plain = argument and argument == argument.strip() and argument.isprintable() and argument[0] not in '{"'
        return argument if is_plain else json.dumps(argument, ensure_ascii=False)
    # Numbers as they are typed; references as the graph has them.
    return json.dumps(argument, ensure_ascii=False)


def _argument(line: str, number: int) -> Any:
    if line[0] not in '{"':
        return line
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(str(number)) from error
