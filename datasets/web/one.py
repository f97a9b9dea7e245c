"""One dataset: versions, preview, files, definition."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from core.errors import StudioError
from datasets import preview
from datasets.models import DatasetVersion
from datasets.services import ResolvedFile, files_of, find_version
from datasets.services.versions import unregister as take_out
from workspaces.access import Room
from workspaces.web import door

ROWS = 50
FILES = 200
MOST_VERSIONS = 200


@dataclass(frozen=True)
class Preview:
    """The first rows of a table or the first files, or why they cannot be shown."""

    columns: list[tuple[str, str]]
    rows: list[tuple[object, ...]]
    files: list[ResolvedFile]
    more_files: bool
    error: str = ""


@dataclass(frozen=True)
class DatasetPage:
    """What datasets/dataset.html may show."""

    version: DatasetVersion
    versions: list[DatasetVersion]
    definition: str
    preview: Preview | None
    topic: str


@door.page()
def dataset(request: HttpRequest, room: Room, name: str) -> HttpResponse:
    """One version, the newest unless the address says which. The preview reads files, so it is a part of its own."""
    version = find_version(room.workspace, name, request.GET.get("version") or "latest")
    others = (
        DatasetVersion.objects.filter(dataset=version.dataset)
        .select_related("created_by")
        .defer("definition", "profile")
    )
    page = DatasetPage(
        version=version,
        versions=list(others.order_by("-version")[:MOST_VERSIONS]),
        definition=json.dumps(version.definition, indent=2, ensure_ascii=False),
        preview=preview_of(version) if request.GET.get("part") == "preview" else None,
        topic=f"list:{room.workspace.name}:datasets",
    )
    return door.show(request, "datasets/dataset.html", page, section="data", parts=("preview", "head"))


def preview_of(version: DatasetVersion) -> Preview | None:
    """None while there is nothing to read yet."""
    if not version.is_usable:
        return None
    try:
        files = files_of(version)
        if version.kind != "tabular":
            return Preview([], [], files[:FILES], len(files) > FILES)
        table = preview.read(version.workspace, files, version.definition, ROWS)
    except StudioError as error:
        return Preview([], [], [], False, error.message)
    return Preview(table.columns, table.rows, files[:FILES], len(files) > FILES)


@door.deed()
def unregister(request: HttpRequest, room: Room, name: str) -> HttpResponse:
    take_out(room, name)
    text = _("“%(name)s” is out of the list. The data stay where they are.") % {"name": name}
    return door.done(request, text, reverse("datasets:list", args=[room.workspace.name]))
