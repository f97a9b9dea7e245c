"""Reading datastores, datasets and versions."""

from __future__ import annotations

from django.db.models import F, Prefetch, QuerySet

from datasets.models import Dataset, DatasetVersion, Datastore
from workspaces.models import Workspace


def datastores_in(workspace: Workspace) -> QuerySet[Datastore]:
    return Datastore.objects.filter(workspace=workspace).select_related("workspace")


def datasets_in(workspace: Workspace, q: str = "") -> QuerySet[Dataset]:
    """The registered datasets, each with its newest version as `newest` (a list of at most one)."""
    newest = DatasetVersion.objects.filter(version=F("dataset__latest_version")).select_related("created_by")
    found = Dataset.objects.filter(workspace=workspace, archived_at__isnull=True, latest_version__gt=0)
    if q:
        found = found.filter(name__icontains=q)
    return found.prefetch_related(Prefetch("versions", queryset=newest, to_attr="newest"))


def versions_of(workspace: Workspace, name: str) -> QuerySet[DatasetVersion]:
    found = DatasetVersion.objects.filter(
        dataset__workspace=workspace, dataset__name=name, dataset__archived_at__isnull=True
    )
    return found.select_related("dataset", "created_by")
