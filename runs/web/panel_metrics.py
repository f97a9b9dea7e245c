"""The tabs Metrics and Images: what the run logged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from duto.spec.numbers import decoded
from runs.models import Artifact, MetricPoint
from runs.queries.metrics import descriptions
from runs.web.panel_request import PanelRequest
from runs.web.windows import Window, window

NUMBERS = ("scalar", "list")
TABLES = ("table", "row")
MOST_ROWS = 500
MOST_IMAGES = 60
MOST_COLUMNS, MOST_CELL, MOST_TEXT = 200, 1000, 16 << 20


@dataclass(frozen=True)
class Table:
    """A metric of rows and columns."""

    name: str
    columns: list[str]
    rows: list[list[Any]]
    cut: bool
    description: str = ""


@dataclass(frozen=True)
class Metrics:
    """What runs/panel/metrics.html may show."""

    run_id: UUID
    has_numbers: bool
    tables: list[Table]
    matrices: list[Table]
    is_cut: bool
    is_over: bool


@dataclass(frozen=True)
class Picture:
    """A picture, and what its script said of it."""

    artifact: Artifact
    words: str

    @property
    def path(self) -> str:
        return self.artifact.path

    @property
    def size(self) -> int:
        return self.artifact.size


@dataclass(frozen=True)
class Images:
    """What runs/panel/images.html may show: pictures, and pages that are framed."""

    run_id: UUID
    pictures: list[Picture]
    pages: list[Artifact]
    window: Window


def metrics(ask: PanelRequest) -> Metrics:
    """Three queries, however many metrics: the page's element fetches numbers and texts itself, thinned.

    Those of the run, or of the step that it was reused from.
    """
    run_id = ask.evidence_id
    points = MetricPoint.objects.filter(run_id=run_id)
    has_numbers = points.filter(kind__in=NUMBERS).exists()
    others, is_cut = _others(points.exclude(kind__in=(*NUMBERS, "image")).order_by("name", "index", "id"))
    words = {name: text for (_, name), text in descriptions([run_id]).items()} if others else {}
    return Metrics(
        run_id=run_id,
        has_numbers=has_numbers,
        tables=_described(_tables([point for point in others if point.kind in TABLES]), words),
        matrices=_described([_matrix(point) for point in others if point.kind not in TABLES], words),
        is_cut=is_cut,
        is_over=ask.run.is_final,
    )


def _described(tables: list[Table], words: Mapping[str, str]) -> list[Table]:
    return [replace(table, description=words.get(table.name, "")) for table in tables]


def _others(points: QuerySet[MetricPoint]) -> tuple[list[MetricPoint], bool]:
    """As many as a page may hold, of each name the first rows and no more text than it can show; and whether there are more."""
    found: list[MetricPoint] = []
    room = MOST_TEXT
    for point in points[: MOST_ROWS * 4 + 1].iterator(chunk_size=20):  # one may hold megabytes
        if room < 0 or len(found) == MOST_ROWS * 4:
            return found, True
        point.data = decoded(point.data)
        room -= len(json.dumps(point.data))
        found.append(point)
    return found, False


def images(ask: PanelRequest) -> Images:
    """Files that a browser can show: pictures as such, pages in a frame without rights."""
    run_id = ask.evidence_id
    wanted = Q(content_type__startswith="image/") | Q(content_type__startswith="text/html")
    ends = Q()
    for ending in (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".html", ".htm"):
        ends |= Q(path__iendswith=ending)
    rows = Artifact.objects.filter(run_id=run_id).filter(wanted | ends).order_by("path")
    shown = window("from", ask.query.get("from"), rows.count(), MOST_IMAGES)
    found = list(rows[shown.start : shown.end])
    pages = [
        each
        for each in found
        if each.path.lower().endswith((".html", ".htm")) or each.content_type.startswith("text/html")
    ]
    pictures = [each for each in found if each not in pages]
    words = _words_of(run_id) if pictures else {}
    return Images(run_id, [Picture(each, words.get(each.path, "")) for each in pictures], pages, shown)


def _words_of(run_id: UUID) -> dict[str, str]:
    """What the script said of the images that it logged, by their paths."""
    described = descriptions([run_id])
    if not described:
        return {}
    logged = MetricPoint.objects.filter(run_id=run_id, kind="image", name__in=[name for _, name in described])
    named = [(name, data) for name, data in logged.values_list("name", "data") if isinstance(data, dict)]
    return {str(data.get("artifact")): described[run_id, name] for name, data in named}


def _tables(points: list[MetricPoint]) -> list[Table]:
    """Rows gathered to the table of their name; the order is that in which they were logged."""
    gathered: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        value = (
            point.data if isinstance(point.data, dict) else {"value": point.value if point.data is None else point.data}
        )
        gathered.setdefault(point.name, []).extend(_rows(value) if point.kind == "table" else [value])
    return [_table(name, rows) for name, rows in gathered.items()]


def _rows(value: dict[str, Any]) -> list[dict[str, Any]]:
    """`log_table` holds columns of values; short columns are filled up."""
    columns = {name: cells if isinstance(cells, list) else [cells] for name, cells in value.items()}
    length = max((len(cells) for cells in columns.values()), default=0)
    return [
        {name: cells[place] if place < len(cells) else None for name, cells in columns.items()}
        for place in range(length)
    ]


def _table(name: str, rows: list[dict[str, Any]]) -> Table:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    shown = [[_cut(row.get(column)) for column in columns[:MOST_COLUMNS]] for row in rows[:MOST_ROWS]]
    return Table(name, columns[:MOST_COLUMNS], shown, len(rows) > MOST_ROWS)


def _cut(cell: Any) -> Any:
    """A cell that is no novel."""
    text = cell if isinstance(cell, str) else json.dumps(cell) if isinstance(cell, dict | list) else ""
    return cell if len(text) <= MOST_CELL else f"{text[:MOST_CELL]}…"


def _matrix(point: MetricPoint) -> Table:
    """A confusion matrix as a table; other documents by their keys."""
    data = point.data if isinstance(point.data, dict) else {}
    inner = data.get("data", data)
    inner = inner if isinstance(inner, dict) else {"data": inner}
    matrix, labels = inner.get("matrix"), inner.get("class_labels")
    if isinstance(matrix, list) and matrix and isinstance(matrix[0], list):
        names = (
            [str(label) for label in labels]
            if isinstance(labels, list)
            else [str(place) for place in range(len(matrix))]
        )
        rows = [[name, *(row if isinstance(row, list) else [row])] for name, row in zip(names, matrix, strict=False)]
        shown = [[_cut(cell) for cell in row[: MOST_COLUMNS + 1]] for row in rows[:MOST_ROWS]]
        return Table(point.name, ["", *names[:MOST_COLUMNS]], shown, len(rows) > MOST_ROWS)
    return Table(point.name, ["", ""], [[key, _cut(value)] for key, value in list(inner.items())[:MOST_ROWS]], False)
