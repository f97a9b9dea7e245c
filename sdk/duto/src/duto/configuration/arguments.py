"""The arguments of a script, as programs give them."""

from __future__ import annotations

import shlex
from datetime import date
from numbers import Number
from pathlib import PurePath
from typing import Any, Iterable, List, Optional, Union
from uuid import UUID

from duto.exceptions import UserErrorException


def as_list(arguments: Optional[Union[str, Iterable[Any]]]) -> List[Any]:
    """The arguments one by one; a text is split as a shell does. Raises `UserErrorException` for one with a quote that
    does not end."""
    if arguments is None:
        return []
    if not isinstance(arguments, str):
        return list(arguments)
    try:
        return list(shlex.split(arguments))
    except ValueError as error:
        raise UserErrorException(f"The arguments {arguments!r} cannot be split into words: {error}.") from error


def as_value(value: Any) -> Any:
    """What a graph takes for an argument: paths, dates and numbers of libraries are their text, all else is itself."""
    if isinstance(value, (str, int, float)):
        return value
    return str(value) if isinstance(value, (PurePath, Number, date, UUID)) else value
