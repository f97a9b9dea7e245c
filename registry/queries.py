"""Reading registered models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from core.clock import iso
from core.errors import Conflict, NotFound
from core.storage import Root, artifact_store, safe
from registry import hooks
from registry.models import ModelVersion, RegisteredModel
from workspaces.models import Workspace

_NEWEST = Subquery(ModelVersion.objects.filter(model=OuterRef("model")).order_by("-version").values("version")[:1])


def versions_in(
    workspace: Workspace, *, name: str = "", run_id: UUID | None = None, latest: bool = False
) -> QuerySet[ModelVersion]:
    """Versions of all models, newest first; with `latest` one of each name, with `run_id` those of the run and of its steps."""
    found = ModelVersion.objects.filter(model__workspace=workspace).select_related("model", "created_by").defer("files")
    if name:
        found = found.filter(model__name=name)
    if run_id is not None:
        found = found.filter(Q(run_id=run_id) | Q(run_id__in=hooks.runs_below(workspace, run_id)))
    return found.filter(version=_NEWEST) if latest else found


def newest_of(models: Iterable[RegisteredModel]) -> dict[UUID, ModelVersion]:
    """The newest version of each that has any, by the model's id. The number given last may have been removed."""
    return {
        each.model_id: each
        for each in ModelVersion.objects.filter(model__in=list(models), version=_NEWEST).defer("files")
    }


# What may have become of a file since it was registered, the worst first: `touched` is one of the same size that was
# written anew, and is too large to be compared here. Its download compares it.
STATES = ("gone", "changed", "touched", "kept")
# A look at a version reads no more than this, and only of files that were written anew.
MOST_BYTES = 16 << 20


@dataclass(frozen=True)
class ModelFile:
    """A file of a version: its path inside the model, its size in bytes, its sha256, and one of STATES."""

    path: str
    size: int
    digest: str | None
    state: str


def files_of(version: ModelVersion, workspace: Workspace) -> Iterator[ModelFile]:
    """The files of a version, each by its size and tag; bytes are read where these cannot tell, as long as they are few."""
    store, left = artifact_store(workspace.pk), MOST_BYTES
    if not version.files:  # registered before files were written down
        for each in store.walk(version.prefix):
            yield ModelFile(each.path.removeprefix(f"{version.prefix}/"), each.size, None, "kept")
    for each in version.files:
        key = f"{version.prefix}/{each['path']}"
        state = _by_looks(store.state(key), each)
        if state == "touched" and each["size"] <= left:
            left -= each["size"]
            state = store.differs(key, each) or "kept"
        yield ModelFile(each["path"], each["size"], each["digest"], state)


def _by_looks(found: tuple[int, str] | None, known: Mapping[str, Any]) -> str:
    if found is None:
        return "gone"
    if found[0] != known["size"]:
        return "changed"
    return "kept" if found[1] and found[1] == known.get("tag") else "touched"


def worst_of(files: Iterable[ModelFile]) -> str:
    """The state of a version: that of the file that fares worst."""
    return min((each.state for each in files), key=STATES.index, default="gone")


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


def detail(version: ModelVersion, workspace: Workspace) -> dict[str, Any]:
    """One version as REST shows it by itself: with what became of its files."""
    return {**document(version), "state": worst_of(files_of(version, workspace))}


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
