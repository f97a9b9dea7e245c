"""The runs that a program opened below another, and the last numbers that each has logged."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from runs.models import MetricPoint, Run
from workspaces.models import Workspace

# Of each run so many metrics are looked at, in the order of their names.
NAMES = 20


def children_of(run_id: UUID) -> QuerySet[Run]:
    """The newest first. The steps of a pipeline are none of them."""
    return Run.objects.filter(parent=run_id, kind=Run.Kind.CHILD).defer("graph").order_by("-id")


def by_number(runs: QuerySet[Run], name: str, *, falling: bool) -> QuerySet[Run]:
    """The same runs by the number at the end of a series of theirs, those without one last. The index leads to each."""
    series = MetricPoint.objects.filter(run_id=OuterRef("pk"), name=name).order_by("-index", "-id")
    number = Subquery(series.values("value")[:1])
    order = number.desc(nulls_last=True) if falling else number.asc(nulls_last=True)
    return runs.order_by(order, "-id")


def last_numbers(runs: Sequence[UUID]) -> dict[UUID, dict[str, float | None]]:
    """By run and name the value at the end of each series of numbers; two queries, and one look of the index a series,
    however long it is."""
    if not runs:
        return {}
    found: dict[UUID, dict[str, float | None]] = {}
    points = MetricPoint.objects.filter(pk__in=_ends(runs), kind="scalar", value__isnull=False).order_by("name")
    for run_id, name, value in points.values_list("run_id", "name", "value"):
        found.setdefault(run_id, {})[name] = value
    return found


def _ends(runs: Sequence[UUID]) -> list[int]:
    """The last points of the series of these runs. A name leads to the next one, so that no series is read through."""
    points = MetricPoint._meta.db_table
    key = MetricPoint._meta.get_field("run")
    marks = ", ".join(["(%s)"] * len(runs))
    own = "CAST(asked.run_id AS uuid)" if connection.vendor == "postgresql" else "asked.run_id"
    statement = f"""
        WITH RECURSIVE asked(run_id) AS (VALUES {marks}),
        series(run_id, name, place) AS (
            SELECT {own}, (SELECT MIN(p.name) FROM {points} p WHERE p.run_id = {own}), 1 FROM asked
            UNION ALL
            SELECT run_id, (SELECT MIN(p.name) FROM {points} p WHERE p.run_id = series.run_id AND p.name > series.name), place + 1
            FROM series WHERE name IS NOT NULL AND place < %s
        )
        SELECT (
            SELECT p.id FROM {points} p WHERE p.run_id = series.run_id AND p.name = series.name
            ORDER BY p."index" DESC, p.id DESC LIMIT 1
        ) FROM series WHERE name IS NOT NULL"""  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [*(key.get_db_prep_value(run, connection) for run in runs), NAMES])
        return [number for (number,) in cursor.fetchall()]


def runs_below(workspace: Workspace, run_id: UUID) -> QuerySet[Run, UUID]:
    """The ids of all runs below one, as a query."""
    return Run.objects.filter(workspace=workspace, root=run_id).values_list("pk", flat=True)
