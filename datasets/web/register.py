"""Register a dataset by form: a new name, or a new version of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Invalid, StudioError
from datasets import fetch, stored_messages, tables
from datasets.child import turn
from datasets.definitions import read as read_definition
from datasets.kinds import KINDS
from datasets.models import Dataset, DatasetVersion, Datastore
from datasets.services import staging
from datasets.services.datastores import datastore
from datasets.services.files import ResolvedFile, find, fingerprint
from datasets.services.inspection import AT_ONCE
from datasets.services.versions import find_version, save
from datasets.sql import first_rows
from datasets.stores import root_by_name
from datasets.web import reading
from datasets.web.forms import PathForm, SqlForm, UploadForm, WebForm
from datasets.web.stores import Level, level_of
from duto.spec import canonical
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_dialog, workspace_files

WAYS = {
    "upload": gettext_lazy("Send files"),
    "path": gettext_lazy("On a datastore"),
    "web": gettext_lazy("Web address"),
    "sql": gettext_lazy("SQL query"),
}
# Which field a refusal belongs to, by its code.
FIELDS = {"exists": "name", "bad_name": "name", "kind_differs": "name", "unknown_datastore": "datastore"}
# What is fetched before a form is sent, so that its rows can be shown.
SHOWN = fetch.Bounds(size=AT_ONCE, seconds=10)
SOURCE = {"upload": "staged", "path": "path", "web": "url", "sql": "query"}


@dataclass(frozen=True)
class RegisterPage:
    """What datasets/register.html may show. `of`: the version that a new one is made of."""

    way: str
    ways: list[tuple[str, Any]]
    form: forms.Form
    level: Level | None
    of: DatasetVersion | None
    staged: str
    # Where its script sends files: their paths come after it.
    action: str
    files: list[ResolvedFile]
    parts: list[staging.Part]
    reading: reading.Reading | None

    @property
    def query(self) -> QueryDict:
        """What every address of this form carries."""
        made = QueryDict(mutable=True)
        if self.of is not None and self.of.dataset is not None:
            made.update({"of": self.of.dataset.name, "version": str(self.of.version)})
        return made


@workspace_dialog(takes_files=True)
def register(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """One of three forms; `part=picker` and `part=place` are the browser beside the path."""
    draft = Draft(request, context)
    if request.method == "POST" and draft.form.is_valid():
        try:
            version = draft.register()
        except StudioError as error:
            draft.refuse(error)
        else:
            name = draft.form.cleaned_data["name"].strip()
            place = reverse("datasets:dataset", args=[context.workspace.name, name])
            if version.status == DatasetVersion.Status.READY:
                text = _("“%(name)s” version %(n)s is registered.") % {"name": name, "n": version.version}
                return responses.done(request, text, place)
            # One that is still to be fetched or looked through is not celebrated, nor what the bare name means. Its worker
            # may be done before the page comes, which then would say nothing.
            text = _("Version %(n)s of “%(name)s” is saved. Its data are read next.")
            messages.info(request, text % {"name": name, "n": version.version})
            return responses.done(request, "", f"{place}?version={version.version}")
    # A form that is opened comes at once; what it is prefilled with is read by the part that follows.
    page = draft.page(with_reading=request.method == "POST")
    return responses.show(request, "datasets/register.html", page, section="data", parts=("picker", "place"))


@workspace_dialog()
def preview(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """How the files of a form that is being filled in would be read: its fields, and the first rows."""
    return responses.show(
        request, "datasets/reading.html", Draft(request, context, may_fetch=True).page(), section="data"
    )


class Draft:
    """A form that is being filled in, and what it is about."""

    def __init__(self, request: HttpRequest, context: WorkspaceContext, *, may_fetch: bool = False) -> None:
        self.request, self.context, self.may_fetch = request, context, may_fetch
        self.of = _version(request, context)
        way = request.GET.get("from") or _way_of(self.of)
        self.way = way if way in WAYS else "upload"
        self.data = request.POST if request.method == "POST" else None
        self.staged = self._key()
        self.form = self._form()
        for file in request.FILES.getlist("file"):
            staging.put(context, self.staged, file.name or "file", cast(BinaryIO, file))

    @property
    def base(self) -> Mapping[str, Any]:
        """The format of the version that a new one is made of."""
        return self.of.definition["format"] if self.of is not None else {}

    @property
    def kind(self) -> str:
        if self.way == "sql":
            return str(Dataset.Kind.TABULAR)
        given = self.data.get("kind") if self.data is not None else None
        return given or (self.of.kind if self.of is not None else Dataset.Kind.TABULAR)

    def register(self) -> DatasetVersion:
        """Raises StudioError."""
        values = self.form.cleaned_data
        name, place = values["name"].strip(), None
        if self.way == "upload":
            staging.require_whole(self.context, self.staged)
        form = self._format() if values["kind"] == Dataset.Kind.TABULAR else dict(self.base)
        if self.way == "upload":
            place = staging.publish(self.context, self.staged, name)
        try:
            return save(
                self.context, name, values["kind"],
                {"sources": [self._source(place)], "format": form, "operations": self._operations(self._seen())},
                description=values["description"],
                tags=self.of.tags if self.of else None,
                create_new_version=values["new_version"] or self.of is not None,
            )  # fmt: skip
        except StudioError:
            if place is not None:
                staging.take_back(self.context, self.staged, place)
            raise

    def refuse(self, error: StudioError) -> None:
        """Told at its field, unless the preview tells it already."""
        field = FIELDS.get(error.code, SOURCE[self.way])
        text = stored_messages.localized(stored_messages.in_form(stored_messages.of_refusal(error)))
        if self.reading is not None and self.reading.error == text:
            self.form.add_error(None, _("Nothing was registered yet: the files cannot be read this way."))
            return
        self.form.add_error(field if field in self.form.fields and field != "staged" else None, text)

    def page(self, *, with_reading: bool = True) -> RegisterPage:
        return RegisterPage(
            self.way, list(WAYS.items()), self.form, _level(self.request, self.context) if self.way == "path" else None,
            self.of, self.staged, reverse("datasets:staged", args=[self.context.workspace.name, self.staged, "-"])[:-1],
            staging.held(self.context, self.staged) if self.way == "upload" else [],
            staging.parts(self.context, self.staged) if self.way == "upload" else [],
            self.reading if with_reading else None,
        )  # fmt: skip

    def _key(self) -> str:
        """That of the form, of the address of a page that was loaded anew, or a new one."""
        given = self.request.POST.get("staged", "")
        again = self.request.GET.get("staged", "")
        if not given and again and staging.is_key(self.context, again):
            return again
        return given or staging.new_key(self.context)

    def _form(self) -> Any:
        initial: dict[str, Any] = {"kind": self.kind, "staged": self.staged}
        if self.of is not None and self.of.dataset is not None:
            initial |= {"name": self.of.dataset.name, "description": self.of.description}
            initial |= {key: value for key, value in _source_of(self.of).items() if isinstance(value, str | int)}
        if self.way == "upload":
            return UploadForm(self.data, initial=initial)
        if self.way == "web":
            return WebForm(self.data, initial=initial)
        if self.way == "sql":
            return SqlForm(_databases(self.context), self.data, initial=initial)
        initial |= {key: self.request.GET[key] for key in ("datastore", "path") if key in self.request.GET}
        return PathForm(_stores(self.context), self.data, initial=initial)

    def _value(self, name: str) -> str:
        """Of a field, whether the form was sent or is prefilled."""
        return str((self.data.get(name, "") if self.data is not None else self.form.initial.get(name)) or "").strip()

    def _files(self) -> list[ResolvedFile] | None:
        """The files that the form is about; None where they are not here yet. Raises StudioError."""
        workspace = self.context.workspace
        if self.way == "upload":
            return staging.held(self.context, self.staged)
        if self.way == "path":
            store, path = self._value("datastore"), self._value("path")
            if not path:
                return []
            return find(workspace, [{"datastore": store, "path": path}])
        url = self._value("url")
        return find(workspace, [{"url": url}]) if url and fetch.known_copy(workspace, url) else None

    def _given(self, seen: str) -> dict[str, Any]:
        """What the form says of how to read; nothing where it has seen other files, so that they are looked at anew."""
        if self.data is not None and "format" in self.data and self.data.get("seen") == seen:
            return reading.format_of(self.data, self.base)
        return dict(self.base)

    def _format(self) -> dict[str, Any]:
        """The format to register. Raises StudioError when the files cannot be read at all."""
        found = self.reading
        if found is None:
            raise Invalid(
                _("There is no file yet. Choose one, or drag it here; files are kept for a day.")
                if self.way == "upload"
                else _("Say where the data are.")
            )
        if found.error:
            raise Invalid(found.error)
        return found.format

    def _answer(self) -> reading.Reading | None:
        """The first rows of the query; None where there is none yet."""
        query, name = self._value("query"), self._value("datastore")
        if not query or name not in _databases(self.context):
            return None
        seen = canonical.digest([name, query])
        operations = self._operations(seen)
        try:
            definition = {"sources": [{"datastore": name, "query": query}], "format": {"type": "parquet"}}
            (source,) = read_definition(Dataset.Kind.TABULAR, definition)["sources"]
            rows = first_rows(datastore(self.context.workspace, name), source["query"], tables.GLANCE, reading.ROWS)
            files = staging.keep_sample(self.context, self.staged, rows)
        except StudioError as error:
            return reading.refused(stored_messages.localized(stored_messages.of_refusal(error)), seen)
        return reading.answered(self.context.workspace, files, operations, seen)

    @cached_property
    def reading(self) -> reading.Reading | None:
        """None where there is nothing to read as a table."""
        if self.kind != Dataset.Kind.TABULAR:
            return None
        if self.way == "sql":
            return self._answer()
        why = self._fetch() if self.way == "web" and self.may_fetch else ""
        try:
            files = self._files()
        except StudioError:
            return None  # told at its field when the form is sent
        if files is None:
            url = self._value("url")
            return reading.unread(self._given(urlsplit(url).path), urlsplit(url).path, why) if url else None
        if not files:
            return None
        seen = fingerprint(files)
        definition = {"format": self._given(seen), "operations": self._operations(seen)}
        return reading.look(self.context.workspace, files, definition)

    def _fetch(self) -> str:
        """Have what is at the address, if that is not much; why it is not here."""
        workspace, url = self.context.workspace, self._value("url")
        if not url or fetch.known_copy(workspace, url):
            return ""
        try:
            fetch.check(url)
            with turn("fetch"):
                fetch.copy_of(workspace, url, bounds=SHOWN)
        except (StudioError, ValueError) as error:
            return (
                stored_messages.localized(stored_messages.of_refusal(error)) if isinstance(error, StudioError) else ""
            )
        return ""

    def _seen(self) -> str:
        return self.reading.seen if self.reading is not None else ""

    def _operations(self, seen: str) -> list[Any]:
        """Those of the version that a new one is made of, with the times that the form names where it is about the same data."""
        made = list(self.of.definition["operations"]) if self.of is not None else []
        if self.data is None or "timestamp" not in self.data or self.data.get("seen") != seen:
            return made
        return reading.with_times(made, self.data)

    def _source(self, place: str | None) -> dict[str, Any]:
        values = self.form.cleaned_data
        if self.way == "web":
            return {"url": values["url"]}
        if self.way == "sql":
            return {key: values[key] for key in ("datastore", "query", "seconds")}
        if place is None:
            return {"datastore": values["datastore"], "path": values["path"]}
        store = self.context.workspace.default_datastore
        files = [each.path for each in root_by_name(self.context.workspace, store).walk(place)]
        # A definition takes a backslash for a slash: such a file is meant by its folder.
        only = files[0] if len(files) == 1 and "\\" not in files[0] else f"{place}/"
        return {"datastore": store, "path": only}


def _version(request: HttpRequest, context: WorkspaceContext) -> DatasetVersion | None:
    name = request.GET.get("of")
    return find_version(context.workspace, name, request.GET.get("version") or "latest") if name else None


def _way_of(version: DatasetVersion | None) -> str:
    """Where a new version's data most likely come from: from where those of the last one did."""
    if version is None:
        return "upload"
    source = _source_of(version)
    if not source:
        return "upload"
    if source.get("url"):
        return "web"
    if source.get("query"):
        return "sql"
    return "upload" if source.get("path", "").startswith(f"{staging.FOLDER}/") else "path"


