"""Logged values: written in bulk, each series counted on from where it was."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection

from core import outbox
from core.clock import iso, now, parse
from core.sentences import Kept
from core.text import DEEPEST, is_deep
from duto.spec.numbers import as_json, encoded, number_of
from runs.models import MetricDescription, MetricPoint
from runs.stored_messages import invalid, keep

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
DESCRIPTION_MAX = 2000
# What watchers are told at once; of a flood only that there is more, and the page reads the thinned series instead.
FRAME_POINTS, FRAME_TEXT = 500, 1000
SERIES_ASKED = 200
COLUMNS = ("run_id", "name", "kind", "index", "value", "data", "at")
# Whole numbers up to here are the same as floats, which scripts in pages take them for.
EXACT = 1 << 53


@dataclass(slots=True)
class Record:
    """One logged value of one run. `index` is None where the series counts by itself."""

    run_id: UUID
    name: str
    kind: str
    value: Any
    index: int | None
    at: datetime
    description: str = ""


def read(run_id: UUID, document: Mapping[str, Any]) -> Record:
    """The record of a spool line. Raises Invalid with what is wrong."""
    name, kind, index = document.get("name"), document.get("kind", "scalar"), document.get("index")
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_MAX:
        raise invalid("metric_name", most=NAME_MAX, name=f"{name!r:.60}")
    if not isinstance(kind, str) or kind not in KINDS:
        raise invalid("metric_kind", kind=f"{kind!r:.60}")
    if "value" not in document:
        raise invalid("metric_value", name=name)
    if index is not None and (not isinstance(index, int) or isinstance(index, bool) or abs(index) >= 1 << 63):
        raise invalid("metric_index", name=name)
    value = document["value"]
    if kind in ("row", "table") and not isinstance(value, Mapping):
        raise invalid("metric_columns", name=name, kind=kind)
    if isinstance(value, dict | list) and is_deep(value):
        raise invalid("metric_depth", name=name, most=DEEPEST)
    at, description = document.get("at"), document.get("description")
    words = description if isinstance(description, str) and len(description) <= DESCRIPTION_MAX else ""
    return Record(run_id, name, kind, value, index, (isinstance(at, str) and _moment(at)) or now(), words)


def why_not_kept(document: Mapping[str, Any]) -> list[Kept]:
    """What of a record that is no reason to refuse its value is not kept, in words."""
    description = document.get("description")
    if description is None or (isinstance(description, str) and len(description) <= DESCRIPTION_MAX):
        return []
    return [keep("metric_description", name=str(document.get("name")), most=DESCRIPTION_MAX)]


@lru_cache(maxsize=1024)
def _moment(text: str) -> datetime | None:
    """Scripts that log much say the same millisecond many times."""
    return parse(text)


def add(records: list[Record]) -> None:
    """Store many values with a few statements, and tell those who watch. Call inside a transaction that has locked
    what the records come from, for the series are counted on."""
    if not records:
        return
    last = _last_indexes(records)
    rows: list[tuple[Any, ...]] = []
    for record in records:
        key = (record.run_id.int, record.name)
        known = last.get(key, -1)
        index = known + 1 if record.index is None else record.index
        last[key] = max(index, known)
        rows.append((record.run_id, record.name, record.kind, index, *columns_of(record.value), record.at))
    _write(rows)
    _describe(records)
    _tell(records, rows)


def _describe(records: Iterable[Record]) -> None:
    described = {(record.run_id.int, record.name): record for record in records if record.description}
    if described:
        MetricDescription.objects.bulk_create(
            [
                MetricDescription(run_id=each.run_id, name=each.name, text=each.description)
                for each in described.values()
            ],
            update_conflicts=True,
            unique_fields=["run", "name"],
            update_fields=["text"],
        )


def _last_indexes(records: Iterable[Record]) -> dict[tuple[int, str], int]:
    """Where each series that counts by itself stands. The index answers each series by one look, however long it is."""
    wanted = list({(record.run_id.int, record.name): record for record in records if record.index is None}.items())
    key = MetricPoint._meta.get_field("run")
    one = f'SELECT %s, MAX("index") FROM {MetricPoint._meta.db_table} WHERE run_id = %s AND name = %s'  # noqa: S608
    found: dict[tuple[int, str], int] = {}
    with connection.cursor() as cursor:
        for begin in range(0, len(wanted), SERIES_ASKED):
            some = wanted[begin : begin + SERIES_ASKED]
            asked = [
                each
                for number, (_, record) in enumerate(some)
                for each in (number, key.get_db_prep_value(record.run_id, connection), record.name)
            ]
            cursor.execute(" UNION ALL ".join([one] * len(some)), asked)
            found |= {some[int(number)][0]: int(last) for number, last in cursor.fetchall() if last is not None}
    return found


def _write(rows: list[tuple[Any, ...]]) -> None:
    """Straight to the table: building a statement for each few hundred rows would take most of the time."""
    table = MetricPoint._meta.db_table
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        moment = lru_cache(maxsize=1024)(connection.ops.adapt_datetimefield_value)
        values = [(run.hex, *rest, moment(at)) for run, *rest, at in rows]
        marks = ", ".join(["%s"] * len(COLUMNS))
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608


def columns_of(value: Any) -> tuple[float | None, str | None]:
    """A value as its columns hold it: `value` for charts, and `data` (JSON) for what that cannot say exactly."""
    value = number_of(value)
    if type(value) is float:
        if not math.isfinite(value):
            return None, json.dumps(as_json(value))
        return value, json.dumps(as_json(value)) if value == 0 and math.copysign(1, value) < 0 else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None, None if value is None else json.dumps(encoded(value))
    try:
        return float(value), str(value)
    except OverflowError:
        return None, str(value)


def _tell(records: list[Record], rows: list[tuple[Any, ...]]) -> None:
    """Watchers draw numbers, so these travel; of anything larger they hear that it is there."""
    by_run: dict[UUID, list[tuple[Record, int]]] = {}
    for record, row in zip(records, rows, strict=True):
        by_run.setdefault(record.run_id, []).append((record, row[3]))
    for run_id, of_run in by_run.items():
        frame: dict[str, Any] = {"points": [], "reload": True}
        if len(of_run) <= FRAME_POINTS and all(_is_small(record) for record, _ in of_run):
            frame = {"points": [_point(record, index) for record, index in of_run]}
        outbox.hint(f"metrics:{run_id}", frame)


def _is_small(record: Record) -> bool:
    value = record.value
    is_short = isinstance(value, int | float | None) or (isinstance(value, str) and len(value) <= FRAME_TEXT)
    return record.kind == "scalar" and is_short


def _point(record: Record, index: int) -> dict[str, Any]:
    """As a page draws it."""
    value = record.value
    if isinstance(value, int) and abs(value) > EXACT:
        value = float(value) if abs(value) < 1 << 1000 else str(value)
    shown = as_json(value) if isinstance(value, float) else value
    point = {"name": record.name, "kind": record.kind, "index": index, "value": shown, "at": iso(record.at)}
    return {**point, "description": record.description} if record.description else point
