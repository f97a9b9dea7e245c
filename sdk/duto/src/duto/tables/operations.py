"""A dataset's operations over batches of columns, in their order."""

from __future__ import annotations

import random
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Sequence, Tuple

from duto.spec import conditions
from duto.spec.selection import timestamps
from duto.spec.sentences import said
from duto.tables import moments
from duto.tables.errors import Misfit, TableError

# Values by column, and how many rows they are of.
Batch = Tuple[List[List[Any]], int]
Columns = List[Any]


def apply(
    columns: Columns, batches: Iterator[Batch], operations: Iterable[Mapping[str, Any]]
) -> Tuple[Columns, Iterator[Batch]]:
    """Columns and rows after the operations. Raises TableError for a column that is not there."""
    done: List[Mapping[str, Any]] = []
    for operation in operations:
        op = operation["op"]
        done.append(operation)
        if op in ("keep_columns", "drop_columns"):
            places = _places(columns, operation["columns"], op == "keep_columns")
            columns, batches = [columns[place] for place in places], _project(batches, places)
        elif op == "take":
            batches = _take(batches, max(int(operation["count"]), 0))
        elif op == "skip":
            batches = _skip(batches, max(int(operation["count"]), 0))
        elif op in ("sample", "random_split"):
            batches = _chosen(batches, _draw(operation))
        elif op == "filter":
            batches = _chosen(batches, _where(columns, operation["where"]))
        elif op == "time":
            fine, coarse = timestamps(done)
            name = str(fine or coarse)
            batches = _chosen(batches, _between(_places(columns, [name], True)[0], name, operation))
    return columns, batches


def _places(columns: Columns, wanted: Sequence[str], is_kept: bool) -> List[int]:
    names = {column.name: place for place, column in enumerate(columns)}
    missing = [name for name in wanted if name not in names]
    if missing:
        known = ", ".join(list(names)[:50])
        raise TableError(said("no_such_column", names=", ".join(missing)[:200], known=known))
    if is_kept:
        return [names[name] for name in dict.fromkeys(wanted)]
    gone = set(wanted)
    return [place for place, column in enumerate(columns) if column.name not in gone]


def _project(batches: Iterator[Batch], places: Sequence[int]) -> Iterator[Batch]:
    for columns, size in batches:
        yield [columns[place] for place in places], size


def _take(batches: Iterator[Batch], count: int) -> Iterator[Batch]:
    if count:
        for columns, size in batches:
            if size >= count:
                yield [column[:count] for column in columns], count
                return
            count -= size
            yield columns, size


def _skip(batches: Iterator[Batch], count: int) -> Iterator[Batch]:
    for columns, size in batches:
        if count >= size:
            count -= size
            continue
        yield [column[count:] for column in columns] if count else columns, size - count
        count = 0


def _chosen(batches: Iterator[Batch], choose: Callable[[List[List[Any]], int], List[int]]) -> Iterator[Batch]:
    for columns, size in batches:
        kept = choose(columns, size)
        if len(kept) == size:
            yield columns, size
        elif kept:
            yield [[column[place] for place in kept] for column in columns], len(kept)


def _draw(operation: Mapping[str, Any]) -> Callable[[List[List[Any]], int], List[int]]:
    """One draw a row, as duto.spec.selection draws for files."""
    is_sample = operation["op"] == "sample"
    share = float(operation["probability" if is_sample else "percentage"])
    draw = random.Random(int(operation.get("seed") or 0))  # noqa: S311 - a choice that can be repeated, no secret
    wanted = is_sample or not operation.get("part")
    return lambda columns, size: [place for place in range(size) if (draw.random() < share) is wanted]


def _where(columns: Columns, condition: Mapping[str, Any]) -> Callable[[List[List[Any]], int], List[int]]:
    names = conditions.columns_of(condition)
    places = dict(zip(names, _places(columns, names, True)))
    try:
        conditions.check(condition, {column.name: column.type for column in columns})
    except conditions.ConditionError as error:
        raise TableError(error.message) from error
    return lambda held, size: conditions.chosen(condition, lambda name: held[places[name]], _bound, size)


def _between(place: int, name: str, operation: Mapping[str, Any]) -> Callable[[List[List[Any]], int], List[int]]:
    """Rows without a time are in no span of time."""
    start, end = _bound(operation.get("start")), _bound(operation.get("end"))
    include = bool(operation.get("include_boundary", True))

    def choose(columns: List[List[Any]], size: int) -> List[int]:
        kept = []
        for row, value in enumerate(columns[place]):
            at = _time(value, name)
            if at is None:
                continue
            is_after = start is None or at > start or (include and at == start)
            is_before = end is None or at < end or (include and at == end)
            if is_after and is_before:
                kept.append(row)
        return kept

    return choose


def _bound(value: Any) -> Any:
    try:
        return moments.any_moment(value)
    except Misfit as error:
        raise TableError(said("bound_unread", why=error.message)) from error


def _time(value: Any, name: str) -> Any:
    try:
        return moments.any_moment(value)
    except Misfit as error:
        raise TableError(said("no_times", name=name, why=error.message)) from error
