"""Models to look at and to download."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from core import serving
from core.errors import NotFound
from core.paging import page_of
from core.storage import artifact_store
from registry.models import ModelVersion, RegisteredModel
from registry.queries import ModelFile, content_key, files_of, newest_of, worst_of
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

MOST_FILES = 1000
MOST_VERSIONS = 200


@dataclass(frozen=True)
class Row:
    """One name of the list with its newest version."""

    model: RegisteredModel
    newest: ModelVersion | None


@dataclass(frozen=True)
class ModelsPage:
    """What registry/list.html may show."""

    rows: list[Row]
    next: str | None
    q: str
    topic: str


@dataclass(frozen=True)
class ModelPage:
    """What registry/model.html may show."""

    model: RegisteredModel
    version: ModelVersion
    versions: list[ModelVersion]
    files: list[ModelFile]
    # What became of the files since they were registered (registry.queries.STATES).
    state: str


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """All names, each with its newest version."""
    q = request.GET.get("q", "").strip()[:200]
    found = RegisteredModel.objects.filter(workspace=context.workspace)
    page = page_of(found.filter(name__icontains=q) if q else found, after=request.GET.get("after"))
    newest = newest_of(page.items)
    facts = ModelsPage(
        [Row(each, newest.get(each.pk)) for each in page.items], page.next, q, f"list:{context.workspace.name}:models"
    )
    return responses.show(request, "registry/list.html", facts, section="models", parts=("rows",))


@workspace_page()
def detail(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """One version, the newest unless the address says which."""
    rows = ModelVersion.objects.filter(model__workspace=context.workspace, model__name=name).select_related(
        "model", "created_by"
    )
    versions = list(rows.defer("files").order_by("-version")[:MOST_VERSIONS])
    asked = request.GET.get("version", "")
    version = next(
        (each for each in versions if str(each.version) == asked), versions[0] if versions and not asked else None
    )
    if version is None:
        raise NotFound(_("There is no such model or version in this workspace."))
    files = list(files_of(version, context.workspace))
    page = ModelPage(version.model, version, versions, files[:MOST_FILES], worst_of(files))
    return responses.show(request, "registry/model.html", page, section="models")


@workspace_page()
def file(request: HttpRequest, context: WorkspaceContext, version_id: UUID, path: str) -> HttpResponseBase:
    """One file of a model, always as a download."""
    version = ModelVersion.objects.filter(model__workspace=context.workspace, pk=version_id).first()
    if version is None:
        raise NotFound(_("There is no such model in this workspace."))
    store = artifact_store(context.workspace.pk)
    key = content_key(version, store, path)
    return serving.serve(request, store.open(key), store.size(key), path, "application/octet-stream", as_file=True)
