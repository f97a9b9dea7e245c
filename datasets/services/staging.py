"""Files that a form has sent before it is sent itself. They lie apart from datastores, under a key of who sent them.

So a form that is refused keeps its files, and one that is left leaves nothing: what nobody registers is removed after a day.

A large file comes piece by piece. What is there of it lies beside the folder of its form until it is whole, under its size and
time of change, so that the same file that is sent again goes on where it was, and another one does not.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
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
# What stands after the folder of a form for what is beside it.
PARTS, SAMPLE = ".parts", ".sample"
CHUNK = 1 << 20


def new_key(context: WorkspaceContext) -> str:
    """A key for the files of one form, good for this person in this workspace."""
    return signing.dumps([*_whose(context), token_hex(8)], salt=SALT)


def is_key(context: WorkspaceContext, key: str) -> bool:
    """Whether it is a key of this person in this workspace."""
    try:
        return bool(_folder(context, key))
    except Invalid:
        return False


def put(context: WorkspaceContext, key: str, path: str, source: BinaryIO) -> int:
    """Keep one file, and return its size in bytes; the same path again replaces it.

    Raises Invalid, Conflict, and what a full workspace raises.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.UPLOAD)
    whole = f"{_folder(context, key)}/{check_path(path)}"
    size = _root(context.workspace).write(whole, storage.metered(context.workspace, source)).size
    storage.note(context.workspace, size)
    return size


@dataclass(frozen=True)
class Piece:
    """A part of a file: where it begins, the size of the whole in bytes, and when that was changed, in milliseconds."""

    offset: int
    total: int
    changed: int


@dataclass(frozen=True)
class Part:
    """A file of which only the beginning is here."""

    path: str
    received: int
    total: int


def put_piece(context: WorkspaceContext, key: str, path: str, piece: Piece, source: BinaryIO) -> int:
    """Keep a piece of a file; how many bytes of it are here now, which is where to go on. With the last one the file is there.

    Bytes that are here already have to be the same: else all is taken back, and the answer is 0. One that begins after what
    is here changes nothing. Raises Invalid, Conflict, and what a full workspace raises.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.UPLOAD)
    folder, path, root = _folder(context, key), check_path(path), _root(context.workspace)
    if not 0 <= piece.offset <= piece.total:
        raise Invalid(_("A piece of a file begins inside of it."), code="bad_range")
    _forget_others(root, folder, path, piece)
    whole, place = f"{folder}/{path}", _part(folder, path, piece)
    received = root.size(place) if root.exists(place) else 0
    if piece.offset > received:
        return piece.total if received == 0 and _ends_so(root, whole, piece, source) else received
    if received == 0:
        storage.require(context.workspace, piece.total)
    file = Path(root.full(place))
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("r+b" if received else "w+b") as target:
        target.seek(piece.offset)
        while data := source.read(CHUNK):
            known = target.read(min(len(data), max(0, received - target.tell())))
            if data[: len(known)] != known:
                target.truncate(0)
                return 0
            if target.tell() + len(data) - len(known) > piece.total:
                raise Invalid(_("More of the file arrives than was said. Send it again."), code="bad_range")
            target.write(data[len(known) :])
        target.flush()
        os.fsync(target.fileno())
        now_here = max(received, target.tell())
    storage.note(context.workspace, now_here - received)
    if now_here == piece.total:
        root.remove(whole)
        root.adopt(file, whole)
    return now_here


def _ends_so(root: Root, whole: str, piece: Piece, source: BinaryIO) -> bool:
    """Whether the file is there, and this is its end: its sender has not heard of it."""
    if not root.is_file(whole) or root.size(whole) != piece.total:
        return False
    with root.open(whole) as file:
        file.seek(piece.offset)
        while data := source.read(CHUNK):
            if file.read(len(data)) != data:
                return False
        return not file.read(1)


def parts(context: WorkspaceContext, key: str) -> list[Part]:
    """The files of which only a beginning is here. Raises Invalid for a key that is none."""
    folder = f"{_folder(context, key)}{PARTS}"
    found = []
    for each in _root(context.workspace).walk(folder):
        said, _slash, path = each.path[len(folder) + 1 :].partition("/")
        found.append(Part(path, each.size, int(said.partition("-")[0])))
    return found


def _part(folder: str, path: str, piece: Piece) -> str:
    return f"{folder}{PARTS}/{piece.total}-{piece.changed}/{path}"


def _forget_others(root: Root, folder: str, path: str, piece: Piece | None = None) -> None:
    """Take back what is there of other files of this path."""
    mine = _part(folder, path, piece) if piece is not None else ""
    for each in list(root.walk(f"{folder}{PARTS}")):
        if each.path != mine and each.path.split("/", 2)[2] == path:
            root.remove(each.path)


def remove(context: WorkspaceContext, key: str, path: str) -> None:
    context.require(Role.CONTRIBUTOR)
    folder, path, root = _folder(context, key), check_path(path), _root(context.workspace)
    root.remove(f"{folder}/{path}")
    _forget_others(root, folder, path)


def keep_sample(context: WorkspaceContext, key: str, data: BinaryIO) -> list[ResolvedFile]:
    """Rows that a form shows and does not register, as a Parquet file under its key."""
    context.require(Role.CONTRIBUTOR)
    place = f"{_folder(context, key)}{SAMPLE}/rows.parquet"
    made = _root(context.workspace).write(place, data)
    return [ResolvedFile(STAGED, place, "rows.parquet", made.size)]


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
