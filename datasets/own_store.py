"""The object store of the studio's own files (`DUTO_ARTIFACT_STORE`), by the clients that datastores have."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, BinaryIO, Protocol, cast
from uuid import uuid4

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from core import spools
from core.objects import ObjectRoot, Objects, at_once
from core.storage import CHUNK, OWN_STORE, Root, Stored, safe
from datasets.kinds import KINDS
from datasets.kinds.base import Connection, Presigning

# A file that is younger counts as new without being told so: sweeps spare what is younger than a day.
STILL_NEW_S = 6 * 3600.0
# Where closed logs lie in a folder, and what the tag of one says that is not moved there yet.
LOGS, IN_ROWS = "logs/", "rows"
# So many objects are listed before they are removed.
SLICE = 1000


class Keeping(Objects, Presigning, Protocol):
    """What is asked of a kind of store that may have the studio's own files."""

    def touch(self, key: str) -> bool: ...
    def check(self) -> None: ...


class Below:
    """`core.objects.Objects` over what lies below a prefix of a store."""

    def __init__(self, store: Keeping, prefix: str, folder: str) -> None:
        """`folder`: what of the prefix the studio calls it by."""
        self.store, self.prefix, self.folder = store, prefix, folder

    def at(self, key: str) -> str:
        return f"{self.prefix}/{key}".strip("/")

    def _inner(self, found: Stored) -> Stored:
        return replace(found, path=found.path[len(self.prefix) :].lstrip("/"))

    def stat(self, key: str) -> Stored | None:
        found = self.store.stat(self.at(key))
        if found is not None:
            return self._inner(found)
        # A log whose step has just ended is a file before a worker has moved it here.
        spool = spools.closed(self.folder, key) if key.startswith(LOGS) else None
        return None if spool is None else Stored(key, spool[1], time.time(), IN_ROWS)

    def walk(self, folder: str) -> Iterator[Stored]:
        return map(self._inner, self.store.walk(self.at(folder)))

    def children(self, folder: str) -> Iterator[tuple[str, bool, int]]:
        return self.store.children(self.at(folder))

    def read(self, key: str, start: int, tag: str) -> Iterator[bytes]:
        return self._read_rows(key, start) if tag == IN_ROWS else self.store.read(self.at(key), start, tag)

    def _read_rows(self, key: str, start: int) -> Iterator[bytes]:
        spool = spools.closed(self.folder, key)
        try:
            if spool is None:
                raise FileNotFoundError
            source = spools.reader(spool[0], lambda: ObjectRoot(self).open(key))
        except FileNotFoundError:  # moved meanwhile
            yield from self.store.read(self.at(key), start, "")
            return
        with source:
            source.seek(start)
            while data := source.read(CHUNK):
                yield data

    def write(self, key: str, source: BinaryIO, size: int, *, overwrite: bool) -> None:
        self.store.write(self.at(key), source, size, overwrite=overwrite)

    def remove(self, key: str) -> None:
        self.store.remove(self.at(key))

    def remove_folder(self, folder: str) -> None:
        """Nobody marks folders here."""

    def copy(self, key: str, to: str) -> None:
        self.store.copy(self.at(key), self.at(to))

    def touch(self, key: str) -> bool:
        return self.store.touch(self.at(key))

    def presigned(self, key: str, seconds: int) -> str:
        return self.store.presigned(self.at(key), seconds)


class OwnRoot(ObjectRoot):
    """A folder of the studio's own files."""

    @property
    def below(self) -> Below:
        return cast(Below, self.objects)

    def touch(self, key: str) -> bool:
        found = self.below.stat(safe(key))
        if found is None:
            return False
        return time.time() - found.modified < STILL_NEW_S or self.below.touch(safe(key))

    def take(self, source: Root, key: str, to: str) -> None:
        """From one own folder to another the store copies by itself."""
        if not isinstance(source, OwnRoot):
            super().take(source, key, to)
            return
        files = list(source.walk(key))
        at_once([partial(self._copy, source, each, f"{to}{each.path[len(key) :]}") for each in files])
        source.remove(key)

    def _copy(self, source: OwnRoot, file: Stored, to: str) -> None:
        below = self.below
        below.store.copy(source.below.at(file.path), below.at(safe(to)))
        if self._meter is not None:
            self._meter.add(file.size)
            self._meter.file()

    def remove(self, key: str) -> None:
        """Several at a time, of a folder all that is listed."""
        if self.is_file(key):
            self.objects.remove(safe(key))
            return
        while held := list(itertools.islice(self.objects.walk(safe(key)), SLICE)):
            at_once([partial(self.objects.remove, each.path) for each in held])


def folder(path: str) -> Root:
    """The folder of this path on the store. Raises StoreError where what the store needs is not installed."""
    own = settings.DUTO.own_store
    prefix = "/".join(filter(None, (own.prefix, path)))
    return OwnRoot(Below(_opened(settings.DUTO), prefix, path))


def look() -> None:
    """Raises StoreError where it cannot be read."""
    _opened(settings.DUTO).check()


def check() -> None:
    """Reach the store, and write, read and remove a file there. Raises StoreError that says which of it fails."""
    root, key, data = folder(""), f".check-{uuid4().hex}", b"duto"
    assert isinstance(root, OwnRoot)
    look()
    try:
        root.write(key, io.BytesIO(data))
        root.read(key)
    finally:
        root.below.remove(key)


@lru_cache(maxsize=4)
@sensitive_variables("config", "place", "own")
def _opened(config: Any) -> Keeping:
    """The client, made once a process."""
    own = config.own_store
    kind = KINDS[own.kind]
    kind.require_modules(OWN_STORE)
    assert kind.files is not None
    place = Connection(OWN_STORE, own.options, own.credentials, is_trusted=True)
    kind.check(place)
    return cast(Keeping, kind.files(place))
