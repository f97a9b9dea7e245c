"""Series of logged values: whole while they are small, as an envelope of lowest and highest when they are long."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Count, F, FloatField, Max, Min, Q, QuerySet
from django.db.models.functions import Cast, Floor

from core.clock import iso
from runs.models import MetricPoint, Run

WHOLE = 2000
WHOLE_MAX = 100_000
BUCKETS = 1000
SERIES_MAX = 500


def metric_documents(
    run: Run,
    *,
    name: str = "",
    recursive: bool = False,
    since: int | None = None,
    until: int | None = None,
    whole: int = WHOLE,
) -> list[dict[str, Any]]:
    """The series of a run, or of its tree. `since` and `until` cut a window of indexes, which is thinned by itself.

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
    found: list[dict[str, Any]] = [dict(row) for row in counted.order_by("first")[:SERIES_MAX]]
    small = _whole(points, [group for group in found if group["n"] <= whole])
    return [{**_document(group, small, points), "run": str(shown[group["run_id"]])} for group in found]


def _runs(run: Run, recursive: bool) -> dict[UUID, UUID]:
    """Whose points are read, and whose they are shown as: a reused step shows those of its source."""
    rows = Run.objects.filter(pk=run.pk)
    if recursive:
        rows = Run.objects.filter(root=run.pk) if run.is_root else Run.objects.filter(Q(pk=run.pk) | Q(parent=run.pk))
    found = rows.values_list("id", "step__reused_from_id")
    return {source or own: own for own, source in found}


Key = tuple[UUID, str, str]


def _whole(points: QuerySet[MetricPoint], groups: list[dict[str, Any]]) -> dict[Key, list[list[Any]]]:
    """All points of the small series, in one query."""
    gathered: dict[Key, list[list[Any]]] = {_key(group): [] for group in groups}
    if not groups:
        return gathered
    rows = points.filter(run_id__in={group["run_id"] for group in groups}, name__in={group["name"] for group in groups})
    columns = ("run_id", "name", "kind", "index", "value", "data", "at")
    for run_id, name, kind, index, value, data, at in rows.order_by("index", "id").values_list(*columns).iterator():
        if (series := gathered.get((run_id, name, kind))) is not None:
            series.append([index, data if value is None else value, iso(at)])
    return gathered


def _document(
    group: dict[str, Any], small: dict[Key, list[list[Any]]], points: QuerySet[MetricPoint]
) -> dict[str, Any]:
    series = small.get(_key(group))
    document: dict[str, Any] = {
        "name": group["name"],
        "kind": group["kind"],
        "count": group["n"],
        "thinned": series is None,
        "points": _envelope(group, points) if series is None else series,
    }
    if group["kind"] in ("row", "table") and series is not None:
        document["columns"] = list(
            dict.fromkeys(key for _, value, _ in series if isinstance(value, dict) for key in value)
        )
    return document


def _envelope(group: dict[str, Any], points: QuerySet[MetricPoint]) -> list[list[Any]]:
    """Lowest and highest of each bucket of indexes: no peak is lost, however many points. One query."""
    width = max(1.0, (group["high"] - group["low"] + 1) / BUCKETS)
    rows = points.filter(run_id=group["run_id"], name=group["name"], kind=group["kind"], value__isnull=False)
    place = Floor(Cast(F("index") - group["low"], FloatField()) / width)
    buckets = rows.order_by().annotate(bucket=place).values("bucket")
    found = buckets.annotate(
        first=Min("index"), last=Max("index"), lowest=Min("value"), highest=Max("value"), begin=Min("at"), end=Max("at")
    )
    series: list[list[Any]] = []
    for row in found.order_by("bucket"):
        series.append([row["first"], row["lowest"], iso(row["begin"])])
        if row["last"] != row["first"]:
            series.append([row["last"], row["highest"], iso(row["end"])])
    return series


def _key(group: dict[str, Any]) -> Key:
    return group["run_id"], group["name"], group["kind"]
