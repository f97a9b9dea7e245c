"""What the audit tells, in words: its files and REST name each action by its code, a page says it in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Mapping[str, str | Promise] = {
    "account.closed": _("Account closed"),
    "account.created": _("Account created"),
    "account.link_used": _("Signed in by a link"),
    "account.opened": _("Account opened again"),
    "account.password_set": _("Password set"),
    "compute.changed": _("Cluster changed"),
    "compute.created": _("Cluster created"),
    "compute.deleted": _("Cluster deleted"),
    "compute.node_removed": _("Node removed"),
    "dataset.registered": _("Dataset registered"),
    "dataset.unregistered": _("Dataset taken out of the list"),
    "datastore.removed": _("File removed from a datastore"),
    "endpoint.changed": _("Pipeline endpoint changed"),
    "endpoint.created": _("Pipeline endpoint made"),
    "endpoint.default_chosen": _("Default version of a pipeline endpoint chosen"),
    "endpoint.version_added": _("Version added to a pipeline endpoint"),
    "environment.registered": _("Environment registered"),
    "host.detached": _("Host detached"),
    "host.drained": _("Host drained"),
    "host.enrolled": _("Host enrolled"),
    "host.invited": _("Command made that adds a host"),
    "host.undrained": _("Host takes steps again"),
    "invitation.ended": _("Invitation ended"),
    "invitation.withdrawn": _("Invitation withdrawn"),
    "member.added": _("Member added"),
    "member.changed": _("Role of a member changed"),
    "member.invited": _("Member invited"),
    "member.joined": _("Member joined"),
    "member.left": _("Member left"),
    "member.link_made": _("Link made that lets members in"),
    "member.removed": _("Member removed"),
    "model.registered": _("Model registered"),
    "model.removed": _("Model removed"),
    "module.changed": _("Module changed"),
    "module.created": _("Module created"),
    "module.published": _("Version of a module published"),
    "pipeline.published": _("Pipeline published"),
    "pipeline.status": _("Pipeline enabled or disabled"),
    "retention.applied": _("Retention carried out"),
    "retention.changed": _("Retention changed"),
    "run.delete": _("Run deleted"),
    "schedule.backfilled": _("Backfill made"),
    "schedule.backfill_canceled": _("Backfill canceled"),
    "schedule.changed": _("Schedule changed"),
    "schedule.created": _("Schedule made"),
    "schedule.deleted": _("Schedule deleted"),
    "secret.deleted": _("Secret deleted"),
    "secret.read": _("Secret read"),
    "secret.set": _("Secret set"),
    "studio.message": _("Message of the studio changed"),
    "token.created": _("Token created"),
    "token.revoked": _("Token revoked"),
    "workspace.archived": _("Workspace archived"),
    "workspace.audit_days": _("Days of the audit changed"),
    "workspace.changed": _("Workspace changed"),
    "workspace.created": _("Workspace created"),
    "workspace.deleted": _("Workspace deleted"),
    "workspace.handed_over": _("Workspace handed over"),
    "workspace.limits": _("Limits changed"),
    "workspace.restored": _("Workspace brought back"),
    "workspace.run_token_scope": _("Scope of steps changed"),
}


def word(action: str) -> str:
    """The action in the reader's language; one that is not known by its code."""
    return str(WORDS.get(action, action))
