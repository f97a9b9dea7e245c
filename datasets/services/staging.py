"""Files that a form has sent before it is sent itself. They lie apart from datastores, under a key of who sent them.

So a form that is refused keeps its files, and one that is left leaves nothing: what nobody registers is removed after a day.
"""

from __future__ import annotations

import re
from datetime import timedelta
from secrets import token_hex
from typing import BinaryIO

from django.core import signing
from django.utils.translation import gettext as _

from core import outbox
from core.clock import now
from core.errors import Invalid, NotFound
from core.storage import Root
from datasets.services.datastores import check_path
from datasets.services.files import ResolvedFile
from datasets.stores import STAGED, root_by_name
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.scopes import Act
from workspaces.services import storage

SALT = "datasets.staged"
KEPT = timedelta(days=1)
# Where on the default datastore files go that are registered: each time to a folder of their own.
FOLDER = "uploads"


def new_key(context: WorkspaceContext) -> str:
    """A key for the files of one form, good for this person in this workspace."""
    return signing.dumps([*_whose(context), token_hex(8)], salt=SALT)


def put(context: WorkspaceContext, key: str, path: str, source: BinaryIO) -> int:
    """Keep one file, and return its size in bytes; the same path again replaces it.

    Raises Invalid, Conflict, and what a full workspace raises.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.UPLOAD)
    whole = f"{_folder(context, key)}/{check_path(path)}"
    size = _root(context.workspace).write(whole, storage.metered(context.workspace, source)).size
    storage.note(context.workspace, size)
    return size


def remove(context: WorkspaceContext, key: str, path: str) -> None:
    context.require(Role.CONTRIBUTOR)
    _root(context.workspace).remove(f"{_folder(context, key)}/{check_path(path)}")


def held(context: WorkspaceContext, key: str) -> list[ResolvedFile]:
    """The files that lie under a key, by their paths. Raises Invalid for a key that is none."""
    folder = _folder(context, key)
    return [
        ResolvedFile(STAGED, each.path, each.path[len(folder) + 1 :], each.size, each.modified)
        for each in _root(context.workspace).walk(folder)
    ]


def publish(context: WorkspaceContext, key: str, name: str) -> str:
    """Move the files to a fresh folder of the default datastore, named after `name`; return that folder's path.

    Raises NotFound when there are none.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.UPLOAD)
    folder, target = _folder(context, key), _target(context)
    if not held(context, key):
        raise NotFound(
            _("There is no file yet. Choose one, or drag it here; files are kept for a day."), code="not_staged"
        )
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80] or "data"
    wanted = f"{FOLDER}/{plain}"
    place, count = wanted, 1
    while target.exists(place):
        count += 1
        place = f"{wanted}-{count}"
    target.take(_root(context.workspace), folder, place)
    outbox.hint(f"list:{context.workspace.name}:datasets")
    return place


def take_back(context: WorkspaceContext, key: str, place: str) -> None:
    """Undo `publish()`: what was not registered waits under its key again."""
    _root(context.workspace).take(_target(context), place, _folder(context, key))


def sweep() -> None:
    """Remove what was sent more than a day ago and never registered."""
    oldest = (now() - KEPT).timestamp()
    for workspace in Workspace.objects.all():
        root = _root(workspace)
        if not root.exists(""):
            continue
        newest: dict[str, float] = {}
        for each in root.walk():
            folder = each.path.split("/", 1)[0]
            newest[folder] = max(each.modified, newest.get(folder, 0.0))
        for folder, moment in newest.items():
            if moment < oldest:
                root.remove(folder)


def _folder(context: WorkspaceContext, key: str) -> str:
    try:
        workspace, person, folder = signing.loads(key, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise Invalid(_("This form's key is not known. Load its page anew."), code="bad_key") from error
    if [workspace, person] != _whose(context):
        raise Invalid(_("This form's key is another's. Load its page anew."), code="bad_key")
    return str(folder)


def _whose(context: WorkspaceContext) -> list[str]:
    return [str(context.workspace.pk), str(context.user.pk if context.user else "")]


def _target(context: WorkspaceContext) -> Root:
    return root_by_name(context.workspace, context.workspace.default_datastore)


def _root(workspace: Workspace) -> Root:
    return root_by_name(workspace, STAGED)
