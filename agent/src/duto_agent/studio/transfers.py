"""Moves the bytes of a step: from the studio's own disk where it is ours too, else over HTTP."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from duto.spec.sentences import Said, said
from duto_agent.disk_space import require_space
from duto_agent.paths import inside
from duto_agent.studio import ranges
from duto_agent.studio.file_cache import MOST, PART, FileCache
from duto_agent.studio.held_inputs import HeldInputs
from duto_agent.studio.ranges import StoreAway
from duto_agent.worded import Worded
from duto_protocol.messages import InputFile, SnapshotFile
from duto_protocol.meters import Meter

DIGEST = re.compile("[0-9a-f]{64}")
FICLONE = 0x40049409
PIECE = 1 << 20
AT_ONCE = 8


File = SnapshotFile | InputFile


class DataMissing(Worded):
    """The data that a step needs is not there, or is not what it should be."""


class StoreRefused(Worded):
    """Whoever keeps the data does not give them by the credentials that the studio has."""


class Fetcher(Protocol):
    """What is needed of the studio's client."""

    def announce(self, urls: Iterable[str]) -> None:
        """These are downloaded soon."""

    def download(
        self, url: str, start: int = 0, tag: str | None = None, length: int | None = None
    ) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        """The bytes behind a URL of the spec, from `start` on, `length` at most where it is given, of the content that this tag
        names.

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
        self.held_inputs = HeldInputs(cache / "inputs.json", self.cache.place_of)

    def note_input(self, source: str, files: Sequence[InputFile]) -> None:
        """These files of an input were taken over a network: the cache has those that it keeps."""
        named = ((name_of(file), file.size or 0) for file in files)
        self.held_inputs.note(source, ((name, size) for name, size in named if name and size <= self.cache.most // 2))

    def announce(self, files: Iterable[InputFile]) -> None:
        """These are brought soon, in this order: addresses of those that are not here yet are asked for together."""
        urls = [file.get for file in files if file.get and not self._is_here(file)]
        if urls:
            self.fetcher.announce(urls)

    def _is_here(self, file: InputFile) -> bool:
        return bool(name := name_of(file)) and self.cache.place_of(name).exists()

    def bring(
        self,
        file: File,
        target: Path,
        *,
        exact: bool = False,
        local: Path | None = None,
        check: Callable[[], None] = nothing,
        meter: Meter | None = None,
    ) -> None:
        """Put one file of the spec at the target, as a copy that may be written to.

        What is known by its digest alone is looked at before it is used: this host's copies, and code (`exact`) also
        where it comes from the studio's disk. Data that lie there may have changed since they were listed. `local` is
        where this agent has found the file below a direct folder. `check` may raise between pieces; `meter` counts what comes
        over a network.
        """
        own, meter, was_here = self.own(file, local), meter or Meter(), False
        if own is not None:
            copy(own, target, file.path, check)
        else:
            was_here = self._take(file, target, lambda place: copy(place, target, file.path, check), check, meter)
        if (exact or own is None) and not _is_whole(file, target):
            if own is not None:
                raise DataMissing(said("other_in_store", path=file.path))
            self.cache.forget(name_of(file))  # this host's copy has changed
            was_here = self._take(file, target, lambda place: copy(place, target, file.path, check), check, meter)
        if own is None:
            meter.file(target.stat().st_size if was_here else None)
        size = file.size
        if size is not None and target.stat().st_size != size:
            raise DataMissing(said("other_size", path=file.path, found=target.stat().st_size, size=size))

    def hold(self, file: File, held: Path, check: Callable[[], None] = nothing, meter: Meter | None = None) -> None:
        """Have a file here that nobody may write: a link to what this host has of it, which stays though the cache drops it."""
        meter = meter or Meter()
        was_here = self._take(file, held, lambda place: _link(place, held, file.path, check), check, meter)
        meter.file(held.stat().st_size if was_here else None)

    def hold_known(self, file: File, held: Path, check: Callable[[], None], meter: Meter) -> bool:
        """`hold` of what this host has already, quickly; False where it has not, or cannot link to it."""
        check()
        name = name_of(file)
        if not (name and file.get and self.cache.link(name, file.size, held)):
            return False
        meter.file(held.stat().st_size if file.size is None else file.size)
        return True

    def own(self, file: File, local: Path | None = None) -> Path | None:
        """Where it lies on this disk; None where it comes over a network."""
        direct = local or self.store.path(file.direct)
        return direct if direct is not None and direct.is_file() else None

    def _take(
        self, file: File, target: Path, take: Callable[[Path], None], check: Callable[[], None], meter: Meter
    ) -> bool:
        """From the host's cache, fetched once for each name; what has none comes to its place at once. Whether it was here."""
        if not file.get:
            raise DataMissing(said("not_in_store", path=file.path))
        name, size = name_of(file), file.size
        if name and (size is None or size <= self.cache.most // 2):
            what, fetched = said("cached", path=file.path), list[Path]()

            def fetch(part: Path) -> None:
                self._fetch(file, part, what, check, meter)
                fetched.append(part)

            self.cache.give(name, size, fetch, take)
            return not fetched
        part = target.with_name(f".{target.name[:200]}{PART}")
        try:
            self._fetch(file, part, said("named", name=file.path), check, meter)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return False

    def _fetch(self, file: File, new: Path, what: Said, check: Callable[[], None], meter: Meter) -> None:
        """Raises DiskFull, DataMissing, StoreAway, StoreRefused: then nothing of it counts as come."""
        came = 0

        def count(size: int) -> None:
            nonlocal came
            came += size
            meter.add(size)

        try:
            self._fetch_whole(file, new, what, check, count)
        except BaseException:
            meter.add(-came)
            raise

    def _fetch_whole(
        self, file: File, new: Path, what: Said, check: Callable[[], None], count: Callable[[int], None]
    ) -> None:
        """A large file of a store by several ranges at once; what is known by its digest is read once more then."""
        tag, seen = (file.tag or None) if isinstance(file, InputFile) else None, hashlib.sha256()
        size = file.size if tag else None

        def download(start: int, end: int | None) -> contextlib.AbstractContextManager[Iterator[bytes]]:
            if end is None:
                return self.fetcher.download(file.get or "", start, tag)
            return self.fetcher.download(file.get or "", start, tag, end - start)

        in_order = bool(file.digest) and len(ranges.ranges_of(size)) == 1
        with require_space(what, new.parent, file.size, part=new), new.open("w+b", buffering=0) as out:
            write = ranges.writer(out.fileno())

            def sink(at: int, data: bytes) -> None:
                write(at, data)
                if in_order:
                    seen.update(data)
                count(len(data))

            came = ranges.fetch(file.path, size, download, sink, check)
            if file.size is not None and came != file.size:
                # Of data that may be written by others this is how a change is seen that comes between list and read.
                raise StoreAway(said("other_size", path=file.path, found=came, size=file.size))
            if file.digest:
                found = seen if in_order else hashlib.file_digest(out, "sha256")
                if found.hexdigest() != file.digest:
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
    target.unlink(missing_ok=True)  # of another file by this name: what is written to it would be in the cache
    try:
        os.link(source, target)
    except (FileNotFoundError, FileExistsError):
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
