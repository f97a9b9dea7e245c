"""Reading registered models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from core.clock import iso
from core.errors import Conflict, NotFound
from core.storage import Root, artifact_store, safe
from registry.models import ModelVersion, RegisteredModel
from workspaces.models import Workspace

_NEWEST = Subquery(ModelVersion.objects.filter(model=OuterRef("model")).order_by("-version").values("version")[:1])


def versions_in(
    workspace: Workspace, *, name: str = "", run_id: str | None = None, latest: bool = False
) -> QuerySet[ModelVersion]:
    """Versions of all models, newest first; with `latest` one of each name."""
    found = ModelVersion.objects.filter(model__workspace=workspace).select_related("model", "created_by").defer("files")
    if name:
        found = found.filter(model__name=name)
    if run_id is not None:
        found = found.filter(run_id=run_id)
    return found.filter(version=_NEWEST) if latest else found


def newest_of(models: Iterable[RegisteredModel]) -> dict[UUID, ModelVersion]:
    """The newest version of each that has any, by the model's id. The number given last may have been removed."""
    return {
        each.model_id: each
        for each in ModelVersion.objects.filter(model__in=list(models), version=_NEWEST).defer("files")
    }


@dataclass(frozen=True)
class ModelFile:
    """A file of a version: its path inside the model, and `kept`, or `gone` or `changed` since it was registered."""

    path: str
    size: int
    digest: str | None
    state: str


def files_of(version: ModelVersion, workspace: Workspace) -> Iterator[ModelFile]:
    """The files of a version. A change that leaves the size as it was is told by content_key() only."""
    store = artifact_store(workspace.pk)
    if not version.files:  # registered before files were written down
        for each in store.walk(version.prefix):
            yield ModelFile(each.path.removeprefix(f"{version.prefix}/"), each.size, None, "kept")
    for each in version.files:
        found = store.state(f"{version.prefix}/{each['path']}")
        state = "gone" if found is None else "kept" if found[0] == each["size"] else "changed"
        yield ModelFile(each["path"], each["size"], each["digest"], state)


def content_key(version: ModelVersion, store: Root, path: str) -> str:
    """Where a file of a version lies. Raises NotFound, and Conflict (`model_changed`) for other bytes than were registered."""
    key = f"{version.prefix}/{safe(path)}"
    known = next((each for each in version.files if each["path"] == safe(path)), None)
    change = store.differs(key, known) if known else ""
    if change == "gone":
        raise NotFound(
            _("The file '%(path)s' of this model was deleted since it was registered. Register the model again.")
            % {"path": path},
            code="model_gone",
        )
    if change:
        raise Conflict(
            _("The file '%(path)s' is not the one that was registered: it was overwritten since. Register the model again.")
            % {"path": path},
            code="model_changed",
        )  # fmt: skip
    return key


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
