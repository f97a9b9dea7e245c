"""Files that grow while somebody reports: logs, samples, ledgers. What is over is kept as a file like others.

Where the studio's own files lie in its data directory, a spool is a file of `logs/`. Where they lie on an object store
(`DUTO_ARTIFACT_STORE`), which appends to nothing, it is pieces in the database: every web process takes and shows them, and
they outlast the store's absence. So the database stays small, each few MiB of them go to the store as one object, and with the
end of the spool all of it does, by a worker (docs/artifact-store.md).
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from django.db import connection, transaction

from core.errors import NotFound, StudioError
from core.heartbeats import beat
from core.models import Beat, ClosedSpool, SpoolPiece
from core.pieces import PieceReader
from core.prepared import Probe
from core.storage import CHUNK, data_dir, is_own_far, own_folder
from core.work import after_commit, send

log = logging.getLogger(__name__)
# So many bytes of a spool lie in the database before they go to the store.
PACKED = 4 << 20
# So many rows are read at a time.
ROWS = 200
TASK = "core.move_spools"
# Whoever moves them says so between two; after this silence another goes on.
LEASE, SILENCE = "spools", timedelta(minutes=2)


def place(name: str) -> Path:
    """Where its bytes lie on this machine's disk, in a studio that keeps its files there."""
    return data_dir() / "logs" / name


@contextlib.contextmanager
def taking(name: str) -> Iterator[None]:
    """Bytes are written and counted in this block. It holds together what it has to: on a disk nothing, in the database both."""
    if not is_own_far():
        yield
        return
    with transaction.atomic():
        if connection.vendor == "postgresql":
            # Of two who bring the same bytes the second finds them counted. SQLite has one writer.
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"spool:{name}"])
        yield


def write(name: str, offset: int, data: bytes) -> None:
    """Put bytes at a place of the spool, which is made where there is none. Whoever counts the bytes does so afterwards."""
    if not is_own_far():
        _write(place(name), offset, data)
        return
    # What was there was never counted, or is of another epoch.
    SpoolPiece.objects.filter(name=name, offset__gte=offset).delete()
    SpoolPiece.objects.create(name=name, offset=offset, size=len(data), data=data)
    if offset // PACKED != (offset + len(data)) // PACKED:
        after_commit(partial(_pack, name))


def reader(name: str, moved: Callable[[], BinaryIO] | None = None) -> BinaryIO:
    """A seekable reader. It may hold more bytes than were counted. `moved` opens what the spool has become, should it be closed
    while it is read.

    Raises FileNotFoundError once it is closed, and before anything was written.
    """
    if not is_own_far():
        return place(name).open("rb")
    if not SpoolPiece.objects.filter(name=name).exists():
        raise FileNotFoundError(name)
    return cast(BinaryIO, io.BufferedReader(_Pieces(name, moved), CHUNK))


def close(name: str, size: int, folder: str, key: str) -> None:
    """Have its first `size` bytes be the file `key` of a folder of the studio's own, and what is beyond nothing.

    May be called again. Bytes that are not there are not made up: then there is no file. On an object store it is there once
    a worker has moved it, and read from its pieces until then: who ends a run waits for no store.
    """
    if is_own_far():
        row = {"size": size, "folder": folder, "key": key, "is_removed": False}
        ClosedSpool.objects.update_or_create(name=name, defaults=row)
        if not size and not SpoolPiece.objects.filter(name=name).exists():
            SpoolPiece.objects.create(name=name, offset=0, size=0, data=b"")
        return
    source, store = place(name), own_folder(folder)
    if not source.exists():
        if size or store.exists(key):
            return
        _write(source, 0, b"")
    os.truncate(source, size)
    store.adopt(source, key)


def closed(folder: str, key: str) -> tuple[str, int] | None:
    """(name, size) of the spool that is to become this file, and is not moved yet."""
    return ClosedSpool.objects.filter(folder=folder, key=key, is_removed=False).values_list("name", "size").first()


def remove(name: str) -> None:
    """Nothing to remove is fine."""
    if not is_own_far():
        place(name).unlink(missing_ok=True)
        return
    packed = SpoolPiece.objects.filter(name=name, data__isnull=True).exists()
    # Whoever is just moving it would make it anew: the row says that what came of it goes, too.
    ClosedSpool.objects.filter(name=name).update(is_removed=True)
    SpoolPiece.objects.filter(name=name).delete()
    if packed:
        own_folder("logs").remove(name)


_CLOSED = Probe(ClosedSpool.objects.all)


def wake() -> None:
    """For the ticker: have those moved that are closed."""
    if is_own_far() and _CLOSED():
        send(TASK)


