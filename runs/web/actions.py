"""Buttons of the run page and the list: each calls one service and says what came of it."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.errors import Invalid, StudioError
from core.ids import as_uuid
from runs.models import Run
from runs.services.orchestration import cluster_removal
from runs.services.orchestration.cancel import cancel_run
from runs.services.submission import run_metadata
from runs.services.submission.submit import resubmit as submit_again
from runs.web.tree import root_of
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_action

MOST = 200
# What a reader chose on a run page that holds for another run of the same steps.
LOOKS = ("step", "tab", "view")
RUN_PAGE = re.compile(r"/w/[^/]+/runs/[0-9a-f-]{36}/")


@workspace_action()
def cancel(request: HttpRequest, context: WorkspaceContext, run_id: UUID) -> HttpResponse:
    cancel_run(context, root_of(context, run_id))
    return responses.done(
        request,
        _("Cancel was asked for. Steps that run get ten seconds to end by themselves."),
        kept(request, address(context, run_id)),
    )


@workspace_action()
def resubmit(request: HttpRequest, context: WorkspaceContext, run_id: UUID) -> HttpResponse:
    forced = request.POST.get("force") == "1"
    run = submit_again(context, root_of(context, run_id), parameters=None, regenerate_outputs=forced)
    return responses.done(
        request, _("Submitted as #%(number)s.") % {"number": run.number}, kept(request, address(context, run.pk))
    )


@workspace_action()
def archive(request: HttpRequest, context: WorkspaceContext, run_id: UUID) -> HttpResponse:
    wanted = request.POST.get("archived", "1") == "1"
    run_metadata.archive(context, root_of(context, run_id), wanted)
    text = _("Archived: lists leave it out from now on.") if wanted else _("Back in the lists.")
    return responses.done(request, text, kept(request, address(context, run_id)))


@workspace_action()
def remove_node(request: HttpRequest, context: WorkspaceContext, name: str, node: UUID) -> HttpResponse:
    left = cluster_removal.remove_node(context, name, node)
    text = _("The node is gone.") if left is None else _("Its step is being stopped; then the node is gone.")
    return responses.done(request, text, reverse("compute:cluster", args=[context.workspace.name, name]))


@workspace_action()
def selected(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """One action for the ticked runs; those that refuse are named, the others go on."""
    ids = [found for text in request.POST.getlist("run")[:MOST] if (found := as_uuid(text))]
    operation = request.POST.get("operation", "")
    if operation not in ("cancel", "archive", "restore"):
        raise Invalid(_("Choose what to do with the selected runs."))
    runs = Run.objects.filter(workspace=context.workspace, parent__isnull=True, pk__in=ids).select_related("experiment")
    done, refused = 0, ""
    for run in runs:
        try:
            if operation == "cancel":
                cancel_run(context, run)
            else:
                run_metadata.archive(context, run, operation == "archive")
            done += 1
        except StudioError as error:
            refused = error.message
    text = ngettext("Done for %(n)s run.", "Done for %(n)s runs.", done) % {"n": done}
    return responses.done(
        request,
        f"{text} {refused}".strip(),
        responses.back(request, reverse("runs:list", args=[context.workspace.name])),
    )


def address(context: WorkspaceContext, run_id: object) -> str:
    return reverse("runs:run", args=[context.workspace.name, run_id])


def kept(request: HttpRequest, to: str) -> str:
    """The run page `to`, with the step, the tab and the view that the reader looks at on the run page he comes from."""
    before = urlsplit(request.headers.get("Referer", ""))
    if before.netloc != request.get_host() or not RUN_PAGE.fullmatch(before.path):
        return to
    found = QueryDict(before.query)
    looked_at = {name: value for name in LOOKS if (value := found.get(name))}
    return f"{to}?{urlencode(looked_at)}" if looked_at else to
