"""Moves the bytes of a step: from the studio's own disk where it is ours too, else over HTTP."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from duto.spec.sentences import Said, said
from duto_agent.disk_space import require_space
from duto_agent.paths import inside
from duto_agent.studio.file_cache import MOST, PART, FileCache
from duto_agent.worded import Worded
from duto_protocol.messages import InputFile, SnapshotFile

DIGEST = re.compile("[0-9a-f]{64}")
FICLONE = 0x40049409
PIECE = 1 << 20
# How often in a row a transfer may end without having brought a byte.
BREAKS, PAUSE_S = 4, 0.5
AT_ONCE = 8


File = SnapshotFile | InputFile


class DataMissing(Worded):
    """The data that a step needs is not there, or is not what it should be."""


class StoreAway(Worded):
    """The data cannot be read now, or changed while they were: a later attempt may have them."""


class StoreRefused(Worded):
    """Whoever keeps the data does not give them by the credentials that the studio has."""


class BrokenOff(StoreAway):
    """A transfer ended in its middle."""


class Changed(Exception):
    """What lies there is not what was listed."""


class Fetcher(Protocol):
    """What is needed of the studio's client."""

    def download(
        self, url: str, start: int = 0, tag: str | None = None
    ) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        """The bytes behind a URL of the spec, from `start` on, of the content that this tag names.

        Raises Away, DataMissing, StoreAway, StoreRefused, Changed; BrokenOff in the middle.
        """


def nothing() -> None:
    """The check of who never stops."""


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
    """Brings files in, by digest where a digest is known. What comes over a network is kept for other steps where its name
    means its bytes."""

    def __init__(self, store: Store, cache: Path, fetcher: Fetcher, most: int = MOST) -> None:
        self.store, self.fetcher, self.cache = store, fetcher, FileCache(cache, most)

    def bring(
        self,
        file: File,
        target: Path,
        *,
        exact: bool = False,
        local: Path | None = None,
        check: Callable[[], None] = nothing,
    ) -> None:
        """Put one file of the spec at the target, as a copy that may be written to.

        What is known by its digest alone is looked at before it is used: this host's copies, and code (`exact`) also
        where it comes from the studio's disk. Data that lie there may have changed since they were listed. `local` is
        where this agent has found the file below a direct folder. `check` may raise between pieces.
        """
        own = self.own(file, local)
        if own is not None:
            copy(own, target, file.path, check)
        else:
            self._take(file, target, lambda place: copy(place, target, file.path, check), check)
        if (exact or own is None) and not _is_whole(file, target):
            if own is not None:
                raise DataMissing(said("other_in_store", path=file.path))
            self.cache.forget(name_of(file))  # this host's copy has changed
            self._take(file, target, lambda place: copy(place, target, file.path, check), check)
        size = file.size
        if size is not None and target.stat().st_size != size:
            raise DataMissing(said("other_size", path=file.path, found=target.stat().st_size, size=size))

    def hold(self, file: File, held: Path, check: Callable[[], None] = nothing) -> None:
        """Have a file here that nobody may write: a link to what this host has of it, which stays though the cache drops it."""
        self._take(file, held, lambda place: _link(place, held, file.path, check), check)

    def own(self, file: File, local: Path | None = None) -> Path | None:
        """Where it lies on this disk; None where it comes over a network."""
        direct = local or self.store.path(file.direct)
        return direct if direct is not None and direct.is_file() else None

    def _take(self, file: File, target: Path, take: Callable[[Path], None], check: Callable[[], None]) -> None:
        """From the host's cache, fetched once for each name; what has none comes to its place at once."""
        if not file.get:
            raise DataMissing(said("not_in_store", path=file.path))
        name, size = name_of(file), file.size
        if name and (size is None or size <= self.cache.most // 2):
            what = said("cached", path=file.path)
            return self.cache.give(name, size, lambda part: self._fetch(file, part, what, check), take)
        part = target.with_name(f".{target.name[:200]}{PART}")
        try:
            self._fetch(file, part, said("named", name=file.path), check)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def _fetch(self, file: File, new: Path, what: Said, check: Callable[[], None]) -> None:
        """Goes on where it broke off, as long as each try brings more. Raises DiskFull, DataMissing, StoreAway, StoreRefused."""
        total, at, breaks, tag = hashlib.sha256(), 0, 0, (file.tag or None) if isinstance(file, InputFile) else None
        with require_space(what, new.parent, file.size, part=new), new.open("wb") as out:
            while True:
                before = at
                try:
                    with self.fetcher.download(file.get or "", at, tag) as chunks:
                        for chunk in chunks:
                            check()
                            total.update(chunk)
                            out.write(chunk)
                            at += len(chunk)
                    break
                except Changed as error:
                    raise StoreAway(said("changed_meanwhile", path=file.path)) from error
                except BrokenOff:
                    breaks = 0 if at > before else breaks + 1
                    if breaks >= BREAKS:
                        raise
                    time.sleep(PAUSE_S * breaks)
        if file.size is not None and at != file.size:
            # Of data that may be written by others this is how a change is seen that comes between list and read.
            raise StoreAway(said("other_size", path=file.path, found=at, size=file.size))
        if file.digest and total.hexdigest() != file.digest:
            raise DataMissing(said("other_arrived", path=file.path))


def at_once(jobs: Sequence[Callable[[], None]]) -> None:
    """Do them all, several at a time: most of a small file's way is waiting. Raises the first error; the rest is left."""
    if len(jobs) < 2:
        for each in jobs:
            each()
        return
    with ThreadPoolExecutor(min(AT_ONCE, len(jobs)), "transfers") as threads:
        doing = [threads.submit(each) for each in jobs]
        try:
            for done in doing:
                done.result()
        finally:
            for done in doing:
                done.cancel()


def name_of(file: File) -> str:
    """What the cache knows it by; empty for what may be other bytes the next time."""
    known = (file.digest, file.cache_key if isinstance(file, InputFile) else None)
    return next((name for name in known if name and DIGEST.fullmatch(name)), "")


def _link(source: Path, target: Path, what: str, check: Callable[[], None]) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or as many links as one may have
        copy(source, target, what, check)
        target.chmod(0o444)


def _is_whole(file: File, target: Path) -> bool:
    if not file.digest:
        return True
    with target.open("rb", buffering=0) as copied:
        return hashlib.file_digest(copied, "sha256").hexdigest() == str(file.digest)


def copy(source: Path, target: Path, what: str, check: Callable[[], None] = nothing) -> None:
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