def _source_of(version: DatasetVersion) -> Mapping[str, Any]:
    """Its first source; nothing of a version that has none."""
    sources: list[dict[str, Any]] = version.definition.get("sources") or [{}]
    return sources[0]


def _stores(context: WorkspaceContext) -> list[str]:
    """The default one first."""
    found = Datastore.objects.filter(workspace=context.workspace).order_by("name").values_list("name", "kind")
    names = [name for name, kind in found if KINDS[kind].database is None]
    return sorted(names, key=lambda name: name != context.workspace.default_datastore)


def _databases(context: WorkspaceContext) -> list[str]:
    """Those that answer queries."""
    found = Datastore.objects.filter(workspace=context.workspace).order_by("name").values_list("name", "kind")
    return [name for name, kind in found if KINDS[kind].database is not None]


def _level(request: HttpRequest, context: WorkspaceContext) -> Level | None:
    """The folder that the browser stands in; a path that is none shows the top."""
    stores = _stores(context)
    asked = request.POST.get("datastore") or request.GET.get("datastore", "")
    name = asked if asked in stores else (stores[0] if stores else "")
    try:
        return level_of(context, name, request.GET.get("at", "")) if name else None
    except StudioError:
        return level_of(context, name, "")


@workspace_files()
def file(request: HttpRequest, context: WorkspaceContext, key: str, path: str) -> HttpResponse:
    """PUT the bytes of one file, or DELETE it."""
    if request.method == "DELETE":
        staging.remove(context, key, path)
        return HttpResponse(status=204)
    source = cast(BinaryIO, request)
    if "Content-Range" in request.headers:
        received = staging.put_piece(context, key, path, _piece(request), source)
        return JsonResponse({"path": path, "received": received})
    return JsonResponse({"path": path, "size": staging.put(context, key, path, source)}, status=201)


def _piece(request: HttpRequest) -> staging.Piece:
    """Of `Content-Range: bytes 0-99/1000`, `?changed=` with the milliseconds of the file's time, and `by=`, a word of who sends
    it. Raises Invalid."""
    found = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", request.headers["Content-Range"])
    changed, sender = request.GET.get("changed", ""), request.GET.get("by", "")
    if found is None or not re.fullmatch(r"-?\d{1,15}", changed) or not re.fullmatch(r"[0-9a-z]{0,32}", sender):
        raise Invalid(
            _("A piece of a file comes with Content-Range and the time of the file's change."), code="bad_range"
        )
    return staging.Piece(int(found[1]), int(found[3]), int(changed), sender)
