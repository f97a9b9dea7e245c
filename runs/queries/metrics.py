"""Series of logged values: whole while they are small, as an envelope of lowest and highest when they are long."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Exists, F, FloatField, Max, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Cast, Coalesce, Floor

from core import paging
from core.clock import iso
from core.errors import Invalid
from core.ids import as_uuid
from core.text import clean
from runs.models import MetricDescription, MetricPoint, Run

WHOLE = 2000
WHOLE_MAX = 100_000
BUCKETS = 1000
SERIES_MAX = 500
# What one answer holds at most, whatever was logged: points of whole series, as many of thinned ones, and characters of
# what is no number.
POINTS_MAX, TEXT_MAX = 200_000, 32 << 20
# Of a long series that holds no number to draw, such as one of texts, the last so many.
TAIL, TAIL_TEXT = 200, 1 << 20
PAGE_POINTS, PAGE_TEXT = 10_000, 8 << 20
# Rows that the database hands over at a time: one may hold a text of eight megabytes.
FETCHED = 20


@dataclass(frozen=True)
class SeriesAnswer:
    """The series that one answer holds, and how many there are."""

    series: list[dict[str, Any]]
    total: int


def metric_documents(
    run: Run,
    *,
    name: str = "",
    recursive: bool = False,
    since: int | None = None,
    until: int | None = None,
    whole: int = WHOLE,
) -> SeriesAnswer:
    """The series of a run, or of its tree, the first `SERIES_MAX` that were logged. `since` and `until` cut a window of
    indexes, which is thinned by itself.

    A series of up to `whole` points comes whole.
    """
    shown = _runs(run, recursive)
    points = MetricPoint.objects.filter(run_id__in=shown)
    if name:
        points = points.filter(name=name)
    if since is not None:
        points = points.filter(index__gte=since)
    if until is not None:
        points = points.filter(index__lte=until)
    groups = points.order_by().values("run_id", "name", "kind")
    counted = groups.annotate(n=Count("id"), low=Min("index"), high=Max("index"), first=Min("id"))
    found: list[dict[str, Any]] = [dict(row) for row in counted.order_by("first")[: SERIES_MAX + 1]]
    total = len(found) if len(found) <= SERIES_MAX else groups.distinct().count()
    found = found[:SERIES_MAX]
    small = _whole(points, _affordable(found, whole))
    described = descriptions(shown) if found else {}
    long = max(1, len(found) - len(small))
    buckets = min(BUCKETS, max(1, POINTS_MAX // 2 // long))
    share = TEXT_MAX // long
    documents = [
        (
            {
                **_document(group, small, points, buckets, share),
                "description": described.get((group["run_id"], group["name"]), ""),
            },
            shown[group["run_id"]],
        )
        for group in found
    ]
    return SeriesAnswer([{**document, "run": str(own)} for document, owns in documents for own in owns], total)


def descriptions(runs: Collection[UUID]) -> dict[tuple[UUID, str], str]:
    """What the scripts of these runs say of their metrics, by run and name."""
    rows = MetricDescription.objects.filter(run_id__in=runs).values_list("run_id", "name", "text")
    return {(run_id, name): text for run_id, name, text in rows[: SERIES_MAX * 2]}


def _rows_of(run: Run, recursive: bool) -> QuerySet[Any]:
    """The runs whose metrics are shown, each with `source`, whose points those are: a reused step shows those of its own."""
    rows = Run.objects.filter(pk=run.pk)
    if recursive:
        rows = Run.objects.filter(root=run.pk) if run.is_root else Run.objects.filter(Q(pk=run.pk) | Q(parent=run.pk))
    return rows.annotate(source=Coalesce("step__reused_from_id", "id"))


def _runs(run: Run, recursive: bool) -> dict[UUID, list[UUID]]:
    """Whose points are read, and whose they are shown as: two steps may be reused from one."""
    shown: dict[UUID, list[UUID]] = {}
    for own, source in _rows_of(run, recursive).values_list("id", "source"):
        shown.setdefault(source, []).append(own)
    return shown


Key = tuple[UUID, str, str]


def _whole(points: QuerySet[MetricPoint], groups: list[dict[str, Any]]) -> dict[Key, list[list[Any]]]:
    """All points of the small series, in one query; a series whose texts are too long for one answer is left out."""
    gathered: dict[Key, list[list[Any]]] = {_key(group): [] for group in groups}
    if not groups:
        return gathered
    rows = points.filter(run_id__in={group["run_id"] for group in groups}, name__in={group["name"] for group in groups})
    columns = ("run_id", "name", "kind", "index", "value", "data", "at")
    room = TEXT_MAX
    for run_id, name, kind, index, value, data, at in _each(rows.order_by("index", "id").values_list(*columns)):
        if (series := gathered.get((run_id, name, kind))) is not None:
            room -= _weight(data)
            if room < 0:
                del gathered[run_id, name, kind]
                continue
            series.append([index, value if data is None else data, iso(at)])
    return gathered


def _affordable(groups: list[dict[str, Any]], whole: int) -> list[dict[str, Any]]:
    """The series that come whole: the small ones, as long as there is room for them in one answer."""
    found, room = [], POINTS_MAX
    for group in groups:
        if group["n"] <= min(whole, room):
            room -= group["n"]
            found.append(group)
    return found


def _each(rows: Any) -> Iterator[Any]:
    """Row by row. SQLite reads ahead by a cursor anyway, and a server's would be asked too often for small rows."""
    return iter(rows.iterator(chunk_size=FETCHED if connection.vendor == "sqlite" else FETCHED * 10))


