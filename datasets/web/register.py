"""Register a dataset by form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import StudioError
from datasets.models import Datastore
from datasets.services import save
from datasets.services.datastores import put_file
from datasets.stores import root_by_name
from datasets.web.forms import PathForm, UploadForm, WebForm
from datasets.web.stores import Level, level_of
from workspaces.access import Room
from workspaces.web import door

WAYS = {
    "upload": gettext_lazy("Send a file"),
    "path": gettext_lazy("On a datastore"),
    "web": gettext_lazy("Web address"),
}
FOLDER = "uploads"
# Which field a refusal belongs to, by its code.
FIELDS = {"exists": "name", "bad_name": "name", "kind_differs": "name", "unknown_datastore": "datastore"}


@dataclass(frozen=True)
class RegisterPage:
    """What datasets/register.html may show."""

    way: str
    ways: list[tuple[str, Any]]
    form: forms.Form
    level: Level | None


@door.dialog(takes_files=True)
def register(request: HttpRequest, room: Room) -> HttpResponse:
    """One of three forms; `part=picker` and `part=place` are the browser beside the path."""
    way = request.GET.get("from", "upload")
    way = way if way in WAYS else "upload"
    form = _form(request, room, way)
    if request.method == "POST" and form.is_valid():
        try:
            version = save(
                room,
                form.cleaned_data["name"].strip(),
                form.cleaned_data["kind"],
                _definition(room, way, form),
                **_words(form),
            )
        except StudioError as error:
            field = FIELDS.get(error.code, {"upload": "file", "path": "path", "web": "url"}[way])
            form.add_error(field if field in form.fields else None, error.message)
        else:
            text = _("“%(name)s” version %(n)s is registered.") % {"name": version.dataset, "n": version.version}
            place = reverse("datasets:dataset", args=[room.workspace.name, form.cleaned_data["name"].strip()])
            # One that is still being fetched is not yet the version that the bare name means.
            return door.done(request, text, place if version.is_usable else f"{place}?version={version.version}")
    page = RegisterPage(way, list(WAYS.items()), form, _level(request, room) if way == "path" else None)
    return door.show(request, "datasets/register.html", page, section="data", parts=("picker", "place"))


def _form(request: HttpRequest, room: Room, way: str) -> Any:
    data = request.POST if request.method == "POST" else None
    if way == "upload":
        return UploadForm(data, request.FILES or None)
    if way == "web":
        return WebForm(data)
    return PathForm(
        _stores(room),
        data,
        initial={"datastore": request.GET.get("datastore", ""), "path": request.GET.get("path", "")},
    )


def _stores(room: Room) -> list[str]:
    """The default one first."""
    names = list(Datastore.objects.filter(workspace=room.workspace).order_by("name").values_list("name", flat=True))
    return sorted(names, key=lambda name: name != room.workspace.default_datastore)


def _level(request: HttpRequest, room: Room) -> Level | None:
    """The folder that the browser stands in; a path that is none shows the top."""
    stores = _stores(room)
    asked = request.POST.get("datastore") or request.GET.get("datastore", "")
    name = asked if asked in stores else (stores[0] if stores else "")
    try:
        return level_of(room, name, request.GET.get("at", "")) if name else None
    except StudioError:
        return level_of(room, name, "")


def _definition(room: Room, way: str, form: Any) -> dict[str, Any]:
    values = form.cleaned_data
    if way == "web":
        source = {"url": values["url"]}
    elif way == "path":
        source = {"datastore": values["datastore"], "path": values["path"]}
    else:
        source = {"datastore": room.workspace.default_datastore, "path": _sent(room, values["name"], values["file"])}
    return {"sources": [source], "format": form.format}


def _sent(room: Room, name: str, file: Any) -> str:
    """Keep the file under the dataset's name: another file of the same name there is a new version's, so it stays."""
    folder = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "data"
    file_name = re.sub(r"[^\w. -]+", "-", file.name)
    path = f"{FOLDER}/{folder}/{_free(room, folder, file_name)}"
    put_file(room, room.workspace.default_datastore, path, file, overwrite=False)
    return path


def _free(room: Room, folder: str, name: str) -> str:
    root = root_by_name(room.workspace, room.workspace.default_datastore)
    stem, dot, ending = name.rpartition(".")
    count, chosen = 1, name
    while root.exists(f"{FOLDER}/{folder}/{chosen}"):
        count += 1
        chosen = f"{stem}-{count}{dot}{ending}" if dot else f"{name}-{count}"
    return chosen


def _words(form: Any) -> dict[str, Any]:
    return {"description": form.cleaned_data["description"], "create_new_version": form.cleaned_data["new_version"]}
