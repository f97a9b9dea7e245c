"""What the frame of every page shows. It stands here because only runs know of all that it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compute.queries import hosts_without_sandbox
from compute.web.clusters import nodes_text
from core.prepared import Prepared
from runs.models import Run
from workspaces.access import WorkspaceContext, owns_studio
from workspaces.models import Member, User, Workspace
from workspaces.services import installation

LIVE = [status for status in Run.Status.values if status not in Run.ENDS]
# More than this nobody counts in a corner of the page, and it keeps the query short.
MOST = 99
# What each page asks.
_MINE: Prepared[Workspace] = Prepared(
    lambda user: Workspace.objects.filter(members__user=user, archived_at__isnull=True).order_by("name")
)
_LIVE_RUNS: Prepared[tuple[UUID]] = Prepared(
    lambda workspace: Run.objects.filter(
        workspace=workspace, parent__isnull=True, archived_at__isnull=True, status__in=LIVE
    ).values_list("id")[: MOST + 1]
)
_TWO_MEMBERS: Prepared[tuple[UUID]] = Prepared(
    lambda workspace: Member.objects.filter(workspace=workspace).values_list("id")[:2]
)


@dataclass(frozen=True)
class Shell:
    """The frame's facts; see templates/base.html."""

    workspace: Workspace | None = None
    workspaces: list[Workspace] = field(default_factory=list)
    user: User | None = None
    role: str = ""
    section: str = ""
    live_runs_text: str | None = None
    compute_text: str | None = None
    warnings: list[dict[str, str]] = field(default_factory=list)
    owns_studio: bool = False


def shell(request: HttpRequest) -> dict[str, Any]:
    """Only a page that has the frame pays for it: fragments never ask."""
    return {"shell": SimpleLazyObject(lambda: _shell(request))}


def _shell(request: HttpRequest) -> Shell:
    context: WorkspaceContext | None = getattr(request, "context", None)
    if context is None:
        return Shell(user=request.user, warnings=_message()) if isinstance(request.user, User) else Shell()
    return Shell(
        workspace=context.workspace,
        workspaces=_MINE.all(context.user.pk) if context.user else [context.workspace],
        user=context.user,
        role=str(context.role.label),
        section=getattr(request, "section", ""),
        live_runs_text=live_text(context.workspace),
        compute_text=nodes_text(context.workspace),
        owns_studio=owns_studio(context.user),
        warnings=_warnings(context, getattr(request, "section", "")),
    )


def live_text(workspace: Workspace) -> str | None:
    """How many runs are live, in the corner's few letters."""
    count = len(_LIVE_RUNS.all(workspace.pk))
    return ngettext("%s live", "%s live", count) % (f"{MOST}+" if count > MOST else count) if count else None


def _message() -> list[dict[str, str]]:
    """What those say who look after the studio."""
    said = installation.said()
    return [{"level": said.level, "text": said.text, "url": "", "action": ""}] if said else []


def _warnings(context: WorkspaceContext, section: str) -> list[dict[str, str]]:
    """What nobody, and what an owner should not be able to overlook."""
    found = _message()
    if context.workspace.is_archived:
        address = reverse("workspace:page", args=[context.workspace.name])
        text = _("This workspace is archived: it can be read, and nothing in it changes.")
        found.append({"level": "warning", "text": text, "url": f"{address}#end", "action": _("Bring it back")})
    if context.user is None or context.role.value != "owner":
        return [{**each, "url": ""} for each in found]
    if section in ("home", "settings") and not context.user.has_usable_password():
        address = reverse("workspaces:settings", args=[context.workspace.name])
        text = _("You have no password yet: this browser's session is your only way in besides a sign-in link.")
        found.append({"level": "warning", "text": text, "url": f"{address}#password", "action": _("Set a password")})
    if len(_TWO_MEMBERS.all(context.workspace.pk)) > 1 and hosts_without_sandbox(context.workspace).exists():
        # Steps of all members run as one user of one machine, with no sandbox between (docs/security.md).
        text = _("Steps run as the user of this studio: every member who may submit can read what that user can read.")
        found.append({"level": "warning", "text": text, "url": "", "action": ""})
    return found