def _weight(data: Any) -> int:
    """About how many characters a value that is no number has."""
    if data is None or isinstance(data, int | float):
        return 0
    return len(data) if isinstance(data, str) else len(json.dumps(data))


def _document(
    group: dict[str, Any], small: dict[Key, list[list[Any]]], points: QuerySet[MetricPoint], buckets: int, share: int
) -> dict[str, Any]:
    series = small.get(_key(group))
    document: dict[str, Any] = {
        "name": group["name"],
        "kind": group["kind"],
        "count": group["n"],
        "thinned": series is None,
        "points": (_envelope(group, points, buckets) or _tail(group, points, share)) if series is None else series,
    }
    if group["kind"] in ("row", "table") and series is not None:
        document["columns"] = list(
            dict.fromkeys(key for _, value, _ in series if isinstance(value, dict) for key in value)
        )
    return document


def _envelope(group: dict[str, Any], points: QuerySet[MetricPoint], buckets: int) -> list[list[Any]]:
    """Lowest and highest of each bucket of indexes: no peak is lost, however many points. One query.

    NaN, infinities and what is no number at all are not drawn, so they are not in it.
    """
    width = max(1.0, (group["high"] - group["low"] + 1) / buckets)
    rows = points.filter(run_id=group["run_id"], name=group["name"], kind=group["kind"], value__isnull=False)
    place = Floor(Cast(F("index") - group["low"], FloatField()) / width)
    found = (
        rows.order_by()
        .annotate(bucket=place)
        .values("bucket")
        .annotate(
            first=Min("index"),
            last=Max("index"),
            lowest=Min("value"),
            highest=Max("value"),
            begin=Min("at"),
            end=Max("at"),
        )
    )
    series: list[list[Any]] = []
    for row in found.order_by("bucket"):
        series.append([row["first"], row["lowest"], iso(row["begin"])])
        if row["last"] != row["first"]:
            series.append([row["last"], row["highest"], iso(row["end"])])
    return series


def _tail(group: dict[str, Any], points: QuerySet[MetricPoint], share: int) -> list[list[Any]]:
    """The end of a long series in which there is no number to draw. Its last value is left out, too, where it alone is more
    than the series' share of the texts of an answer."""
    rows = points.filter(run_id=group["run_id"], name=group["name"], kind=group["kind"])
    series: list[list[Any]] = []
    start = share
    for index, value, data, at in _each(
        rows.order_by("-index", "-id").values_list("index", "value", "data", "at")[:TAIL]
    ):
        share -= _weight(data)
        if share < 0 or (series and share < start - TAIL_TEXT):
            break
        series.append([index, value if data is None else data, iso(at)])
    return series[::-1]


def _key(group: dict[str, Any]) -> Key:
    return group["run_id"], group["name"], group["kind"]


def point_page(run: Run, *, name: str = "", recursive: bool = False, after: str = "") -> dict[str, Any]:
    """Every value as it was logged, some thousand at a time, with the cursor of the following ones.

    Ordered by run, name and index. Raises Invalid for a cursor that this list did not give.
    """
    begin = _cursor(after) if after else None
    rows = _rows_of(run, recursive)
    logged = rows.filter(Exists(MetricPoint.objects.filter(run_id=OuterRef("source")))).order_by("id")
    pairs = logged.filter(id__gte=begin[0]) if begin else logged
    items: list[dict[str, Any]] = []
    points, text = PAGE_POINTS, PAGE_TEXT
    last: list[Any] = []
    for own, source in pairs.values_list("id", "source").iterator():
        beyond = begin[1:] if begin is not None and own == begin[0] else None
        for found in _points_of(source, name, beyond):
            if points <= 0 or text <= 0:
                return {"items": items, "next": paging.encode(last)}
            points, text = points - 1, text - _weight(found[-1])
            last = [str(own), *found[:3]]
            _append(items, str(own), found)
    return {"items": items, "next": None}


def _points_of(run_id: UUID, name: str, beyond: tuple[str, int, int] | None) -> Iterator[Any]:
    """The points of a run from a place on. Each condition is a piece of the index, which one for all would not be."""
    rows = MetricPoint.objects.filter(run_id=run_id)
    pieces = [Q()]
    if beyond is not None:
        series, index, number = beyond
        pieces = [Q(name=series, index=index, id__gt=number), Q(name=series, index__gt=index), Q(name__gt=series)]
    columns = ("name", "index", "id", "kind", "at", "value", "data")
    for piece in pieces:
        found = rows.filter(piece, name=name) if name else rows.filter(piece)
        yield from _each(found.order_by("name", "index", "id").values_list(*columns)[: PAGE_POINTS + 1])


def _append(items: list[dict[str, Any]], run: str, found: tuple[Any, ...]) -> None:
    """To the series that it continues. `first` is the lowest number of its points: in their order things were logged."""
    name, index, number, kind, at, value, data = found
    if not items or (items[-1]["run"], items[-1]["name"], items[-1]["kind"]) != (run, name, kind):
        items.append({"run": run, "name": name, "kind": kind, "first": number, "points": []})
    series = items[-1]
    series["first"] = min(series["first"], number)
    series["points"].append([index, value if data is None else data, iso(at)])


def _cursor(after: str) -> tuple[UUID, str, int, int]:
    match paging.decode(after):
        case [str(run), str(name), int(index), int(number)] if max(abs(index), abs(number)) < 1 << 63:
            if (key := as_uuid(run)) is not None:
                return key, clean(name), index, number
    raise Invalid(paging.NO_CURSOR)
