"""The snapshot of a source directory: which files, each with its digest, and one digest for all.

Azure ML's rules: an ignore file counts only at the root of the source directory, and `.amlignore` wins over
`.gitignore` completely. On top of them `.git`, `__pycache__` and `.ipynb_checkpoints` never travel, for they
change by themselves and would undo every reuse.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, MutableMapping, Optional, Tuple

from duto.spec import canonical
from duto.spec.errors import refuse
from duto.spec.filenames import is_elsewhere, leads_out, spelled
from duto.spec.ignore import Ignore
from duto.spec.units import counted, size_text

SCHEMA = 1
IGNORE_FILES = (".amlignore", ".gitignore")
NEVER = frozenset({".git", "__pycache__", ".ipynb_checkpoints"})
_CHUNK = 1 << 20
# A file changed this shortly before it was looked at may change again within one tick of its clock.
_RACY_NS = 2_000_000_000

StatCache = MutableMapping[str, List[Any]]
"""Absolute path → [mtime in ns, size in bytes, inode, digest]; keep it between snapshots to read changed
files only."""


@dataclass(frozen=True)
class Limits:
    """How much a snapshot may hold: bytes and files. The defaults are Azure ML's 300 MiB and 2,000 files."""

    size: int = 300 * 1024 * 1024
    files: int = 2000


@dataclass(frozen=True)
class File:
    """One file: `path` relative with forward slashes, spelled as text, sha256 `digest`, `size` in bytes."""

    path: str
    digest: str
    size: int
    executable: bool = False


@dataclass(frozen=True)
class Manifest:
    """The files of a snapshot, sorted by path."""

    files: Tuple[File, ...] = field(default_factory=tuple)

    def to_document(self) -> Dict[str, Any]:
        return {
            "schema": SCHEMA,
            "files": [
                {"path": each.path, "digest": each.digest, "size": each.size, "executable": each.executable}
                for each in self.files
            ],
        }

    @classmethod
    def from_document(cls, document: Any) -> Manifest:
        """The manifest of a document. Raises `SpecError` (`bad_manifest`), also for a path that leaves the
        folder."""
        try:
            files = [
                File(
                    str(each["path"]),
                    str(each["digest"]),
                    int(each["size"]),
                    bool(each.get("executable", False)),
                )
                for each in document["files"]
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise refuse("bad_manifest", "A manifest holds `files`, each with path, digest and size.") from None
        for each in files:
            if not is_safe(each.path) or len(each.digest) != 64 or each.size < 0:
                raise refuse("bad_manifest", f"The manifest's file {each.path!r} has a bad path, digest or size.")
        if len({each.path for each in files}) != len(files):
            raise refuse("bad_manifest", "The manifest names a path twice.")
        return cls(tuple(sorted(files, key=lambda each: each.path)))

    @property
    def digest(self) -> str:
        return canonical.digest(self.to_document())

    @property
    def size(self) -> int:
        return sum(each.size for each in self.files)

    @property
    def paths(self) -> Mapping[str, File]:
        return {each.path: each for each in self.files}


def is_safe(path: str) -> bool:
    """Whether a relative path stays below its folder on every system: no root, drive or `..`."""
    if leads_out(path) or is_elsewhere(path):
        return False
    return all(part not in ("", ".") for part in path.split("/"))


def ignore_of(root: Path) -> Ignore:
    """The ignore rules of a source directory: its `.amlignore`, else its `.gitignore`, else none."""
    for name in IGNORE_FILES:
        path = root / name
        if path.is_file():
            return Ignore(path.read_text(encoding="utf-8-sig", errors="replace").splitlines())
    return Ignore(())


def walk(root: Path, ignore: Optional[Ignore] = None) -> Iterator[Tuple[str, os.stat_result]]:
    """Path and stat of every file that travels; folders that are ignored whole are not entered.

    Symbolic links are followed, except to a folder that is being walked already and to what is gone.
    """
    ignore = ignore_of(root) if ignore is None else ignore
    pending: List[Tuple[str, Tuple[str, ...]]] = [("", (os.path.realpath(root),))]
    while pending:
        folder, above = pending.pop()
        with os.scandir(root / folder if folder else root) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.name in NEVER:
                    continue
                if entry.is_dir():
                    real = os.path.realpath(entry.path)
                    if not ignore.prunes(path) and real not in above:
                        pending.append((path, (*above, real)))
                elif not ignore(path) and entry.is_file():
                    yield path, entry.stat()


def take(root: Path, limits: Optional[Limits] = None, cache: Optional[StatCache] = None) -> Manifest:
    """The manifest of a source directory.

    `cache` is read and filled. Raises `SpecError`: `missing_source` when `root` is no folder,
    `snapshot_too_large` that names the biggest files when there are more bytes or files than `limits` allow.
    """
    root = Path(root)
    if not root.is_dir():
        raise refuse("missing_source", f"The source directory '{root}' does not exist.")
    found = sorted(walk(root), key=lambda each: each[0])
    check_limits([(path, status.st_size) for path, status in found], limits or Limits(), str(root))
    files = []
    for path, status in found:
        name = spelled(path)
        if not is_safe(name):
            raise refuse(
                "bad_file_name",
                f"'{root}' holds a file that no other system could keep below its folder: {name!r}. Rename it, or name "
                "it in .amlignore.",
            )
        digest = _digest(root / path, status, cache)
        files.append(File(name, digest, status.st_size, bool(status.st_mode & stat.S_IXUSR)))
    return Manifest(tuple(sorted(files, key=lambda each: each.path)))


def check_limits(files: List[Tuple[str, int]], limits: Limits, name: str = "The snapshot") -> None:
    """Raise `SpecError` (`snapshot_too_large`) for `(path, size)` pairs above the limits, naming the
    biggest."""
    size = sum(each[1] for each in files)
    if size <= limits.size and len(files) <= limits.files:
        return
    biggest = sorted(files, key=lambda each: (-each[1], each[0]))[:5]
    listed = ", ".join(f"{path} ({size_text(count)})" for path, count in biggest)
    raise refuse(
        "snapshot_too_large",
        f"'{name}' holds {counted(len(files), 'file')} with {size_text(size)}; a snapshot may hold "
        f"{counted(limits.files, 'file')} with {size_text(limits.size)}. The biggest: {listed}. Name what need not travel "
        "in .amlignore, and keep data on a datastore.",
    )


def file_digest(path: Path) -> str:
    """The sha256 of a file's bytes."""
    sha = hashlib.sha256()
    with Path(path).open("rb") as stream:
        for chunk in iter(lambda: stream.read(_CHUNK), b""):
            sha.update(chunk)
    return sha.hexdigest()


def _digest(path: Path, status: os.stat_result, cache: Optional[StatCache]) -> str:
    if cache is None:
        return file_digest(path)
    key, mark = str(path.absolute()), [status.st_mtime_ns, status.st_size, status.st_ino]
    known = cache.get(key)
    if known is not None and list(known[:3]) == mark:
        return str(known[3])
    digest = file_digest(path)
    if time.time_ns() - status.st_mtime_ns > _RACY_NS:
        cache[key] = [*mark, digest]
    else:
        cache.pop(key, None)
    return digest
