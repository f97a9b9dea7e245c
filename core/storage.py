"""The one storage module: every byte the studio keeps or serves goes through here, over fsspec.

Keys are relative, `/`-separated and made by the studio. A path that a person gave is joined below a root by `safe()` alone.
A key is text; on a disk its names may be any bytes (`duto.spec.filenames`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, NamedTuple, TypeVar, cast

import fsspec
from django.conf import settings
from django.utils.translation import gettext as _

from core.errors import Conflict, Invalid, NotFound
from core.hooks import Provider
from duto.spec import trees
from duto.spec.filenames import LONGEST_NAME, is_elsewhere, leads_out, spelled, unescaped_path

T = TypeVar("T")
CHUNK = 1 << 20
# What the longest stored path (1,024) needs with the folders before it.
LONGEST = 1280
# Half a file that is being written; a name that nobody else gives.
PART = re.compile(r"\.duto-part-[0-9a-f]{16}")


@dataclass(frozen=True)
class Stored:
    """One file below a root: its key relative to that root, its size in bytes, its time of change (epoch seconds).

    `tag`: what a far store says of its content, such as an etag; empty where it says nothing.
    """

    path: str
    size: int
    modified: float
    tag: str = ""


class Written(NamedTuple):
    """What was written: its size in bytes, its sha256."""

    size: int
    digest: str


@dataclass(frozen=True)
class Part:
    """A file that was written beside its place."""

    root: Root
    at: str
    key: str
    overwrite: bool
    written: Written

    def take_place(self) -> None:
        """Raises Conflict when something is there that may not be replaced."""
        self.root.refuse_taken(self.key, self.overwrite)
        with _nothing_in_the_way(self.key):
            self.root._rename(self.at, self.root.full(self.key))


def safe(path: str) -> str:
    """The path, normal and relative: of all texts that mean one file the one that it is listed by.

    Raises Invalid for anything that could leave its root.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if leads_out(path) or is_elsewhere(path):
        raise Invalid(
            _("The path %(path)r leaves its folder. Use a relative path without '..'.") % {"path": path},
            code="unsafe_path",
        )
    plain = unescaped_path("/".join(parts))
    names = plain.encode("utf-8", "surrogateescape").split(b"/")
    if sum(map(len, parts)) + len(parts) - 1 > LONGEST or any(len(name) > LONGEST_NAME for name in names):
        raise Invalid(
            _("A path has at most %(longest)s characters, and each name in it at most %(longest_name)s bytes.")
            % {"longest": LONGEST, "longest_name": LONGEST_NAME},
            code="long_path",
        )
    return spelled(plain)


