"""Workspaces are made here, with everything that each of them has from its first moment."""

from __future__ import annotations

from collections.abc import Callable

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from core.errors import Conflict, Forbidden, Invalid, NotFound
from duto.spec.names import is_name
from workspaces.access import Room, hold
from workspaces.models import Member, Role, User, Workspace
from workspaces.scopes import SETTING, Scope, scope_in
from workspaces.services import audit

# What apps above put into a new workspace (datastores, curated environments). They add in their AppConfig.ready();
# each can be repeated, so that a workspace gets later what a later release brings.
on_created: list[Callable[[Workspace], None]] = []

# Names that would read as something else in an address.
TAKEN = frozenset({"api", "static", "accounts", "agent", "new"})


@transaction.atomic
def create_workspace(user: User, name: str, description: str = "") -> Room:
    """A new workspace, furnished, with `user` as its owner."""
    if not is_name("workspace", name) or len(name) > 32 or name in TAKEN:
        raise Invalid(
            _("%(name)r cannot name a workspace: use 1 to 32 letters, digits, hyphens and underscores.")
            % {"name": name},
            code="bad_name",
        )
    try:
        with transaction.atomic():
            workspace = Workspace.objects.create(name=name, description=description)
    except IntegrityError as error:
        raise Conflict(
            _("There is a workspace '%(name)s' already. Choose another name.") % {"name": name}, code="exists"
        ) from error
    Member.objects.create(workspace=workspace, user=user, role=Role.OWNER)
    furnish(workspace)
    room = Room(workspace, Role.OWNER, user=user)
    audit.note(room, "workspace.created", name)
    return room


def create_for_owner(user: User, name: str, description: str = "") -> Room:
    """A further workspace. Raises Forbidden for those who own none: they were let in to work, not to settle."""
    if not Member.objects.filter(user=user, role=Role.OWNER).exists():
        raise Forbidden(_("Only who owns a workspace may make another. Ask an owner."))
    return create_workspace(user, name, description)


def furnish(workspace: Workspace) -> None:
    """Put in what every workspace has, as far as it is not there yet."""
    for add in on_created:
        add(workspace)


@transaction.atomic
def change(room: Room, *, description: str | None = None, default_datastore: str | None = None) -> Workspace:
    """Change what an owner may change. The app of the datastores has checked the datastore's name."""
    workspace = room.require(Role.OWNER).require_person().workspace
    if description is not None:
        workspace.description = description
    if default_datastore is not None:
        workspace.default_datastore = default_datastore
    workspace.save(update_fields=["description", "default_datastore"])
    audit.note(room, "workspace.changed", workspace.name)
    return workspace


@transaction.atomic
def set_run_token_scope(room: Room, wanted: str) -> Workspace:
    """How far the tokens of runs reach, from the next call on. Raises Invalid for no scope, Forbidden for no owner."""
    room.require(Role.OWNER).require_person()
    if wanted not in Scope.values:
        raise Invalid(
            _("%(wanted)r is no scope of run tokens. Use one of: %(names)s.")
            % {"wanted": wanted, "names": ", ".join(Scope.values)}
        )
    # Locked and read anew: other settings stand in the same document.
    workspace = hold(room).require(Role.OWNER).workspace
    was = scope_in(workspace.settings)
    workspace.settings = {**workspace.settings, SETTING: wanted}
    workspace.save(update_fields=["settings"])
    room.workspace.settings = workspace.settings
    audit.note(room, "workspace.run_token_scope", wanted, was=was.value)
    return room.workspace


def by_name(name: str) -> Workspace:
    """The workspace, for commands on this machine. Raises NotFound."""
    workspace = Workspace.objects.filter(name=name).first()
    if workspace is None:
        raise NotFound(_("There is no workspace '%(name)s'.") % {"name": name}, workspace=name)
    return workspace
