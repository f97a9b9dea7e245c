"""The list of datasets, and one of them: versions, preview, files, definition."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from core.errors import Invalid, PreconditionFailed, StudioError
from core.paging import page_of
from datasets import tables
from datasets.models import Dataset, DatasetVersion
from datasets.queries import newest_of
from datasets.services import fetching
from datasets.services.files import ResolvedFile, files_of
from datasets.services.inspection import fetched_of, question
from datasets.services.versions import annotate, find_version, get_version, said_of
from datasets.services.versions import unregister as take_out
from datasets.web.forms import AboutForm, lines_of
from duto.spec import conditions
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog, workspace_page
from workspaces.web.editing import Editing, editing, seen_in

# Of a condition in an address, in characters.
LONGEST_CONDITION = 8000
KINDS = ("", Dataset.Kind.TABULAR, Dataset.Kind.FILE)


@dataclass(frozen=True)
class Row:
    """One name of the list with its newest version."""

    dataset: Dataset
    newest: DatasetVersion | None


@dataclass(frozen=True)
class DatasetsPage:
    """What datasets/list.html may show."""

    rows: list[Row]
    next: str | None
    q: str
    kind: str
    topic: str


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """All names, each with its newest version."""
    q, kind = request.GET.get("q", "").strip()[:200], request.GET.get("kind", "")
    found = Dataset.objects.filter(workspace=context.workspace, archived_at__isnull=True, latest_version__gt=0)
    if q:
        found = found.filter(name__icontains=q)
    if kind in Dataset.Kind.values:
        found = found.filter(kind=kind)
    page = page_of(found, after=request.GET.get("after"))
    newest = newest_of(page.items)
    facts = DatasetsPage(
        [Row(each, newest.get(each.pk)) for each in page.items],
        page.next,
        q,
        kind,
        f"list:{context.workspace.name}:datasets",
    )
    return responses.show(request, "datasets/list.html", facts, section="data", parts=("rows",))


ROWS = 50
COLUMNS = 100
# Of a value, in characters.
LONGEST = 500
FILES = 200
MOST_VERSIONS = 200


@dataclass(frozen=True)
class Preview:
    """The first rows of a table or the first files, or why they cannot be shown."""

    columns: list[tuple[str, str]]
    rows: list[list[object]]
    files: list[ResolvedFile]
    more_files: bool
    column_count: int = 0
    error: str = ""
    is_slow: bool = False


@dataclass(frozen=True)
class DatasetPage:
    """What datasets/dataset.html may show."""

    version: DatasetVersion
    versions: list[DatasetVersion]
    definition: str
    preview: Preview | None
    topic: str
    has_urls: bool
    # The condition of the rows that are shown, and as programs write it; empty for all rows.
    where: str = ""
    condition: str = ""

    @property
    def preview_query(self) -> str:
        """What the part with the rows is asked for with."""
        query = {"part": "preview", "version": self.version.version, **({"where": self.where} if self.where else {})}
        return urlencode(query)

    @property
    def of_query(self) -> QueryDict:
        """What the form for a new version is asked for with."""
        assert self.version.dataset is not None
        made = QueryDict(mutable=True)
        made.update({"of": self.version.dataset.name, "version": str(self.version.version)})
        return made

    @property
    def program(self) -> str:
        """The line by which a program gets it."""
        assert self.version.dataset is not None
        is_newest = self.version.version == self.version.dataset.latest_version
        more = "" if is_newest else f", version={self.version.version}"
        return f"Dataset.get_by_name(ws, {self.version.dataset.name!r}{more})"


@dataclass(frozen=True)
class AboutPage:
    """What datasets/about.html may show."""

    version: DatasetVersion
    form: AboutForm
    editing: Editing


@workspace_page()
def detail(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """One version, the newest unless the address says which. The preview reads files, so it is a part of its own; `where` is a
    condition of its rows (duto.spec.conditions)."""
    version = find_version(context.workspace, name, request.GET.get("version") or "latest")
    others = (
        DatasetVersion.objects.filter(dataset=version.dataset)
        .select_related("created_by")
        .defer("definition", "profile")
    )
    where = _where(request)
    page = DatasetPage(
        version=version,
        versions=list(others.order_by("-version")[:MOST_VERSIONS]),
        definition=json.dumps(version.definition, indent=2, ensure_ascii=False),
        preview=preview_of(version, where) if request.GET.get("part") == "preview" else None,
        topic=f"list:{context.workspace.name}:datasets",
        has_urls=bool(fetched_of(version.definition)),
        where=request.GET.get("where", "") if where is not None else "",
        condition=conditions.written(where) if where is not None else "",
    )
    return responses.show(request, "datasets/dataset.html", page, section="data", parts=("preview", "head"))


def _where(request: HttpRequest) -> dict[str, Any] | None:
    """The condition that the address asks for. Raises Invalid."""
    text = request.GET.get("where", "")
    if not text:
        return None
    try:
        found = json.loads(text) if len(text) <= LONGEST_CONDITION else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or conditions.problem(found) is not None:
        raise Invalid(
            _("The condition of this address cannot be read. Open the page without it."), code="bad_condition"
        )
    return found


def preview_of(version: DatasetVersion, where: dict[str, Any] | None = None) -> Preview | None:
    """Of the rows of which a condition is true, where there is one; None while there is nothing to read yet."""
    if not version.is_usable:
        return None
    try:
        files = files_of(version)
        if version.kind != "tabular":
            return Preview([], [], files[:FILES], len(files) > FILES)
        asked = question(version, files, tables.GLANCE)
        if where is not None:
            operations = [*asked.definition.get("operations", ()), {"op": "filter", "where": where}]
            asked.definition = {**asked.definition, "operations": operations}
        table = tables.first_rows(asked, ROWS, COLUMNS, LONGEST, as_text=True)
    except StudioError as error:
        return Preview([], [], [], False, error=error.message, is_slow=error.code == "table_too_slow")
    return Preview(table.columns[:COLUMNS], table.rows, files[:FILES], len(files) > FILES, len(table.columns))


@workspace_dialog()
def about(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """Change what is only said about a version: description and tags."""
    version = find_version(context.workspace, name, request.GET.get("version") or "latest")
    form = _about_form(version, request.POST if request.method == "POST" else None)
    refused: StudioError | None = None
    if request.method == "POST" and form.is_valid():
        kept = {key: value for key, value in version.tags.items() if key not in lines_of(version.tags)}
        values = {"description": form.cleaned_data["description"], "tags": form.cleaned_data["tags"] | kept}
        try:
            annotate(context, version.pk, seen=seen_in(request), **values)
            return responses.done(request, _("Saved"), _place(context, version))
        except PreconditionFailed as refusal:
            refused, version = refusal, get_version(context.workspace, version.pk)
    shown = editing(request, said_of(version), (form, _about_form(version)), refusal=refused)
    return responses.show(request, "datasets/about.html", AboutPage(version, form, shown), section="data")


def _about_form(version: DatasetVersion, data: Any = None) -> AboutForm:
    said = version.description or (version.dataset.description if version.dataset else "")
    return AboutForm(data, initial={"description": said, "tags": "\n".join(lines_of(version.tags).values())})


@workspace_action()
def unregister(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    take_out(context, name)
    text = _("“%(name)s” is out of the list. The data stay where they are.") % {"name": name}
    return responses.done(request, text, reverse("datasets:list", args=[context.workspace.name]))


@workspace_action()
def read_again(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """Have a worker look at all of it, however long that takes."""
    version = find_version(context.workspace, name, request.POST.get("version") or "latest")
    fetching.ask(version)
    return responses.done(request, "", _place(context, version))


@workspace_action()
def cancel(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    version = find_version(context.workspace, name, request.POST.get("version") or "latest")
    fetching.cancel(context, version)
    return responses.done(request, "", _place(context, version))


def _place(context: WorkspaceContext, version: DatasetVersion) -> str:
    assert version.dataset is not None
    return (
        f"{reverse('datasets:dataset', args=[context.workspace.name, version.dataset.name])}?version={version.version}"
    )
