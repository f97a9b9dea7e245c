"""Files that a form has sent before it is sent itself. They lie apart from datastores, under a key of who sent them.

So a form that is refused keeps its files, and one that is left leaves nothing: what nobody registers is removed after a day.

A large file comes piece by piece. What is there of it lies beside the folder of its form until it is whole, under its size and
time of change, so that the same file that is sent again goes on where it was, and another one does not. Who began it last, of
several windows of one form, is who sends it: that is noted beside the pieces.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex
from typing import Any, BinaryIO, cast

from django.core import signing
from django.utils.translation import gettext as _

from core import outbox
from core.clock import now
from core.errors import Conflict, Invalid, NotFound
from core.storage import Root, Stored
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
# What a note of who sends a file is named after.
BY = "by-"
CHUNK = 1 << 20
# So many files are named where some are not whole.
NAMED = 10


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
    """Keep one file, and return its size in bytes; the same path again replaces it, and what is there of it in pieces.

    Raises Invalid, Conflict, and what a full workspace raises.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.UPLOAD)
    folder, path, root = _folder(context, key), check_path(path), _root(context.workspace)
    before = _refuse_in_the_way(root, folder, path)
    size = _write(root, f"{folder}/{path}", storage.metered(context.workspace, source))
    storage.note(context.workspace, size)
    for place in before:
        _forget(root, place)
    return size


@dataclass(frozen=True)
class Piece:
    """A part of a file: where it begins, the size of the whole in bytes, when that was changed, in milliseconds, and a word
    that stands for who sends it."""

    offset: int
    total: int
    changed: int
    sender: str = ""


@dataclass(frozen=True)
class Part:
    """A file of which only the beginning is here."""

    path: str
    received: int
    total: int


