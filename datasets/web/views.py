"""The list of datasets."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

from core.paging import page_of
from datasets.models import Dataset, DatasetVersion
from datasets.queries import newest_of
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

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
def all_of_them(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
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
