"""Readers of the settings of a step: each makes one value of what a document holds, or raises `ValueError`. Pure."""

from __future__ import annotations

import math
from typing import Any, Callable, Optional, Tuple


def number(value: Any) -> Optional[float]:
    """A number, also as text: parameters of pipelines that came over HTTP are that. None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def whole(least: int, most: float = math.inf) -> Callable[[Any], int]:
    """Whole numbers from `least` to `most`."""

    def read(value: Any) -> int:
        found = number(value)
        if found is None or found != int(found) or not least <= found <= most:
            upper = "" if most == math.inf else f" and not above {most:,}"
            raise ValueError(f"{value!r} is no whole number of at least {least}{upper}.")
        return int(found)

    return read


def above_zero(what: str) -> Callable[[Any], float]:
    """Numbers above 0: `what` they count."""

    def read(value: Any) -> float:
        found = number(value)
        if found is None or found <= 0:
            raise ValueError(f"{value!r} is no number of {what} above 0.")
        return found

    return read


def one_of(known: Tuple[str, ...], fold: Callable[[str], str]) -> Callable[[Any], str]:
    """One of these texts; `fold` makes their spelling of others."""

    def read(value: Any) -> str:
        text = fold(value.strip()) if isinstance(value, str) else value
        if text not in known:
            raise ValueError(f"{value!r} is none of {', '.join(known)}.")
        return str(text)

    return read


def names(value: Any) -> Tuple[str, ...]:
    """A list of texts that are not empty."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) and each for each in value):
        raise ValueError(f"{value!r} is no list of names.")
    return tuple(value)


def name(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no name.")
    return value


def flag(value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither True nor False.")
    return value
