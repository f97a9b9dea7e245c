"""Reading datastores, datasets and versions.

Of a list's versions the profile stays where it is: that of a wide table is megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import F, Func, IntegerField, Prefetch, QuerySet

from datasets.models import Dataset, DatasetVersion, Datastore
from workspaces.models import Workspace


class _Length(Func):
    """How many entries a JSON array has, counted by the database."""

    function = "jsonb_array_length"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, function="json_array_length", **context)


def datastores_in(workspace: Workspace) -> QuerySet[Datastore]:
    return Datastore.objects.filter(workspace=workspace).select_related("workspace")


def datasets_in(workspace: Workspace, q: str = "") -> QuerySet[Dataset]:
    """The registered datasets, each with its newest version as `newest` (a list of at most one)."""
    newest = _with_columns(DatasetVersion.objects.filter(version=F("dataset__latest_version")))
    found = Dataset.objects.filter(workspace=workspace, archived_at__isnull=True, latest_version__gt=0)
    if q:
        found = found.filter(name__icontains=q)
    return found.prefetch_related(Prefetch("versions", queryset=newest, to_attr="newest"))


def versions_of(workspace: Workspace, name: str) -> QuerySet[DatasetVersion]:
    found = DatasetVersion.objects.filter(
        dataset__workspace=workspace, dataset__name=name, dataset__archived_at__isnull=True
    )
    return _with_columns(found.select_related("dataset"))


def newest_of(datasets: Iterable[Dataset]) -> dict[UUID | None, DatasetVersion]:
    """The newest version of each, by the dataset's id, with the count of its columns as `column_count`."""
    found = DatasetVersion.objects.filter(dataset__in=list(datasets), version=F("dataset__latest_version"))
    light = found.defer("definition", "profile").annotate(column_count=_Length(F("profile__columns")))
    return {each.dataset_id: each for each in light}


def _with_columns(versions: QuerySet[DatasetVersion]) -> QuerySet[DatasetVersion]:
    """Each with its columns as `listed_columns`, which is what lists show of the profile."""
    return versions.defer("profile").annotate(listed_columns=F("profile__columns"))
