"""Files that grow while somebody reports: logs, samples, ledgers. What is over is kept as a file like others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from core.storage import data_dir, own_folder


def place(name: str) -> Path:
    """Where its bytes lie on this machine's disk."""
    return data_dir() / "logs" / name


def write(name: str, offset: int, data: bytes) -> None:
    """Put bytes at a place of the spool, which is made where there is none. Whoever counts the bytes does so afterwards."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    path = place(name)
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


def reader(name: str) -> BinaryIO:
    """A seekable reader. It may hold more bytes than were counted. Raises FileNotFoundError once it is closed, and before."""
    return place(name).open("rb")


def close(name: str, size: int, folder: str, key: str) -> None:
    """Have its first `size` bytes be the file `key` of a folder of the studio's own, and what is beyond nothing.

    May be called again. Bytes that are not there are not made up: then there is no file.
    """
    source, store = place(name), own_folder(folder)
    if not source.exists():
        if size or store.exists(key):
            return
        write(name, 0, b"")
    os.truncate(source, size)
    store.adopt(source, key)


def remove(name: str) -> None:
    """Nothing to remove is fine."""
    place(name).unlink(missing_ok=True)
