"""A dataset's operations on a stream of rows: the same that the SDK does on a frame. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any

Columns = list[tuple[str, str]]
Row = tuple[Any, ...]


def apply(
    columns: Columns, stream: Iterator[Row], operations: Iterable[Mapping[str, Any]]
) -> tuple[Columns, Iterator[Row]]:
    """Columns and rows after the operations, in their order; names that are not there are passed over."""
    timestamp: str | None = None
    for operation in operations:
        deed = operation["op"]
        if deed in ("keep_columns", "drop_columns"):
            places = _places(columns, operation["columns"], deed == "keep_columns")
            columns, stream = [columns[place] for place in places], _project(stream, places)
        elif deed == "take":
            stream = islice(stream, operation["count"])
        elif deed == "skip":
            stream = islice(stream, operation["count"], None)
        elif deed in ("sample", "random_split"):
            stream = _drawn(stream, operation)
        elif deed == "timestamp_columns":
            timestamp = operation.get("timestamp") or operation.get("partition_timestamp")
        elif deed == "time" and timestamp in [name for name, _ in columns]:
            stream = _between(stream, [name for name, _ in columns].index(str(timestamp)), operation)
    return columns, stream


def distinct(names: Sequence[str]) -> list[str]:
    """Column names without repetition, as pandas numbers them: `a`, `a.1`."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        count = seen.get(name, 0)
        seen[name] = count + 1
        made.append(f"{name}.{count}" if count else name)
    return made


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and value not in (float("inf"), float("-inf")) else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _places(columns: Columns, wanted: Sequence[str], keep: bool) -> list[int]:
    names = [name for name, _ in columns]
    if keep:
        return [names.index(name) for name in wanted if name in names]
    return [place for place, name in enumerate(names) if name not in wanted]


def _project(stream: Iterator[Row], places: Sequence[int]) -> Iterator[Row]:
    return (tuple(row[place] for place in places) for row in stream)


def _drawn(stream: Iterator[Row], operation: Mapping[str, Any]) -> Iterator[Row]:
    """One draw a row, as duto.spec.selection draws: both sides of the wire choose the same rows."""
    is_sample = operation["op"] == "sample"
    share = float(operation["probability" if is_sample else "percentage"])
    draw = random.Random(int(operation.get("seed") or 0))  # noqa: S311 - a choice that can be repeated, no secret
    wanted = is_sample or not operation.get("part")
    return (row for row in stream if (draw.random() < share) is wanted)


def _between(stream: Iterator[Row], place: int, operation: Mapping[str, Any]) -> Iterator[Row]:
    start, end = _moment(operation.get("start")), _moment(operation.get("end"))
    include = bool(operation.get("include_boundary", True))
    for row in stream:
        at = _moment(row[place])
        if at is None:
            continue
        after = start is None or at > start or (include and at == start)
        before = end is None or at < end or (include and at == end)
        if after and before:
            yield row


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.replace("Z", "+00:00")).replace(tzinfo=None)
        except ValueError:
            return None
    return None
