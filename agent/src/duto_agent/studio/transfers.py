"""Moves the bytes of a step: from the studio's own disk where it is ours too, else over HTTP."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from duto.spec.sentences import said
from duto_agent.disk_space import require_space
from duto_agent.paths import inside
from duto_agent.worded import Worded
from duto_protocol.messages import InputFile, SnapshotFile

DIGEST = re.compile("[0-9a-f]{64}")
FICLONE = 0x40049409
PIECE = 1 << 20


File = SnapshotFile | InputFile


class DataMissing(Worded):
    """The data that a step needs is not there, or is not what it should be."""


class Fetcher(Protocol):
    """What is needed of the studio's client."""

    def download(self, url: str) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        """The bytes behind a URL of the spec."""


class Store:
    """The studio's data directory, when this host shares its disk; otherwise nothing is direct."""

    def __init__(self, data_dir: str | None, marker: str | None) -> None:
        self.root: Path | None = None
        if data_dir and marker:
            with contextlib.suppress(OSError):
                if (Path(data_dir) / "store-marker").read_text().strip() == marker:
                    self.root = Path(data_dir)

    def path(self, direct: str | None) -> Path | None:
        """The path on this disk, if there is one and it stays in the data directory."""
        return inside(self.root, direct) if self.root is not None and direct else None


class Transfers:
    """Brings files in, by digest where a digest is known."""

    def __init__(self, store: Store, cache: Path, fetcher: Fetcher) -> None:
        self.store, self.cache, self.fetcher = store, cache, fetcher

    def bring(self, file: File, target: Path, *, exact: bool = False, local: Path | None = None) -> None:
        """Put one file of the spec at the target, as a copy that may be written to.

        What is known by its digest alone is looked at before it is used: this host's copies, and code (`exact`) also
        where it comes from the studio's disk. Data that lie there may have changed since they were listed. `local` is
        where this agent has found the file below a direct folder.
        """
        direct = local or self.store.path(file.direct)
        own = direct if direct is not None and direct.is_file() else None
        copy(own or self._cached(file), target, file.path)
        if (exact or own is None) and not _is_whole(file, target):
            if own is not None:
                raise DataMissing(said("other_in_store", path=file.path))
            self._place(file).unlink(missing_ok=True)  # this host's copy has changed
            copy(self._cached(file), target, file.path)
        size = file.size
        if size is not None and target.stat().st_size != size:
            raise DataMissing(said("other_size", path=file.path, found=target.stat().st_size, size=size))

    def _cached(self, file: File) -> Path:
        """The file in the host's cache, fetched once per digest."""
        digest, url, place = file.digest or "", file.get, self._place(file)
        if digest and place.is_file():
            with contextlib.suppress(OSError):
                os.utime(place)
            return place
        if not url:
            raise DataMissing(said("not_in_store", path=file.path))
        new = place.with_name(f"{place.name}.{os.getpid()}.{id(file)}")
        with require_space(said("cached", path=file.path), self.cache, file.size, part=new):
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._fetch(url, new, digest, file.path)
                new.replace(place)
            finally:
                new.unlink(missing_ok=True)
        return place

    def _place(self, file: File) -> Path:
        name = file.digest or ""
        if not DIGEST.fullmatch(name):
            name = hashlib.sha256(f"{name}{file.get}".encode()).hexdigest()
        return self.cache / name[:2] / name

    def _fetch(self, url: str, new: Path, digest: str, name: str) -> None:
        total = hashlib.sha256()
        with self.fetcher.download(url) as chunks, new.open("wb") as out:
            for chunk in chunks:
                total.update(chunk)
                out.write(chunk)
        if digest and total.hexdigest() != digest:
            raise DataMissing(said("other_arrived", path=name))


def _is_whole(file: File, target: Path) -> bool:
    if not file.digest:
        return True
    with target.open("rb", buffering=0) as copied:
        return hashlib.file_digest(copied, "sha256").hexdigest() == str(file.digest)


def copy(source: Path, target: Path, what: str, check: Callable[[], None] = lambda: None) -> None:
    """A file of its own: a clone where the disk can, else a copy. Never a hard link, which would share writes.

    Raises DiskFull, which tells it by the name `what`; `check` may raise between pieces.
    """
    with source.open("rb") as reader:
        size = os.fstat(reader.fileno()).st_size
        with require_space(said("named", name=what), target.parent, size, part=target), target.open("wb") as writer:
            try:
                fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
            except OSError:
                while piece := reader.read(PIECE):
                    check()
                    writer.write(piece)
