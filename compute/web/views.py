"""Clusters and hosts to look at."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from compute.web import hosts_pages, pages
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page


@workspace_page()
def all_of_them(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Clusters with their nodes by state, and the machines below them; `part=count` is the number in the frame."""
    if request.GET.get("part") == "count":
        return HttpResponse(pages.nodes_text(context.workspace) or "")
    page = pages.compute_page(context.workspace, request.GET.get("after"))
    return responses.show(request, "compute/list.html", page, section="compute", parts=("rows",))


@workspace_page()
def one(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """One cluster; what it holds is a fragment of the app above."""
    return responses.show(
        request,
        "compute/cluster.html",
        pages.cluster_page(context.workspace, name),
        section="compute",
        parts=("nodes",),
    )


@workspace_page()
def host(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """One machine; the steps on it are a fragment of the app above."""
    page = hosts_pages.host_page(context.workspace, name, request.GET.get("window", ""))
    return responses.show(request, "compute/host.html", page, section="compute", parts=("facts",))
