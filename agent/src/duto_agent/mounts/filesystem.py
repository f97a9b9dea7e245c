"""The file system that the kernel asks: folders and files of a listing, which can be read and nothing else."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from typing import Any

import mfusepy

from duto_agent.mounts.lazy_file import Unreadable
from duto_agent.mounts.lazy_files import LazyFiles
from duto_agent.mounts.listing import Folder, Listing

# Nothing changes while it is mounted: the kernel may believe for ever what it was told.
FOR_EVER_S = 86400.0 * 365
# Reads at once: each waits for a store, and holds up no other. Libraries of before know no such option.
THREADS, THREADS_SINCE = 64, (3, 12)


class FileSystem(mfusepy.Operations):  # type: ignore[misc]
    """What libfuse calls, each in a thread of its own."""

    use_ns = True

    def __init__(self, listing: Listing, files: LazyFiles, begun: Callable[[], None]) -> None:
        """`begun` is called once the mount is there."""
        self._listing, self._files, self._begun = listing, files, begun
        self._own = {"st_uid": os.geteuid(), "st_gid": os.getegid()}
        self._own |= dict.fromkeys(("st_mtime", "st_ctime", "st_atime"), time.time_ns())

    def init_with_config(self, connection: Any, config: Any) -> None:
        if config is not None:
            config.kernel_cache = 1
            config.entry_timeout = config.attr_timeout = config.negative_timeout = FOR_EVER_S
        self._begun()

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = self._found(path)
        if isinstance(found, dict):
            return {**self._own, "st_mode": stat.S_IFDIR | 0o555, "st_nlink": 2}
        size = self._listing.files[found].size or 0
        blocks = {"st_blocks": -(-size // 512), "st_blksize": 4096}
        return {**self._own, **blocks, "st_mode": stat.S_IFREG | 0o444, "st_nlink": 1, "st_size": size}

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
        found = self._found(path)
        if not isinstance(found, dict):
            raise mfusepy.FuseOSError(errno.ENOTDIR)
        folder, file = {"st_mode": stat.S_IFDIR}, {"st_mode": stat.S_IFREG}
        listed = [(name, folder if isinstance(each, dict) else file, 0) for name, each in found.items()]
        return [(".", folder, 0), ("..", folder, 0), *listed]

    def open(self, path: str, flags: int) -> int:
        found = self._found(path)
        if isinstance(found, dict):
            raise mfusepy.FuseOSError(errno.EISDIR)
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
            raise mfusepy.FuseOSError(errno.EROFS)
        return self._files.open(found)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        try:
            return self._files.read(fh, offset, size)
        except Unreadable as error:
            raise mfusepy.FuseOSError(errno.EIO) from error

    def release(self, path: str, fh: int) -> int:
        self._files.release(fh)
        return 0

    def _found(self, path: str) -> Folder | int:
        found = self._listing.find(path)
        if found is None:
            raise mfusepy.FuseOSError(errno.ENOENT)
        return found


def serve(system: FileSystem, place: str, *, is_for_all: bool) -> None:
    """Mount it there, and answer until it is taken away. Raises RuntimeError."""
    more: dict[str, Any] = {}
    if (mfusepy.fuse_version_major, mfusepy.fuse_version_minor) >= THREADS_SINCE:
        more["max_threads"] = THREADS
    mfusepy.FUSE(
        system, place, foreground=True, ro=True, fsname="duto", subtype="duto", nosuid=True, nodev=True, noatime=True,
        allow_other=is_for_all, **more,
    )  # fmt: skip