def move_closed() -> int:
    """Move what is closed to where it is kept; how many were. One does so at a time; the first refusal of the store ends it."""
    owner, count = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}", 0
    try:
        while beat(LEASE, owner, silence=SILENCE):
            row = ClosedSpool.objects.order_by("closed_at").first()
            if row is None:
                break
            if row.is_removed:
                own_folder(row.folder).remove(row.key)
                row.delete()
            else:
                _move(row)
                count += 1
    finally:
        Beat.objects.filter(name=LEASE, owner=owner).delete()
    return count


def _move(row: ClosedSpool) -> None:
    """Should another do the same meanwhile, both write the same bytes, and who comes second changes nothing."""
    pieces = _Pieces(row.name, None)
    have = pieces.size
    if have < row.size:
        log.error("of the spool %s, %s of %s bytes are there; these are kept", row.name, have, row.size)
    if have or not row.size:
        with io.BufferedReader(pieces, CHUNK) as source:
            whole = cast(BinaryIO, _First(cast(BinaryIO, source), min(have, row.size)))
            try:
                own_folder(row.folder).write(row.key, whole)
            except _Gone:
                return
    with transaction.atomic():
        if not ClosedSpool.objects.filter(pk=row.pk, is_removed=False).delete()[0]:
            return
        packed = SpoolPiece.objects.filter(name=row.name, data__isnull=True).exists()
        SpoolPiece.objects.filter(name=row.name).delete()
    if packed:
        own_folder("logs").remove(row.name)


def _pack(name: str) -> None:
    """Put the pieces that lie in the database on the store as one object. Where that is away, they stay, and are taken next time."""
    rows = list(SpoolPiece.objects.filter(name=name, data__isnull=False).order_by("offset"))
    if not rows:
        return
    start, data = rows[0].offset, b"".join(bytes(each.data or b"") for each in rows)
    try:
        own_folder("logs").write(_object(name, start), io.BytesIO(data))
    except StudioError as error:
        log.warning("pieces of the spool %s stay in the database: %s", name, error.message)
        return
    with transaction.atomic():
        gone = SpoolPiece.objects.filter(pk__in=[each.pk for each in rows]).delete()[0]
        if gone == len(rows):
            SpoolPiece.objects.create(name=name, offset=start, size=len(data))
            return
        transaction.set_rollback(True)
    if not SpoolPiece.objects.filter(name=name, offset=start, data__isnull=True).exists():  # it was removed meanwhile
        own_folder("logs").remove(_object(name, start))


def _object(name: str, offset: int) -> str:
    return f"{name}/{offset:020d}"


class _Pieces(PieceReader):
    """The pieces of a spool as one file. A piece reaches to where the next one begins."""

    def __init__(self, name: str, moved: Callable[[], BinaryIO] | None) -> None:
        super().__init__()
        self._name, self._moved = name, moved
        self._kept: BinaryIO | None = None

    @property
    def size(self) -> int:
        last = SpoolPiece.objects.filter(name=self._name).order_by("-offset").values_list("offset", "size").first()
        return sum(last) if last else 0

    def _next(self) -> bytes:
        if self._kept is not None:
            self._kept.seek(self._at)
            return self._kept.read(CHUNK)
        mine = SpoolPiece.objects.filter(name=self._name)
        first = mine.filter(offset__lte=self._at).order_by("-offset").first()
        if first is None:
            if self._moved is None:
                return b""
            self._kept = self._moved()
            return self._next()
        if first.data is None:
            return self._packed(first)
        found, end = bytes(first.data)[self._at - first.offset :], first.offset + first.size
        for each in mine.filter(offset__gt=first.offset).order_by("offset")[:ROWS]:
            if each.data is None or each.offset != end or len(found) >= CHUNK:
                break
            found, end = found + bytes(each.data), end + each.size
        return found

    def _packed(self, piece: SpoolPiece) -> bytes:
        start = self._at - piece.offset
        length = min(CHUNK, piece.size - start)
        if length <= 0:
            return b""
        try:
            return own_folder("logs").read(_object(self._name, piece.offset), start, length)
        except NotFound:  # it was closed and moved in this moment
            if self._moved is None:
                raise
            self._kept = self._moved()
            return self._next()


class _Gone(Exception):
    """The pieces went while they were read."""


class _First:
    """A reader of the first bytes of another one. Raises _Gone where these are not all there."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source, self._left = source, size

    def read(self, count: int) -> bytes:
        data = self._source.read(min(count, self._left))
        if self._left and not data:
            raise _Gone
        self._left -= len(data)
        return data


def _write(path: Path, offset: int, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    try:
        handle = os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, flags, 0o600)
    try:
        view, at = memoryview(data), offset
        while view:
            written = os.pwrite(handle, view, at)
            view, at = view[written:], at + written
    finally:
        os.close(handle)