class Root:
    """A folder of a file system: the artifact store, or one datastore."""

    def __init__(self, url: str, **options: object) -> None:
        self.fs, self.base = fsspec.core.url_to_fs(url, **options)

    @property
    def local(self) -> Path | None:
        """The folder on this machine's disk, for those who may rename instead of copy."""
        return Path(self.base) if "file" in _protocols(self.fs) else None

    def full(self, key: str) -> str:
        """Where a key is: on a disk by the bytes of its names."""
        if not key:
            return str(self.base)
        return f"{self.base}/{safe(key) if self.local is None else unescaped_path(safe(key))}"

    def place(self, key: str) -> Path | None:
        """The file or folder of a key on this machine's disk."""
        return Path(self.full(key)) if self.local is not None else None

    def exists(self, key: str) -> bool:
        return bool(self.fs.exists(self.full(key)))

    def is_file(self, key: str) -> bool:
        return bool(self.fs.isfile(self.full(key)))

    def is_folder(self, key: str) -> bool:
        return bool(self.fs.isdir(self.full(key)))

    def touch(self, key: str) -> bool:
        """Whether the file is there; what is asked for counts as new, so that a sweep of old files spares it."""
        if self.local is None:
            return self.exists(key)
        try:
            os.utime(self.full(key))
        except FileNotFoundError:
            return False
        return True

    def modified(self, key: str) -> float:
        """When the file changed last (epoch seconds). Raises NotFound."""
        try:
            return self._changed(self.fs.info(self.full(key)))
        except FileNotFoundError as error:
            raise NotFound(_("There is no file %(key)r.") % {"key": key}) from error

    def size(self, key: str) -> int:
        try:
            return int(self.fs.size(self.full(key)))
        except FileNotFoundError as error:
            raise NotFound(_("There is no file %(key)r.") % {"key": key}) from error

    def state(self, key: str) -> tuple[int, str] | None:
        """(size, tag) of a file; None where there is none.

        The tag changes whenever the content does, and may change without: the etag of a far store; of a local file
        what a program cannot set back (its number and the time of its last change). Empty where a store tells neither.
        """
        try:
            if self.local is not None:
                found = Path(self.full(key)).stat()
                tag = f"{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_ino}"
                return (found.st_size, tag) if stat.S_ISREG(found.st_mode) else None
            info = self.fs.info(self.full(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return (int(info["size"]), str(info.get("ETag") or info.get("etag") or "")) if info["type"] == "file" else None

    def digest(self, key: str) -> str:
        """The sha256 of a file's bytes. Raises NotFound."""
        with self.open(key) as source:
            return hashlib.file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]

    def differs(self, key: str, known: Mapping[str, Any]) -> Literal["", "gone", "changed"]:
        """How a file differs from what is known of it (`size`, `digest` and, where it was noted, its `tag`).

        Its bytes are read only where size and tag do not settle it.
        """
        found = self.state(key)
        if found is None:
            return "gone"
        if found[0] != known["size"]:
            return "changed"
        is_known = bool(found[1]) and found[1] == known.get("tag")
        return "" if is_known or self.digest(key) == known["digest"] else "changed"

    def open(self, key: str) -> BinaryIO:
        """A seekable reader. Raises NotFound."""
        try:
            return cast(BinaryIO, self.fs.open(self.full(key), "rb"))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotFound(_("There is no file %(key)r.") % {"key": key}) from error

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        with self.open(key) as source:
            source.seek(start)
            return source.read() if length is None else source.read(length)

    def write(self, key: str, source: BinaryIO, *, overwrite: bool = True, digest: str | None = None) -> Written:
        """Write a whole file: to a neighbour first, then by rename, so that a reader never sees half of it.

        Raises Conflict when it exists and may not be replaced, Invalid when the bytes are not those of `digest`.
        """
        with self.beside(key, source, overwrite=overwrite, digest=digest) as part:
            part.take_place()
        return part.written

    @contextlib.contextmanager
    def beside(
        self, key: str, source: BinaryIO, *, overwrite: bool = True, digest: str | None = None
    ) -> Iterator[Part]:
        """The same bytes as a neighbour of the file, which takes its place when it is told to and else is gone after it."""
        target = self.full(key)
        self.refuse_taken(key, overwrite)
        parent = str(PurePosixPath(target).parent)
        part = f"{parent}/.duto-part-{os.urandom(8).hex()}"
        try:
            with _nothing_in_the_way(key):
                self.fs.makedirs(parent, exist_ok=True)
                written = self._fill(part, source, digest)
            yield Part(self, part, key, overwrite, written)
        finally:
            if self.fs.exists(part):
                self.fs.rm(part)

    def refuse_taken(self, key: str, overwrite: bool) -> None:
        if not overwrite and self.exists(key):
            raise Conflict(_("%(key)r exists already. Say overwrite to replace it.") % {"key": key}, code="exists")

    def move(self, key: str, to: str) -> None:
        """Give a file another key; what was there is replaced. Raises Conflict."""
        target = self.full(to)
        with _nothing_in_the_way(to):
            self.fs.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            self._rename(self.full(key), target)

    def _rename(self, part: str, target: str) -> None:
        if self.local is None:
            self.fs.mv(part, target)
        else:
            Path(part).replace(target)

    def _fill(self, part: str, source: BinaryIO, digest: str | None) -> Written:
        seen, size = hashlib.sha256(), 0
        with self.fs.open(part, "wb") as target:
            while chunk := source.read(CHUNK):
                target.write(chunk)
                seen.update(chunk)
                size += len(chunk)
        refuse_another_digest(seen.hexdigest(), digest)
        return Written(size, seen.hexdigest())

    def walk(self, prefix: str = "") -> Iterator[Stored]:
        """All files below the prefix (a folder or a file), sorted by path."""
        start = self.full(prefix)
        if self.fs.isfile(start):
            yield Stored(safe(prefix), int(self.fs.size(start)), self._changed(self.fs.info(start)))
            return
        if not self.fs.exists(start):
            return
        yield from sorted(self._found(start), key=lambda each: each.path)

    def _found(self, start: str) -> Iterator[Stored]:
        if self.local is not None:
            folder = spelled(start[len(str(self.base)) :].strip("/"))
            for below, entries in trees.walk(start):
                inner = "/".join(filter(None, (folder, spelled(below))))
                for each in entries:  # no paths are made of them: that cost as much as to ask for their facts
                    with contextlib.suppress(OSError):  # it went in this moment
                        if each.is_file() and not PART.fullmatch(each.name):
                            facts, name = os.stat(each.path), spelled(each.name)  # noqa: PTH116
                            yield Stored(f"{inner}/{name}" if inner else name, facts.st_size, facts.st_mtime)
            return
        found = self.fs.find(start, detail=True)
        for name in found:
            key = str(name)[len(str(self.base)) :].lstrip("/")
            if not PART.fullmatch(PurePosixPath(key).name):
                yield Stored(key, int(found[name]["size"]), self._changed(found[name]))

    def _changed(self, info: dict[str, object]) -> float:
        return float(cast(float, info.get("mtime") or info.get("created") or 0.0))

    def list(self, prefix: str = "", most: int | None = None) -> Iterator[tuple[str, bool, int]]:
        """One level: (name, is a folder, size), folders first. `most`: a far store is asked for no more than that."""
        start = self.full(prefix)
        if not self.fs.isdir(start):
            raise NotFound(_("There is no folder %(prefix)r.") % {"prefix": prefix})
        entries = [
            (spelled(str(i["name"]).rsplit("/", 1)[-1]), i["type"] == "directory", int(i["size"] or 0))
            for i in self.fs.ls(start, detail=True)
        ]
        yield from sorted((e for e in entries if not PART.fullmatch(e[0])), key=lambda e: (not e[1], e[0].lower()))

    def remove(self, key: str) -> None:
        """Remove a file or a whole folder; nothing to remove is fine."""
        target = self.full(key)
        if self.local is not None:
            trees.remove(target)
        elif self.fs.exists(target):
            self.fs.rm(target, recursive=True)

    def adopt(self, source: Path, key: str) -> None:
        """Move a file or folder of this machine to `key`: by rename on the same disk, else by copying."""
        target = self.full(key)
        if self.local is None:
            self.fs.put(str(source), target, recursive=source.is_dir())
            return
        try:
            with _nothing_in_the_way(key):
                try:
                    _move(source, Path(target))
                except FileNotFoundError:  # most files come to a folder that is there
                    Path(target).parent.mkdir(parents=True, exist_ok=True)
                    _move(source, Path(target))
        except OSError:
            if source.is_file():  # from another disk, and this one is full: half a copy must not pass for the file
                with contextlib.suppress(OSError):
                    Path(target).unlink()
            raise

    def each(self, ask: Callable[[str], T], keys: Iterable[str]) -> Sequence[T]:
        """What it answers of each of these keys, in their order."""
        return [ask(key) for key in keys]

    def take(self, source: Root, key: str, to: str) -> None:
        """Move a file or folder of another root to `to`. Raises NotFound, Conflict."""
        place = source.place(key)
        if place is not None:
            self.adopt(place, to)
            return
        files = [key] if source.is_file(key) else [each.path for each in source.walk(key)]
        for each in files:
            with source.open(each) as reader:
                self.write(f"{to}{each[len(key) :]}", reader)
        source.remove(key)

    def bytes_below(self) -> int:
        """What its files take, in bytes. Those that are still being written are counted by whoever writes them."""
        return sum(each.size for each in self._found(self.full("")))


def refuse_another_digest(found: str, wanted: str | None) -> None:
    """Raises Invalid where bytes are not those of the digest that was told with them."""
    if wanted and found != wanted:
        raise Invalid(_("The bytes that arrived are not those of the digest. Send them again."), code="digest_mismatch")


@contextlib.contextmanager
def _nothing_in_the_way(key: str) -> Iterator[None]:
    """Raises Conflict where a folder of the path is a file, or the file a folder."""
    try:
        yield
    except OSError as error:
        is_taken = isinstance(error, NotADirectoryError | FileExistsError | IsADirectoryError)
        if not is_taken and error.errno != errno.ENOTEMPTY:
            raise
        text = _("%(key)r cannot be written: a file is where it needs a folder, or a folder where it is.")
        raise Conflict(text % {"key": key}, code="exists") from error


def _move(source: Path, target: Path) -> None:
    """By rename, else by copying: never into a folder of the target's name. Raises OSError."""
    try:
        source.rename(target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    if not source.is_dir():
        shutil.copyfile(source, target)
        source.unlink()
        return
    target.mkdir()
    for folder, entries in trees.walk(source):
        for each in entries:
            inner = target / folder / each.name
            if each.is_dir(follow_symlinks=False):
                inner.mkdir()
            elif each.is_file():
                shutil.copyfile(each.path, inner)
    trees.remove(source)


def _protocols(fs: object) -> tuple[str, ...]:
    protocol = getattr(fs, "protocol", ())
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def data_dir() -> Path:
    """Where the studio keeps all it keeps on disk (see docs/wire.md, *Data directory*)."""
    return Path(settings.DUTO.data_dir)


# What errors of the object store of the studio's own files call it.
OWN_STORE = "DUTO_ARTIFACT_STORE"
# A folder of the studio's own files, by its path, where they lie on an object store.
object_folder: Provider[[str], Root] = Provider("Where are the studio's own files on its object store?")


def is_own_far() -> bool:
    """Whether the studio's own files lie on an object store (`DUTO_ARTIFACT_STORE`) and not in its data directory."""
    return bool(settings.DUTO.artifact_store)


def own_folder(path: str) -> Root:
    """A folder of the studio's own files: below the data directory, or on the object store."""
    return object_folder(path) if is_own_far() else Root(str(data_dir() / path))


def direct(path: str) -> str | None:
    """Where a host that shares the studio's disk reads an own file, below the data directory; None where none can."""
    return None if is_own_far() else path


def artifact_store(workspace_id: object) -> Root:
    """Blobs, artifacts, sealed logs and models of one workspace."""
    return own_folder(store_path(workspace_id))


def store_path(workspace_id: object) -> str:
    """The folder of a workspace's artifact store."""
    return f"store/{workspace_id}"


def workspace_roots(workspace_id: object) -> tuple[Root, Root]:
    """All that the studio keeps of one workspace: the artifact store, and its own datastores."""
    return artifact_store(workspace_id), own_folder(f"datastores/{workspace_id}")


def blob_key(digest: str) -> str:
    return f"blobs/{digest[:2]}/{digest}"
