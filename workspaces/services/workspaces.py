"""Workspaces are made here, with everything that each of them has from its first moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.clock import now
from core.errors import Conflict, Forbidden, Invalid, NotFound
from duto.spec.names import is_name
from workspaces import hooks, limits
from workspaces.access import WorkspaceContext, hold
from workspaces.limits import Limits
from workspaces.models import ApiToken, Member, Role, User, Workspace
from workspaces.scopes import SETTING, Scope, scope_in
from workspaces.services import audit, edits, tokens

# Names that would read as something else in an address.
TAKEN = frozenset({"api", "static", "accounts", "agent", "new"})
# As deleted workspaces are called until they are gone.
GONE = "deleted-"
MOST_TAGS, LONGEST_TAG, LONGEST_TEXT = 50, 256, 4000


@transaction.atomic
def create_workspace(user: User, name: str, description: str = "", token: ApiToken | None = None) -> WorkspaceContext:
    """A new workspace with all that every one has, and `user` as its owner. Raises Invalid for a bad name, Conflict for a taken one."""
    if name in TAKEN or name.startswith(GONE):
        raise Invalid(_("%(name)r is a name of the studio's own. Choose another.") % {"name": name}, code="bad_name")
    if not is_name("workspace", name):
        raise Invalid(
            _("%(name)r cannot name a workspace: use 1 to 32 letters, digits, hyphens and underscores.")
            % {"name": name},
            code="bad_name",
        )
    try:
        with transaction.atomic():
            workspace = Workspace.objects.create(name=name, description=_text(description), storage_at=now())
    except IntegrityError as error:
        raise Conflict(
            _("There is a workspace '%(name)s' already. Choose another name.") % {"name": name}, code="exists"
        ) from error
    Member.objects.create(workspace=workspace, user=user, role=Role.OWNER)
    hooks.workspace_created(workspace)
    context = WorkspaceContext(workspace, Role.OWNER, user=user)
    audit.note(replace(context, token=token), "workspace.created", name)
    return context


@transaction.atomic
def create_for_owner(user: User, name: str, description: str = "", token: ApiToken | None = None) -> WorkspaceContext:
    """A further workspace. Raises Forbidden for those who own none: they were let in to work, not to settle.

    A token makes one where it carries an owner's role, and opens it from then on: by a token of its own there, which
    nobody knows, and which ends with it.
    """
    if token is not None:
        hold(WorkspaceContext(token.workspace, Role.READER, user, token)).require_person().require(Role.OWNER)
    if not may_make(user):
        raise Forbidden(_("Only who owns a workspace may make another. Ask an owner."))
    context = create_workspace(user, name, description, token)
    if token is None:
        return context
    minted = tokens.mint(user, context.workspace, Role.OWNER, token.name, token.expires_at, parent=token)
    return replace(context, token=minted.token)


def may_make(user: User) -> bool:
    """Whether this person may make a further workspace."""
    return Member.objects.filter(user=user, role=Role.OWNER).exists()


@transaction.atomic
def change(
    context: WorkspaceContext,
    *,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    default_datastore: str | None = None,
    default_compute: str | None = None,
    seen: edits.Seen = None,
) -> Workspace:
    """Change what an owner may change; None leaves a thing as it is.

    Raises Invalid for bad tags, NotFound for a default that is not there, PreconditionFailed where these are not as they were
    `seen`. `default_compute` may be empty.
    """
    workspace = hold(context).require(Role.OWNER).require_person().workspace
    edits.require_unchanged(seen, about(workspace), workspace)
    wanted: dict[str, Any] = {"default_datastore": default_datastore, "default_compute": default_compute}
    values: dict[str, Any] = {
        name: _default(workspace, name, value) for name, value in wanted.items() if value is not None
    }
    if description is not None:
        values["description"] = _text(description)
    if tags is not None:
        values["tags"] = read_tags(tags)
    changed = {name: value for name, value in values.items() if value != getattr(workspace, name)}
    if changed:
        Workspace.objects.filter(pk=workspace.pk).update(**changed)
    for name, value in values.items():
        setattr(workspace, name, value)
        setattr(context.workspace, name, value)
    if changed:
        edits.note(context, "workspace.changed", workspace.name, about(workspace), state(workspace), **changed)
    return context.workspace


def about(workspace: Workspace) -> dict[str, Any]:
    """All that `change` may overwrite."""
    return {name: getattr(workspace, name) for name in ("description", "tags", "default_datastore", "default_compute")}


@transaction.atomic
def set_limits(context: WorkspaceContext, document: Mapping[str, Any], *, seen: edits.Seen = None) -> Limits:
    """Change what the workspace may take; what the document does not name stays.

    What is there already stays where it is more than that: only more is refused. Raises Invalid, Forbidden, and
    PreconditionFailed where the limits are not as they were `seen`.
    """
    workspace = hold(context).require(Role.OWNER).require_person().workspace
    was = limits.of_settings(workspace.settings)
    edits.require_unchanged(seen, was.as_document(), workspace)
    wanted = limits.read(document, was)
    _keep(context, workspace, {limits.SETTING: wanted.as_document()})
    left = wanted.as_document(), state(workspace)
    edits.note(context, "workspace.limits", workspace.name, *left, **wanted.as_document())
    return wanted


def state(workspace: Workspace) -> dict[str, Any]:
    """All that an owner may change of it, one thing and the other."""
    return {
        **about(workspace),
        "limits": limits.of_settings(workspace.settings).as_document(),
        "audit_days": limits.audit_days_in(workspace.settings),
        "run_token_scope": scope_in(workspace.settings),
    }


@transaction.atomic
def set_audit_days(context: WorkspaceContext, days: int | None) -> int | None:
    """For how many days the audit is kept; None is for ever. Raises Invalid, Forbidden."""
    workspace = hold(context).require(Role.OWNER).require_person().workspace
    was = limits.audit_days_in(workspace.settings)
    kept = limits.read_audit_days(days)
    _keep(context, workspace, {limits.AUDIT_DAYS: kept})
    edits.note(context, "workspace.audit_days", workspace.name, state(workspace), days=kept, was=was)
    return kept


@transaction.atomic
def set_archived(context: WorkspaceContext, is_archived: bool) -> Workspace:
    """Archive the workspace, or bring it back. Archiving again changes nothing.

    Raises Conflict (`still_running`) while something runs: nobody could cancel it any more.
    """
    workspace = hold(context).require_role(Role.OWNER).require_person().workspace
    if is_archived == workspace.is_archived:
        return context.workspace
    if is_archived and (live := hooks.open_runs(workspace)):
        text = ngettext(
            "%(n)d run is not over yet. Cancel it first, or wait for its end.",
            "%(n)d runs are not over yet. Cancel them first, or wait for their end.",
            live,
        )
        raise Conflict(text % {"n": live}, code="still_running", live=live)
    context.workspace.archived_at = now() if is_archived else None
    Workspace.objects.filter(pk=workspace.pk).update(archived_at=context.workspace.archived_at)
    audit.note(context, "workspace.archived" if is_archived else "workspace.restored", workspace.name)
    return context.workspace


def read_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Names and texts, as they are kept. Raises Invalid."""
    found = {str(name).strip(): value for name, value in tags.items()}
    for name, value in found.items():
        if not name or not isinstance(value, str) or max(len(name), len(value)) > LONGEST_TAG:
            raise Invalid(
                _("A tag is a name and a text of at most %(most)s characters each: '%(name)s' is none.")
                % {"most": LONGEST_TAG, "name": name[:40]},
                code="bad_tags",
            )
    if len(found) > MOST_TAGS:
        raise Invalid(_("A workspace has at most %(most)s tags.") % {"most": MOST_TAGS}, code="bad_tags")
    return found


