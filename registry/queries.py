"""Reading registered models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from core.clock import iso
from core.storage import Stored, artifact_store
from registry.models import ModelVersion, RegisteredModel
from workspaces.models import Workspace

_NEWEST = Subquery(ModelVersion.objects.filter(model=OuterRef("model")).order_by("-version").values("version")[:1])


def versions_in(
    workspace: Workspace, *, name: str = "", run_id: str | None = None, latest: bool = False
) -> QuerySet[ModelVersion]:
    """Versions of all models, newest first; with `latest` one of each name."""
    found = ModelVersion.objects.filter(model__workspace=workspace).select_related("model", "created_by")
    if name:
        found = found.filter(model__name=name)
    if run_id is not None:
        found = found.filter(run_id=run_id)
    return found.filter(version=_NEWEST) if latest else found


def newest_of(models: Iterable[RegisteredModel]) -> dict[UUID, ModelVersion]:
    """The newest version of each that has any, by the model's id. The number given last may have been removed."""
    return {each.model_id: each for each in ModelVersion.objects.filter(model__in=list(models), version=_NEWEST)}


def files_of(version: ModelVersion, workspace: Workspace) -> Iterator[Stored]:
    """The files of a version, each with its path inside the model."""
    for each in artifact_store(workspace.pk).walk(version.prefix):
        yield Stored(each.path.removeprefix(f"{version.prefix}/"), each.size, each.modified)


def document(version: ModelVersion) -> dict[str, Any]:
    """A version as REST shows it."""
    return {
        "id": f"{version.model.name}:{version.version}",
        "name": version.model.name,
        "version": version.version,
        "description": version.description,
        "framework": version.framework,
        "framework_version": version.framework_version,
        "tags": version.tags,
        "properties": version.properties,
        "datasets": version.datasets,
        "run_id": str(version.run_id) if version.run_id else None,
        "experiment": version.experiment_name,
        "is_file": version.is_file,
        "file_count": version.file_count,
        "size": version.size,
        "created_by": version.created_by.get_username() if version.created_by else None,
        "created_at": iso(version.created_at),
    }
