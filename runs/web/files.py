"""Bytes of runs for the browser. What users made is a download, a picture, or a page in a frame without rights."""

from __future__ import annotations

import mimetypes
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from core import serving
from core.errors import NotFound
from core.storage import Root, artifact_store
from datasets import stores
from runs.models import Artifact, Output
from runs.queries import code
from runs.queries.files import unchanged_key
from runs.web.tree import root_of
from workspaces.access import WorkspaceContext
from workspaces.web.decorators import workspace_page

BYTES = "application/octet-stream"
PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"}
# Nothing of ours is reachable from it: an origin of its own, no network, its own scripts at most.
FRAME = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: data:; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; worker-src blob:; frame-ancestors 'self'"
)
LOCKED = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"


@workspace_page()
def artifact(request: HttpRequest, context: WorkspaceContext, run_id: UUID, path: str) -> HttpResponseBase:
    """A file of the run: a picture is shown, all else is a download."""
    found = _artifact(context, run_id, path)
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    shown = kind in PICTURES and "download" not in request.GET
    store = artifact_store(context.workspace.pk)
    return sent(request, store, found.key, path, kind if shown else BYTES, as_file=not shown)


@workspace_page()
def framed(request: HttpRequest, context: WorkspaceContext, run_id: UUID, path: str) -> HttpResponseBase:
    """A page that a user's script wrote, for the sandboxed frame only."""
    found = _artifact(context, run_id, path)
    answer = sent(request, artifact_store(context.workspace.pk), found.key, path, "text/html; charset=utf-8")
    answer["Content-Security-Policy"] = FRAME
    return answer


@workspace_page()
def output(request: HttpRequest, context: WorkspaceContext, run_id: UUID, output: str, path: str) -> HttpResponseBase:
    """A file of an output: only what its manifest names."""
    root_of(context, run_id)
    found = Output.objects.filter(run_id=run_id, run__workspace=context.workspace, name=output).first()
    if found is None:
        raise NotFound(_("This output has no such file."))
    root, key = place_of(context, found, path)
    return sent(request, root, key, path, BYTES, as_file=True)


@workspace_page()
def snapshot(request: HttpRequest, context: WorkspaceContext, run_id: UUID) -> HttpResponseBase:
    """All code of a run as one archive."""
    run = root_of(context, run_id)
    found = code.snapshot_of(run)
    if found is None:
        raise NotFound(_("This run has no code of its own."))
    called = run.step.name if hasattr(run, "step") else run.display_name or run.experiment.name
    name = "".join(c if c.isalnum() else "-" for c in called)
    return serving.stream(request, code.archive(found), f"{name}-code.zip", "application/zip", as_file=True)


def place_of(context: WorkspaceContext, output: Output, path: str) -> tuple[Root, str]:
    """Where a file of an output lies. Raises NotFound, and Conflict where it was overwritten since."""
    entry = next((each for each in output.files if each["path"] == path), None)
    if entry is None:
        raise NotFound(_("This output has no such file."))
    root = stores.root_by_name(context.workspace, output.datastore)
    return root, unchanged_key(output, entry, root)


def _artifact(context: WorkspaceContext, run_id: UUID, path: str) -> Artifact:
    found = (
        Artifact.objects.filter(run__workspace=context.workspace, run_id=run_id, path=path)
        .select_related("run")
        .first()
    )
    if found is None:
        raise NotFound(_("This run has no such file."))
    return found


def sent(
    request: HttpRequest, root: Root, key: str, path: str, kind: str, *, as_file: bool = False
) -> HttpResponseBase:
    """Whatever it is, it must not act as a page of this studio."""
    answer = serving.serve(request, root.open(key), root.size(key), path, kind, as_file=as_file)
    answer["Content-Security-Policy"] = LOCKED
    return answer
