"""Addresses at which there is no page: what was meant is found where that is clear, else it is said inside the studio."""

from __future__ import annotations

import re

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import is_valid_path, reverse
from django.utils.translation import gettext as _
from django.views.defaults import page_not_found

from core.errors import NotFound
from workspaces.access import WorkspaceContext
from workspaces.models import User
from workspaces.web.decorators import signed_in_page, workspace_page

IN_A_WORKSPACE = re.compile(r"/w/(?P<workspace>[-\w]+)/(?P<place>.*)")
# Answered by programs' own documents, or asked for by no person.
NOT_PAGES = ("/api/", "/agent/", "/static/", "/simple/")
# What people write who cut an address short, or who know the names of REST: the list, or the thing.
MEANT: tuple[tuple[str, str], ...] = (
    (r"datasets|data/(?:sets|read|cancel|unregister)", "datasets:list"),
    (r"(?:datasets|data)/(?P<name>.+)", "datasets:dataset"),
    (r"datastores|stores", "datasets:stores"),
    (r"(?:datastores|stores)/(?P<name>[^/]+)", "datasets:store"),
    (r"environments/(?:named|builds)|environment-builds", "environments:list"),
    (r"environments/(?P<name>.+)", "environments:environment"),
    (r"models/(?:named|files)", "models:list"),
    (r"models/(?P<name>.+)", "models:model"),
    (r"compute/(?:hosts|clusters)|hosts|clusters", "compute:list"),
    (r"(?:compute/)?hosts/(?P<name>[^/]+)", "compute:host"),
    (r"(?:compute|clusters|runs/of/cluster)/(?P<name>[^/]+)(?:/nodes)?", "compute:cluster"),
    (r"runs/of(?:/.*)?|runs/selected", "runs:list"),
    (r"drafts/selected", "drafts:list"),
    (r"settings/members(?:/.*)?|members|people", "workspaces:people"),
    (r"settings/tokens(?:/.*)?|tokens", "workspaces:settings"),
    (r"audit", "workspaces:audit"),
)


def refusal(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler400`. What only a careless or hostile program sends is told no more than that."""
    text = str(exception) if isinstance(exception, BadRequest) else ""
    return render(request, "400.html", {"said": text}, status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's `handler404`."""
    if request.method not in ("GET", "HEAD") or request.path.startswith(NOT_PAGES):
        return page_not_found(request, exception)
    if not request.path.endswith("/") and is_valid_path(f"{request.path_info}/"):
        return HttpResponseNotFound()  # the middleware adds the stroke
    found = IN_A_WORKSPACE.fullmatch(request.path_info)
    if found:
        return _in_a_workspace(request, workspace=found["workspace"], place=found["place"])
    return (
        _elsewhere(request) if isinstance(getattr(request, "user", None), User) else page_not_found(request, exception)
    )


@workspace_page()
def _in_a_workspace(request: HttpRequest, context: WorkspaceContext, place: str) -> HttpResponse:
    return _lead(request, context, place)


@signed_in_page("GET", "HEAD")
def _elsewhere(request: HttpRequest) -> HttpResponse:
    """Below no workspace: that which was open last is meant, if any is."""
    return _lead(request, getattr(request, "context", None), request.path_info.strip("/"))


def _lead(request: HttpRequest, context: WorkspaceContext | None, place: str) -> HttpResponse:
    meant = meant_by(context, place) if context and request.resolver_match is None else None
    if meant is None:
        raise NotFound(_("There is nothing at this address, or it is not yours to see. It may have been deleted."))
    query = request.META.get("QUERY_STRING", "")
    return HttpResponseRedirect(f"{meant}?{query}" if query else meant)


def meant_by(context: WorkspaceContext, place: str) -> str | None:
    """The address of the page that is meant by what stands behind the workspace's own; None where that is not clear."""
    for pattern, view in MEANT:
        found = re.fullmatch(pattern, place.strip("/"))
        if found:
            return reverse(view, args=[context.workspace.name, *found.groups()])
    return None
