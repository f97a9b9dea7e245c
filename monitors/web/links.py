"""A fragment for the pages of apps below: the monitors that watch a dataset or a model, or run a version of an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from monitors import queries
from monitors.models import Monitor, MonitorWindow
from workspaces.access import WorkspaceContext
from workspaces.models import Workspace
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

SHOWN = 20
WATCHED: Mapping[str, Callable[[Workspace, str], QuerySet[Monitor]]] = {
    "dataset": queries.monitors_of_dataset,
    "model": queries.monitors_of_model,
    "endpoint": queries.monitors_of_endpoint,
}


@dataclass(frozen=True)
class Watching:
    """What monitors/of.html may show: monitors, each with its last window, and whether there are more."""

    rows: list[tuple[Monitor, MonitorWindow | None]]
    has_more: bool


@workspace_page()
def of(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The monitors of what the address names; of nothing, none."""
    found = Monitor.objects.none()
    for name, monitors_of in WATCHED.items():
        if given := request.GET.get(name, ""):
            found = monitors_of(context.workspace, given)
            break
    monitors = list(found.order_by("-id")[: SHOWN + 1])
    last = queries.last_windows(monitors[:SHOWN])
    rows = [(each, last.get(each.pk)) for each in monitors[:SHOWN]]
    page = Watching(rows, len(monitors) > SHOWN)
    return render(request, "monitors/of.html", {"page": page, **responses.rights(request)})
