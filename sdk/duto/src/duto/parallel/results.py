"""What `run` returned, as rows of text and how many there are."""

from __future__ import annotations

import csv
import io
from typing import Any, List, NamedTuple


class Result(NamedTuple):
    """How many results there are, their rows, and the header of a frame."""

    number: int
    rows: str
    header: str


class NoResult(TypeError):
    """`run` returned what is no list, tuple or frame."""


def result_of(value: Any, wants_rows: bool) -> Result:
    """What `run` returned, with its rows where they are wanted. Raises `NoResult`."""
    if hasattr(value, "to_csv") and hasattr(value, "columns"):
        if not wants_rows:
            return Result(len(value), "", "")
        rows = value.to_csv(sep=" ", header=False, index=False)
        return Result(len(value), rows, _header(value.columns))
    if not isinstance(value, (list, tuple)):
        if not hasattr(value, "tolist") or not getattr(value, "shape", ()):
            raise NoResult(
                f"run() returned {_shown(value)}, which is no list, tuple or DataFrame: return a result for each item of the "
                "mini-batch."
            )
        value = value.tolist()  # an array or a series
    items: List[Any] = list(value)
    return Result(len(items), "".join(f"{each}\n" for each in items) if wants_rows else "", "")


def _header(names: Any) -> str:
    """The names of a frame's columns as its rows are written: one with a blank in it stands in quotes."""
    text = io.StringIO()
    csv.writer(text, delimiter=" ", lineterminator="").writerow(list(map(str, names)))
    return text.getvalue()


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:77] + '...'}"
