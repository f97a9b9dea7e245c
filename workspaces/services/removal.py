"""Delete a workspace: it is nobody's at once, and a worker of the app that knows all others removes what it kept."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.utils.translation import gettext as _

from core import frames
from core.clock import now
from core.errors import Conflict, Invalid
from core.work import after_commit, later
from workspaces import hooks
from workspaces.access import FIRST_WORKSPACE, WorkspaceContext, hold
from workspaces.models import ApiToken, Invitation, Member, Role, Secret, Workspace
from workspaces.services import audit
from workspaces.services.members import group_of
from workspaces.services.workspaces import GONE

TASK = "runs.remove_workspace"


@transaction.atomic
def delete(context: WorkspaceContext, confirm: str) -> None:
    """Delete the workspace with all that it keeps. `confirm` is its name, which its owner has typed.

    From here on it does not exist for anybody: it has no members, no tokens, no secrets and no hosts, its pages lose their live
    topics, and its name is free. What runs is stopped; bytes go first, rows after. Raises Invalid for another name,
    Conflict for the workspace that the studio begins with.
    """
    context = hold(context).require_role(Role.OWNER).require_person()
    workspace = context.workspace
    if confirm != workspace.name:
        raise Invalid(
            _("Type the name of the workspace, '%(name)s', to delete it.") % {"name": workspace.name}, code="not_confirmed"
        )  # fmt: skip
    if workspace.name == FIRST_WORKSPACE:
        raise Conflict(
            _("'%(name)s' is the workspace that the studio begins with: whose it is looks after the studio. Archive it instead.")
            % {"name": workspace.name},
            code="first_workspace",
        )  # fmt: skip
    members = list(Member.objects.select_related("user").filter(workspace=workspace))
    audit.note_outside(context, "workspace.deleted", workspace.name, id=str(workspace.pk), members=len(members))
    hooks.workspace_deleted(workspace.pk)
    for kind in (ApiToken, Invitation, Member, Secret):
        kind._default_manager.filter(workspace=workspace).delete()
    hidden = f"{GONE}{workspace.pk.hex[-24:]}"
    Workspace.objects.filter(pk=workspace.pk).update(deleted_at=now(), name=hidden)
    for member in members:
        after_commit(partial(frames.post, group_of(member.user), {"type": "recheck"}))
    later(TASK, workspace_id=str(workspace.pk))
