"""Where the form that registers a dataset sends its files, one by one, before it is sent itself."""

from __future__ import annotations

from typing import BinaryIO, cast

from django.http import HttpRequest, HttpResponse, JsonResponse

from datasets.services import staging
from workspaces.access import WorkspaceContext
from workspaces.web.decorators import workspace_files


@workspace_files()
def file(request: HttpRequest, context: WorkspaceContext, key: str, path: str) -> HttpResponse:
    """PUT the bytes of one file, or DELETE it."""
    if request.method == "DELETE":
        staging.remove(context, key, path)
        return HttpResponse(status=204)
    return JsonResponse({"path": path, "size": staging.put(context, key, path, cast(BinaryIO, request))}, status=201)
