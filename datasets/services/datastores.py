"""Datastores of a workspace, and the files on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _

from core import once, outbox
from core.errors import Conflict, Invalid, NotFound
from core.storage import Root, Stored, safe
from datasets import hooks
from datasets.kinds import KINDS
from datasets.kinds.base import refused
from datasets.models import Datastore
from datasets.stored_messages import refusal, say
from datasets.stores import STANDARD, WEB, root_of
from duto.spec.filenames import too_long, unescaped_path
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.scopes import Act
from workspaces.services import audit, storage, workspaces


def add_standard(workspace: Workspace) -> None:
    """Give the workspace the datastores that all have."""
    for name in STANDARD:
        store, _ = Datastore.objects.get_or_create(workspace=workspace, name=name)
        if (folder := root_of(store).local) is not None:
            folder.mkdir(parents=True, exist_ok=True)


def datastore(workspace: Workspace, name: str) -> Datastore:
    """The datastore. Raises NotFound that says which there are."""
    if name == WEB:
        return Datastore(workspace=workspace, name=WEB)
    found = Datastore.objects.select_related("workspace").filter(workspace=workspace, name=name).first()
    if found is None:
        names = Datastore.objects.filter(workspace=workspace).order_by("name").values_list("name", flat=True)
        facts = {"name": name, "workspace": workspace.name, "names": ", ".join(names)}
        raise refusal(NotFound, say("no_such_store", **facts), code="unknown_datastore", **facts)
    return found


def open_to_people(workspace: Workspace, name: str) -> Datastore:
    """The datastore for pages and REST: what the studio keeps for itself is not one."""
    return datastore(workspace, name if name != WEB else "")


@transaction.atomic
def set_default(context: WorkspaceContext, name: str) -> Datastore:
    """The datastore that takes outputs which name none."""
    workspaces.change(context, default_datastore=name)
    return open_to_people(context.workspace, name)


def check_default(workspace: Workspace, name: str) -> str:
    """The name of a datastore that may be the default one. Raises NotFound, and Conflict for one that nothing is written to."""
    found = open_to_people(workspace, name)
    if not KINDS[found.kind].is_writable:
        text = _("Outputs go to the default datastore, and '%(name)s' is only read. Choose one that takes files.")
        raise Conflict(text % {"name": name}, code="read_only")
    return found.name


def require_writable(store: Datastore) -> Datastore:
    """The datastore. Raises StoreError for one that is only read."""
    if not KINDS[store.kind].is_writable:
        raise refused(store.name, "permission", "store_read_only")
    return store


def check_path(path: str) -> str:
    """A path that may be written on a datastore. Raises Invalid."""
    key = safe(path)
    if not key or too_long(unescaped_path(key)):
        raise Invalid(
            _("%(path)r cannot name a file: use up to 1024 characters.") % {"path": path[:80]}, code="bad_path"
        )
    return key


def put_file(
    context: WorkspaceContext,
    name: str,
    path: str,
    source: BinaryIO,
    *,
    overwrite: bool,
    answer: Callable[[Stored], dict[str, Any]] | None = None,
) -> Stored:
    """Write one file. The same bytes again leave the stored file, and with it every fingerprint, as it was.

    `answer`: what the present request's key stands for, where this file is all that it brings (core.once). Raises
    Conflict when it exists and may not be replaced, Repeated.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.UPLOAD)
    store = require_writable(open_to_people(context.workspace, name))
    root, key = root_of(store), check_path(path)
    is_own = store.kind == Datastore.Kind.LOCAL  # what lies elsewhere takes nothing of the studio's room
    if is_own and root.is_folder(key):
        raise Conflict(_("%(key)r is a folder.") % {"key": key}, code="exists")
    if context.is_run:
        overwrite = _may_replace(context, store, root, key, overwrite)
    present = root.digest(key) if overwrite and is_own and root.is_file(key) else None
    metered = storage.metered(store.workspace, source) if is_own else source
    with root.beside(key, metered, overwrite=overwrite) as part:
        stored = Stored(key, part.written.size, 0.0)
        with transaction.atomic():
            if answer is not None:
                once.settle(status=201, body=answer(stored), content=part.written.digest)
            context.replaced("file", f"{store.name}/{key}")
            if part.written.digest != present:
                part.take_place()
    if is_own:
        storage.note(store.workspace, stored.size)
    outbox.hint(f"list:{context.workspace.name}:datasets")
    return stored


def delete_file(context: WorkspaceContext, name: str, path: str) -> None:
    """Remove one file or folder. Raises NotFound."""
    context.require(Role.CONTRIBUTOR)
    store = require_writable(open_to_people(context.workspace, name))
    root, key = root_of(store), check_path(path)
    if not root.exists(key):
        raise NotFound(_("There is nothing at '%(key)s' on '%(name)s'.") % {"key": key, "name": name})
    if context.is_run:
        held = [key] if root.is_file(key) else [each.path for each in root.walk(key)]
        context.require_own("file", *(f"{store.name}/{each}" for each in held))
    root.remove(key)
    audit.note(context, "datastore.removed", f"{name}/{key}")
    outbox.hint(f"list:{context.workspace.name}:datasets")


def _may_replace(context: WorkspaceContext, store: Datastore, root: Root, key: str, wanted: bool) -> bool:
    """Whether a step replaces the file at `key`. Raises Forbidden for one that is another's."""
    hooks.file_written(context, store.name, key)
    if not wanted or not root.exists(key):
        return False  # one that comes in this very moment is another's: writing then refuses
    context.require_own("file", f"{store.name}/{key}")
    return True
