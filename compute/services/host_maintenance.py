"""What people do with hosts: drain one before its machine goes down, take it back, detach it for good."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from compute import hooks
from compute.models import Enrolment, Host
from compute.services.hosts import hosts_of
from core import outbox
from core.clock import now
from core.errors import Conflict, NotFound
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.services import audit


def find_host(workspace: Workspace, name: str) -> Host:
    """Raises NotFound that says which there are."""
    host = hosts_of(workspace).filter(name=name).first()
    if host is None:
        names = hosts_of(workspace).values_list("name", flat=True)[:20]
        offer = _("It has: %(names)s.") % {"names": ", ".join(names)} if names else _("It has none yet.")
        raise NotFound(
            _("There is no host '%(name)s' in workspace '%(workspace)s'. %(offer)s")
            % {"name": name, "workspace": workspace.name, "offer": offer},
            code="unknown_host",
        )
    return host


def drain(context: WorkspaceContext, name: str) -> Host:
    """It gets no new steps; those that run there finish. Draining again changes nothing."""
    return _set_drained(context, name, True)


def undrain(context: WorkspaceContext, name: str) -> Host:
    """It takes steps again."""
    return _set_drained(context, name, False)


@transaction.atomic
def _set_drained(context: WorkspaceContext, name: str, is_drained: bool) -> Host:
    context.require(Role.CONTRIBUTOR).require_person()
    host = find_host(context.workspace, name)
    if host.workspace_id is None:  # other workspaces lose it too
        context.require(Role.OWNER)
    changed = Host.objects.filter(pk=host.pk, drained_at__isnull=is_drained)
    if changed.update(drained_at=now() if is_drained else None):
        audit.note(context, "host.drained" if is_drained else "host.undrained", name)
        outbox.hint(f"list:{context.workspace.name}:compute")
    host.refresh_from_db()
    return host


def end_all_of(workspace_id: UUID) -> None:
    """The workspace is being deleted: its hosts' keys and its enrolment tokens end with it. Inside its transaction."""
    Host.objects.filter(workspace=workspace_id, revoked_at__isnull=True).update(revoked_at=now())
    Enrolment.objects.filter(workspace=workspace_id).delete()


def revoke(context: WorkspaceContext, name: str) -> None:
    """Detach a host: its key is refused from now on, and what runs there counts as lost and is retried by policy.

    Its agent cannot be told, so a script may run on there until it ends; nothing of it is taken any more.
    Raises Conflict for the studio's own machine.
    """
    context.require(Role.OWNER).require_person()
    host = find_host(context.workspace, name)
    if host.workspace_id is None:
        raise Conflict(
            _("'%(name)s' is the studio's own machine and cannot be detached. Drain it to keep steps away from it.")
            % {"name": name},
            code="own_machine",
        )
    # First the key, alone: whatever ends the steps waits for locks, and no new work may come meanwhile.
    with transaction.atomic():
        if Host.objects.filter(pk=host.pk, revoked_at__isnull=True).update(revoked_at=now()):
            audit.note(context, "host.detached", name)
            outbox.hint(f"list:{context.workspace.name}:compute")
    host.refresh_from_db()
    hooks.host_revoked(host)