def _text(description: str) -> str:
    if len(description) > LONGEST_TEXT:
        raise Invalid(_("A description has at most %(most)s characters.") % {"most": LONGEST_TEXT})
    return description


def _default(workspace: Workspace, name: str, value: str) -> str:
    if name == "default_datastore":
        return hooks.check_default_datastore(workspace, value)
    return hooks.check_default_compute(workspace, value) if value else ""


def _keep(context: WorkspaceContext, workspace: Workspace, values: dict[str, Any]) -> None:
    """Write into the settings of a workspace whose row is locked and read anew: other settings stand there, too."""
    context.workspace.settings = workspace.settings = {**workspace.settings, **values}
    Workspace.objects.filter(pk=workspace.pk).update(settings=context.workspace.settings)


@transaction.atomic
def set_run_token_scope(context: WorkspaceContext, wanted: str) -> Workspace:
    """How far the tokens of runs reach, from the next call on. Raises Invalid for no scope, Forbidden for no owner."""
    context.require(Role.OWNER).require_person()
    if wanted not in Scope.values:
        raise Invalid(
            _("%(wanted)r is no scope of run tokens. Use one of: %(names)s.")
            % {"wanted": wanted, "names": ", ".join(Scope.values)}
        )
    # Locked and read anew: other settings stand in the same document.
    workspace = hold(context).require(Role.OWNER).workspace
    was = scope_in(workspace.settings)
    _keep(context, workspace, {SETTING: wanted})
    edits.note(context, "workspace.run_token_scope", wanted, state(workspace), was=was.value)
    return context.workspace


def by_name(name: str) -> Workspace:
    """The workspace, for commands on this machine. Raises NotFound."""
    workspace = Workspace.objects.filter(name=name).first()
    if workspace is None:
        raise NotFound(_("There is no workspace '%(name)s'.") % {"name": name}, workspace=name)
    return workspace
