"""Datastores: the list, and one browsed folder by folder."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from core import serving
from core.errors import NotFound
from core.objects import StoreError
from core.storage import safe
from datasets.kinds import KINDS
from datasets.models import Datastore
from datasets.patterns import has_wildcard
from datasets.services.datastores import open_to_people
from datasets.stores import root_of
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

MOST = 500
BYTES = "application/octet-stream"


@dataclass(frozen=True)
class StoresPage:
    """What datasets/stores.html may show."""

    stores: list[Datastore]
    default: str


@dataclass(frozen=True)
class Entry:
    """A file or folder of one level."""

    name: str
    path: str
    is_folder: bool
    size: int


@dataclass(frozen=True)
class Level:
    """One folder of a datastore."""

    store: Datastore
    path: str
    trail: list[tuple[str, str]]
    entries: list[Entry]
    cut: bool
    # What was asked for and is not there; empty for a pattern, which no folder is called.
    missing: str = ""
    # Why the store shows nothing: it is away, or lists no folders.
    error: str = ""

    @property
    def prefix(self) -> str:
        return f"{self.path}/" if self.path else ""

    @property
    def is_far(self) -> bool:
        """Whether it is one that was registered, not a folder of the studio's own."""
        return self.store.kind != Datastore.Kind.LOCAL

    @property
    def is_writable(self) -> bool:
        return KINDS[self.store.kind].is_writable

    @property
    def is_database(self) -> bool:
        return KINDS[self.store.kind].database is not None


@dataclass(frozen=True)
class StorePage:
    """What datasets/store.html may show."""

    level: Level
    topic: str


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    page = StoresPage(
        list(Datastore.objects.filter(workspace=context.workspace).order_by("name")[:200]),
        context.workspace.default_datastore,
    )
    return responses.show(request, "datasets/stores.html", page, section="data")


@workspace_page()
def browse(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """One folder, the first entries of it."""
    level = level_of(context, name, request.GET.get("path", ""))
    return responses.show(
        request,
        "datasets/store.html",
        StorePage(level, f"list:{context.workspace.name}:datasets"),
        section="data",
        parts=("entries",),
    )


@workspace_page()
def download(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponseBase:
    """A file's bytes, always as a download."""
    path = safe(request.GET.get("path", ""))
    root = root_of(open_to_people(context.workspace, name))
    if not path or not root.is_file(path):
        raise NotFound(_("There is no such file on this datastore."))
    return serving.serve(request, root.open(path), root.size(path), path, BYTES, as_file=True)


def level_of(context: WorkspaceContext, name: str, path: str) -> Level:
    """The folder, or the one around a file, a pattern, or what is not there. A fresh datastore has no folder: it is empty."""
    store = open_to_people(context.workspace, name)
    try:
        return _level_of(store, safe(path))
    except StoreError as error:
        # That a database has no folders is no fault of its page, which says how it is read.
        return Level(store, "", [], [], False, error="" if KINDS[store.kind].database else error.message)


def _level_of(store: Datastore, path: str) -> Level:
    root = root_of(store)
    missing = path if path and not has_wildcard(path) and not root.exists(path) else ""
    while path and (root.is_file(path) or not root.exists(path)):
        path = path.rpartition("/")[0]
    found = list(root.list(path, MOST + 1)) if root.exists(path) else []
    prefix = f"{path}/" if path else ""
    entries = [Entry(each, prefix + each, is_folder, size) for each, is_folder, size in found[:MOST]]
    parts = path.split("/") if path else []
    trail = [(part, "/".join(parts[: place + 1])) for place, part in enumerate(parts)]
    return Level(store, path, trail, entries, len(found) > MOST, missing)
