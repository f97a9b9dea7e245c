"""Logged values: written in batches, each series counted on from where it was."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max

from core import journal
from core.clock import now, parse
from core.errors import Invalid
from runs.models import MetricPoint

KINDS = frozenset(
    {
        "scalar",
        "list",
        "row",
        "table",
        "image",
        "confusion_matrix",
        "accuracy_table",
        "predictions",
        "residuals",
    }
)
NAME_MAX = 255
FRAME_POINTS = 500


@dataclass(frozen=True)
class Record:
    """One logged value of one run. `index` is None where the series counts by itself."""

    run_id: UUID
    name: str
    kind: str
    value: Any
    index: int | None
    at: datetime


def read(run_id: UUID, document: Mapping[str, Any]) -> Record:
    """The record of a spool line. Raises Invalid with what is wrong."""
    name, kind, index = document.get("name"), document.get("kind", "scalar"), document.get("index")
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_MAX:
        raise Invalid(f"A metric's name is a text of 1 to {NAME_MAX} characters.")
    if kind not in KINDS:
        raise Invalid(f"There is no kind of metric {kind!r}.")
    if "value" not in document:
        raise Invalid(f"The metric '{name}' has no value.")
    if index is not None and (not isinstance(index, int) or isinstance(index, bool) or abs(index) >= 1 << 63):
        raise Invalid(f"The index of the metric '{name}' is no whole number.")
    if kind in ("row", "table") and not isinstance(document["value"], Mapping):
        raise Invalid(f"The metric '{name}' is a {kind}: its value is an object of columns.")
    return Record(run_id, name, kind, document["value"], index, parse(document.get("at")) or now())


def add(records: list[Record]) -> None:
    """Store many values with two statements, and tell those who watch. Call inside a transaction that has locked
    what the records come from, for the series are counted on."""
    if not records:
        return
    last = _last_indexes(records)
    points = []
    for record in records:
        key = (record.run_id, record.name)
        index = last.get(key, -1) + 1 if record.index is None else record.index
        last[key] = max(index, last.get(key, -1))
        points.append(_point(record, index))
    MetricPoint.objects.bulk_create(points, batch_size=500)
    _tell(points)


def _last_indexes(records: Iterable[Record]) -> dict[tuple[UUID, str], int]:
    wanted = [record for record in records if record.index is None]
    if not wanted:
        return {}
    found = MetricPoint.objects.filter(
        run_id__in={record.run_id for record in wanted}, name__in={record.name for record in wanted}
    )
    rows = found.order_by().values_list("run_id", "name").annotate(last=Max("index"))
    return {(run_id, name): last for run_id, name, last in rows}


def _point(record: Record, index: int) -> MetricPoint:
    number, data = split(record.value)
    return MetricPoint(
        run_id=record.run_id,
        name=record.name,
        kind=record.kind,
        index=index,
        value=number,
        data=data,
        at=record.at,
    )


def split(value: Any) -> tuple[float | None, Any]:
    """A value as its columns hold it: finite numbers as such, everything else as JSON that any database takes."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            return None, str(value)
        return (number, None) if math.isfinite(number) else (None, _spelt(number))
    return None, plain(value)


def plain(value: Any) -> Any:
    """JSON without NaN, infinity and NUL, which neither JSON nor PostgreSQL takes."""
    if isinstance(value, float):
        return value if math.isfinite(value) else _spelt(value)
    if isinstance(value, str):
        return value.replace("\0", "�")
    if isinstance(value, Mapping):
        return {str(key).replace("\0", "�"): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def _spelt(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _tell(points: list[MetricPoint]) -> None:
    by_run: dict[UUID, list[dict[str, Any]]] = {}
    for point in points:
        shown = point.data if point.value is None else point.value
        by_run.setdefault(point.run_id, []).append(
            {"name": point.name, "kind": point.kind, "index": point.index, "value": shown}
        )
    for run_id, told in by_run.items():
        # A flood is told by its size: the page reads the thinned series instead.
        frame: dict[str, Any] = {"points": told} if len(told) <= FRAME_POINTS else {"points": [], "reload": True}
        journal.hint(f"metrics:{run_id}", frame)