def put_piece(context: WorkspaceContext, key: str, path: str, piece: Piece, source: BinaryIO) -> int:
    """Keep a piece of a file; how many bytes of it are here now, which is where to go on. With the last one the file is there.

    Bytes that are here already have to be the same: else all is taken back, and the answer is 0. One that begins after what
    is here changes nothing. The piece at 0 takes the path over from whoever sends it, too; the next piece of that one is
    refused. Raises Invalid, Conflict, and what a full workspace raises.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.UPLOAD)
    folder, path, root = _folder(context, key), check_path(path), _root(context.workspace)
    if not 0 <= piece.offset <= piece.total:
        raise Invalid(_("A piece of a file begins inside of it."), code="bad_range")
    whole, place = f"{folder}/{path}", _part(folder, path, piece)
    others = [each for each in _refuse_in_the_way(root, folder, path) if each != place]
    here, received, senders = _here(root, place)
    if piece.offset == 0:
        for each in others:
            _forget(root, each)
    elif others or senders not in ([], [piece.sender]):
        raise Conflict(
            _("Another window sends '%(path)s' now. Leave it to that one, or try again to send it from here.")
            % {"path": path},
            code="sent_elsewhere",
        )
    if piece.offset > received:
        return piece.total if received == 0 and _ends_so(root, whole, piece, source) else received
    if received == 0:
        storage.require(context.workspace, piece.total)
    if senders != [piece.sender]:
        for sender in senders:
            root.remove(f"{place}/{BY}{sender}")
        root.write(f"{place}/{BY}{piece.sender}", io.BytesIO())
    if not _begins_with(source, _Joined(root, here, piece.offset), received - piece.offset):
        _forget(root, place)
        return 0
    if received < piece.total:
        written = root.write(f"{place}/{received:015}", storage.metered(context.workspace, source))
        storage.note(context.workspace, written.size)
        if not written.size or received + written.size > piece.total:
            root.remove(f"{place}/{received:015}")
        if received + written.size > piece.total:
            raise Invalid(_("More of the file arrives than was said. Send it again."), code="bad_range")
        here, received, _senders = _here(root, place)  # another request may have brought, or taken back, some of it
    if received == piece.total:
        _write(root, whole, cast(BinaryIO, io.BufferedReader(_Joined(root, here), CHUNK)))
        _forget(root, place)
    return received


def _write(root: Root, key: str, source: BinaryIO) -> int:
    """Write a whole file of a form; its size in bytes. Raises Conflict where the form was sent meanwhile."""
    try:
        return root.write(key, source).size
    except FileNotFoundError as error:  # its folder went while it was written
        raise Conflict(
            _("The form was sent, or this file left out, before all of it was there. Load the page anew."),
            code="form_sent",
        ) from error


def _mine(root: Root, place: str) -> list[Stored]:
    """What lies at the place of a file itself: those of other files may be below it."""
    return [each for each in root.walk(place) if "/" not in each.path[len(place) + 1 :]]


def _here(root: Root, place: str) -> tuple[list[Stored], int, list[str]]:
    """The pieces that follow one another from the beginning, how many bytes they are, and who sends them. Two requests that bring
    the same file at a time leave pieces that lie over each other: what comes after the first gap or overlap is not counted, and
    taken back."""
    found, received, senders = list[Stored](), 0, list[str]()
    for each in _mine(root, place):
        name = each.path[len(place) + 1 :]
        if name == f"{received:015}":
            found.append(each)
            received += each.size
        elif name.startswith(BY):
            senders.append(name.removeprefix(BY))
        else:
            root.remove(each.path)
    return found, received, senders


class _Joined(io.RawIOBase):
    """Files of a root one after the other, from a place in all of them on."""

    def __init__(self, root: Root, files: Sequence[Stored], start: int = 0) -> None:
        self._root, self._left, self._start = root, list(files), start
        self._file: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._file is not None or self._left:
            if self._file is None:
                first = self._left.pop(0)
                if first.size <= self._start:
                    self._start -= first.size
                    continue
                self._file = self._root.open(first.path)
                self._file.seek(self._start)
                self._start = 0
            if data := self._file.read(len(buffer)):
                buffer[: len(data)] = data
                return len(data)
            self._file.close()
            self._file = None
        return 0


def _begins_with(source: BinaryIO, known: _Joined, size: int) -> bool:
    """Whether so many bytes of a source, or all that it has, are those that are known."""
    while size > 0 and (data := source.read(min(CHUNK, size))):
        wanted = b""
        while len(wanted) < len(data) and (more := known.read(len(data) - len(wanted))):
            wanted += more
        if data != wanted:
            return False
        size -= len(data)
    return True


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
    folder, root = _folder(context, key), _root(context.workspace)
    return [
        Part(path, sum(each.size for each in _mine(root, place)), int(_said(folder, place)[0].partition("-")[0]))
        for path, places in _parts(root, folder).items()
        for place in places
    ]


def require_whole(context: WorkspaceContext, key: str) -> None:
    """Raises Conflict that names the files of which only a beginning is here."""
    names = [f"'{each.path}'" for each in parts(context, key)]
    if names:
        shown = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
        raise Conflict(
            _("Of these files only a part is here yet: %(files)s. Wait for them, send them again, or leave them out.")
            % {"files": shown},
            code="not_whole",
        )


def _part(folder: str, path: str, piece: Piece) -> str:
    return f"{folder}{PARTS}/{piece.total}-{piece.changed}/{path}"


def _said(folder: str, place: str) -> tuple[str, str]:
    """Of the place of pieces: (size and time of change, path) of their file."""
    said, _slash, path = place[len(f"{folder}{PARTS}/") :].partition("/")
    return said, path


def _parts(root: Root, folder: str) -> dict[str, list[str]]:
    """Where pieces lie, by the paths of their files."""
    found: dict[str, list[str]] = {}
    for place in dict.fromkeys(each.path.rpartition("/")[0] for each in root.walk(f"{folder}{PARTS}")):
        found.setdefault(_said(folder, place)[1], []).append(place)
    return found


def _forget(root: Root, place: str) -> None:
    for each in _mine(root, place):
        root.remove(each.path)


def _refuse_in_the_way(root: Root, folder: str, path: str) -> list[str]:
    """Where pieces of files of this path lie. Raises Conflict where another file of the form is a folder of it, or lies below."""
    top, whole = f"{folder}/", f"{folder}/{path}"
    above = [path[: each.start()] for each in re.finditer("/", path)]
    held = [each for each in above if root.is_file(top + each)]
    below = next(iter(root.walk(whole)), None)
    if below is not None and below.path != whole:
        held.append(below.path[len(top) :])
    parts = _parts(root, folder)
    held += [each for each in parts if each in above or each.startswith(f"{path}/")]
    if held:
        raise Conflict(
            _("'%(path)s' and '%(other)s' cannot be files of one folder. Leave one of them out.")
            % {"path": path, "other": held[0]},
            code="files_clash",
        )
    if below is None and root.local is not None and root.is_folder(whole):  # of files that were left out
        root.remove(whole)
    return parts.get(path, [])


def remove(context: WorkspaceContext, key: str, path: str) -> None:
    """Leave out a file, and what is there of it in pieces. Nothing to leave out is fine."""
    context.require(Role.CONTRIBUTOR)
    folder, path, root = _folder(context, key), check_path(path), _root(context.workspace)
    if root.is_file(f"{folder}/{path}"):
        root.remove(f"{folder}/{path}")
    for place in _parts(root, folder).get(path, []):
        _forget(root, place)


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

    Raises NotFound when there are none, Conflict when some are not whole.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.UPLOAD)
    folder, target = _folder(context, key), _target(context)
    require_whole(context, key)
    none = NotFound(
        _("There is no file yet. Choose one, or drag it here; files are kept for a day."), code="not_staged"
    )
    if not held(context, key):
        raise none
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80] or "data"
    wanted = f"{FOLDER}/{plain}"
    place, count = wanted, 1
    while target.exists(place) or not _taken(context, target, folder, place, none):
        count += 1
        place = f"{wanted}-{count}"
    outbox.hint(f"list:{context.workspace.name}:datasets")
    return place


def _taken(context: WorkspaceContext, target: Root, folder: str, place: str, none: NotFound) -> bool:
    """Move the folder there; False where another form took the place in this moment. Raises `none` where it took the folder."""
    try:
        target.take(_root(context.workspace), folder, place)
    except FileNotFoundError as error:
        raise none from error
    except Conflict:
        if not target.exists(place):
            raise
        return False
    return True


def take_back(context: WorkspaceContext, key: str, place: str) -> None:
    """Undo `publish()`: what was not registered waits under its key again, beside what was sent meanwhile. Of two files of one
    path, or of which one is where the other needs a folder, the later one stays."""
    root, target, folder = _root(context.workspace), _target(context), _folder(context, key)
    for each in list(target.walk(place)):
        to = f"{folder}{each.path[len(place) :]}"
        with contextlib.suppress(Conflict):
            _refuse_in_the_way(root, folder, to[len(folder) + 1 :])
            if not root.is_file(to):
                root.take(target, each.path, to)
    target.remove(place)


def sweep() -> None:
    """Remove what was sent more than a day ago and never registered."""
    oldest = (now() - KEPT).timestamp()
    for workspace in Workspace.objects.all():
        root = _root(workspace)
        if not root.exists(""):
            continue
        newest: dict[str, float] = {}
        folders: dict[str, set[str]] = {}
        for each in root.walk():
            folder = each.path.split("/", 1)[0]
            form = folder.partition(".")[0]  # files that are there wait for one that is still on its way
            newest[form] = max(each.modified, newest.get(form, 0.0))
            folders.setdefault(form, set()).add(folder)
        for form, moment in newest.items():
            if moment < oldest:
                for folder in folders[form]:
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
