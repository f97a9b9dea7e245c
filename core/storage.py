"""The one storage module: every byte the studio keeps or serves goes through here, over fsspec.

Keys are relative, `/`-separated and made by the studio. A path that a person gave is joined below a root by `safe()` alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, cast

import fsspec
from django.conf import settings
from django.utils.translation import gettext as _

from core.errors import Conflict, Invalid, NotFound

CHUNK = 1 << 20
# What file systems take for a name, and what the longest stored path (1,024) needs with the folders before it.
LONGEST_NAME, LONGEST = 255, 1280


@dataclass(frozen=True)
class Stored:
    """One file below a root: its key relative to that root, its size in bytes, its time of change (epoch seconds)."""

    path: str
    size: int
    modified: float


class Written(NamedTuple):
    """What was written: its size in bytes, its sha256."""

    size: int
    digest: str


def safe(path: str) -> str:
    """The path, normal and relative. Raises Invalid for anything that could leave its root."""
    clean = path.replace("\\", "/").strip("/")
    parts = [part for part in clean.split("/") if part not in ("", ".")]
    if (
        any(part == ".." or "\0" in part for part in parts)
        or path.startswith(("/", "\\"))
        or ":" in (parts[:1] or [""])[0]
    ):
        raise Invalid(
            _("The path %(path)r leaves its folder. Use a relative path without '..'.") % {"path": path},
            code="unsafe_path",
        )
    if len(clean) > LONGEST or any(len(part.encode("utf-8", "replace")) > LONGEST_NAME for part in parts):
        raise Invalid(
            _("A path has at most %(longest)s characters, and each name in it at most %(longest_name)s bytes.")
            % {"longest": LONGEST, "longest_name": LONGEST_NAME},
            code="long_path",
        )
    return "/".join(parts)


class Root:
    """A folder of a file system: the artifact store, or one datastore."""

    def __init__(self, url: str, **options: object) -> None:
        self.fs, self.base = fsspec.core.url_to_fs(url, **options)

    @property
    def local(self) -> Path | None:
        """The folder on this machine's disk, for those who may rename instead of copy."""
        return Path(self.base) if "file" in _protocols(self.fs) else None

    def full(self, key: str) -> str:
        return f"{self.base}/{safe(key)}" if key else str(self.base)

    def exists(self, key: str) -> bool:
        return bool(self.fs.exists(self.full(key)))

    def is_file(self, key: str) -> bool:
        return bool(self.fs.isfile(self.full(key)))

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

    def open(self, key: str) -> BinaryIO:
        """A seekable reader. Raises NotFound."""
        try:
            return cast(BinaryIO, self.fs.open(self.full(key), "rb"))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFound(_("There is no file %(key)r.") % {"key": key}) from error

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        with self.open(key) as source:
            source.seek(start)
            return source.read() if length is None else source.read(length)

    def write(
        self,
        key: str,
        source: BinaryIO,
        *,
        overwrite: bool = True,
        digest: str | None = None,
        present: str | None = None,
    ) -> Written:
        """Write a whole file: to a neighbour first, then by rename, so that a reader never sees half of it.

        `present`: the digest of what lies there now; the same bytes again leave that file untouched. Raises Conflict when it exists and may not be replaced, Invalid when the bytes are not those of `digest`.
        """
        target = self.full(key)
        if not overwrite and self.fs.exists(target):
            raise Conflict(_("%(key)r exists already. Say overwrite to replace it.") % {"key": key}, code="exists")
        parent = str(PurePosixPath(target).parent)
        self.fs.makedirs(parent, exist_ok=True)
        part = f"{parent}/.part-{os.urandom(8).hex()}"
        try:
            written = self._fill(part, source, digest)
            if written.digest != present:
                self._rename(part, target)
        finally:
            if self.fs.exists(part):
                self.fs.rm(part)
        return written

    def move(self, key: str, to: str) -> None:
        """Give a file another key; what was there is replaced."""
        target = self.full(to)
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
        if digest and seen.hexdigest() != digest:
            raise Invalid(
                _("The bytes that arrived are not those of the digest. Send them again."), code="digest_mismatch"
            )
        return Written(size, seen.hexdigest())

    def walk(self, prefix: str = "") -> Iterator[Stored]:
        """All files below the prefix (a folder or a file), sorted by path."""
        start = self.full(prefix)
        if self.fs.isfile(start):
            yield Stored(safe(prefix), int(self.fs.size(start)), self._changed(self.fs.info(start)))
            return
        if not self.fs.exists(start):
            return
        found = self.fs.find(start, detail=True)
        for name in sorted(found):
            key = str(name)[len(str(self.base)) :].lstrip("/")
            if not PurePosixPath(key).name.startswith(".part-"):
                yield Stored(key, int(found[name]["size"]), self._changed(found[name]))

    def _changed(self, info: dict[str, object]) -> float:
        return float(cast(float, info.get("mtime") or info.get("created") or 0.0))

    def list(self, prefix: str = "") -> Iterator[tuple[str, bool, int]]:
        """One level: (name, is a folder, size), folders first."""
        start = self.full(prefix)
        if not self.fs.isdir(start):
            raise NotFound(_("There is no folder %(prefix)r.") % {"prefix": prefix})
        entries = [
            (str(i["name"]).rsplit("/", 1)[-1], i["type"] == "directory", int(i["size"] or 0))
            for i in self.fs.ls(start, detail=True)
        ]
        yield from sorted((e for e in entries if not e[0].startswith(".part-")), key=lambda e: (not e[1], e[0].lower()))

    def remove(self, key: str) -> None:
        """Remove a file or a whole folder; nothing to remove is fine."""
        target = self.full(key)
        if self.fs.exists(target):
            self.fs.rm(target, recursive=True)

    def adopt(self, source: Path, key: str) -> None:
        """Move a file or folder of this machine to `key`: by rename on the same disk, else by copying."""
        target = self.full(key)
        if self.local is None:
            self.fs.put(str(source), target, recursive=source.is_dir())
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.move(str(source), target)
        except OSError:
            if source.is_file():  # from another disk, and this one is full: half a copy must not pass for the file
                with contextlib.suppress(OSError):
                    Path(target).unlink()
            raise


def _protocols(fs: object) -> tuple[str, ...]:
    protocol = getattr(fs, "protocol", ())
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def data_dir() -> Path:
    """Where the studio keeps all it keeps on disk (see docs/wire.md, *Data directory*)."""
    return Path(settings.DUTO.data_dir)


def artifact_store(workspace_id: object) -> Root:
    """Blobs, artifacts, sealed logs and models of one workspace."""
    return Root(str(data_dir() / "store" / str(workspace_id)))


def blob_key(digest: str) -> str:
    return f"blobs/{digest[:2]}/{digest}"


def sha256_of(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
