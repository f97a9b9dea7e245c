"""Rows of a table laid aside on the disk as numbers, column by column: however many there are, one column is in memory at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any

import numpy as np

from duto.tables import Table
from monitors.comparison import MOST_CATEGORIES, Category, Problem
from monitors.features import NUMERIC
from monitors.statistics import Floats

# Values of a piece that is written at once.
PIECE = 1 << 21


class Sample:
    """The rows of one table, or of a window of it, by feature."""

    def __init__(self, features: Mapping[str, str], file: IO[bytes]) -> None:
        self.rows = 0
        self._features, self._file = features, file
        self._pieces: list[tuple[int, int]] = []
        self._held: list[list[Any]] = [[] for _ in features]
        self._codes: dict[str, dict[Any, int]] = {name: {} for name, kind in features.items() if kind != NUMERIC}

    def add(self, columns: Sequence[list[Any]], size: int) -> None:
        for held, values in zip(self._held, columns, strict=True):
            held += values
        self.rows += size
        if sum(map(len, self._held)) >= PIECE:
            self.flush()

    def flush(self) -> None:
        """Lay aside what is held."""
        size = len(self._held[0]) if self._held else 0
        if not size:
            return
        self._pieces.append((self._file.seek(0, 2), size))
        for (name, kind), values in zip(self._features.items(), self._held, strict=True):
            if kind == NUMERIC:
                numbers = [np.nan if each is None else each for each in values]
            else:
                numbers = [np.nan if each is None else self._code(name, each) for each in values]
            np.array(numbers, dtype=np.float64).tofile(self._file)
            values.clear()

    def _code(self, name: str, value: Any) -> int:
        """The number of a category; beyond so many all others are one."""
        codes = self._codes[name]
        found = codes.get(value)
        if found is None:
            found = len(codes)
            if found >= MOST_CATEGORIES:
                return MOST_CATEGORIES
            codes[value] = found
        return found

    def column(self, name: str) -> Floats:
        """All values of a feature in the order of the rows: numbers, or codes of categories; NaN where there is none."""
        place = list(self._features).index(name)
        found = np.empty(self.rows, dtype=np.float64)
        done = 0
        for start, size in self._pieces:
            self._file.seek(start + place * size * 8)
            found[done : done + size] = np.fromfile(self._file, dtype=np.float64, count=size)
            done += size
        return found

    def categories(self, name: str) -> list[Category]:
        """The categories of a feature in the order of their codes, as texts; None stands for all that are too many."""
        names: list[Category] = [str(each) for each in self._codes[name]]
        return [*names, None] if len(names) >= MOST_CATEGORIES else names


@contextmanager
def laid_aside(
    table: Table,
    features: Mapping[str, str],
    window: tuple[str, datetime, datetime] | None,
    least: int,
    problem: str,
) -> Iterator[Sample]:
    """The rows of a table, of `window` (column, start, end) alone where there is one. Raises Problem where they are less than
    `least`, which is `problem`."""
    places = {each.name: place for place, each in enumerate(table.columns)}
    chosen = [places[name] for name in features]
    with tempfile.TemporaryFile(dir=".") as file:
        sample = Sample(features, file)
        for columns, size in table.batches:
            if window is None:
                sample.add([columns[place] for place in chosen], size)
                continue
            name, start, end = window
            kept = [row for row, at in enumerate(columns[places[name]]) if at is not None and start <= at < end]
            if len(kept) == size:
                sample.add([columns[place] for place in chosen], size)
            elif kept:
                sample.add([[columns[place][row] for row in kept] for place in chosen], len(kept))
        if sample.rows < least:
            raise Problem(
                "no_rows" if window is not None and not sample.rows else problem, rows=sample.rows, least=least
            )
        sample.flush()
        yield sample
