"""Trees of folders that somebody else may have written: nothing here recurses, so no depth is too deep."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Tuple, Union

Folder = Union[str, "os.PathLike[str]"]
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def walk(top: Folder) -> Iterator[Tuple[str, List[os.DirEntry[str]]]]:
    """Each folder at and below `top` by its path in it (`""` is `top`), with its entries, sorted by name.

    Links to folders are entries and are not entered, and neither is a folder that the caller takes out of the list. What
    is gone or may not be read has no entries.
    """
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(os.path.join(top, folder)) as found:  # noqa: PTH118
                entries = sorted(found, key=lambda each: each.name)
        except OSError:
            continue
        yield folder, entries
        below = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
        pending += [f"{folder}/{name}" if folder else name for name in reversed(below)]


def files(top: Folder) -> Iterator[Tuple[str, Path]]:
    """Every file below `top`, links to files among them: its path in `top`, and where it is."""
    for folder, entries in walk(top):
        for each in entries:
            if each.is_file():
                yield (f"{folder}/{each.name}" if folder else each.name), Path(each.path)


def remove(path: Folder) -> None:
    """Remove a file or a whole tree, although folders in it may not be written to. Follows no link; POSIX only.

    A folder below another is first moved up to the top, so that neither its depth nor the length of its path matters.
    Nothing to remove is fine. Raises the first OSError of what stays, after all else has gone.
    """
    path = os.fspath(path)
    try:
        is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
        if not is_folder:
            os.unlink(path)  # noqa: PTH108
            return
        top = _open(path)
    except FileNotFoundError:
        return
    try:
        _Emptying(top).run()
    finally:
        os.close(top)
    with contextlib.suppress(FileNotFoundError):  # somebody else was as quick
        os.rmdir(path)  # noqa: PTH106


class _Emptying:
    """Removes what is in an open folder. At each moment two folders are open, whatever the tree looks like."""

    def __init__(self, top: int) -> None:
        self.top, self.names = top, os.listdir(top)
        self.moved = 0
        self.error: Optional[OSError] = None

    def run(self) -> None:
        while self.names:
            name = self.names.pop()
            self._try(self._remove, name)
        if self.error is not None:
            raise self.error

    def _try(self, action: Callable[..., None], *given: Any) -> None:
        try:
            action(*given)
        except FileNotFoundError:
            pass
        except OSError as error:
            self.error = self.error or error

    def _remove(self, name: str) -> None:
        if not _is_folder(name, self.top):
            os.unlink(name, dir_fd=self.top)
            return
        folder = _open(name, self.top)
        try:
            for inner in os.listdir(folder):  # noqa: PTH208
                self._try(self._lift, inner, folder)
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=self.top)

    def _lift(self, name: str, folder: int) -> None:
        """A file goes at once; a folder goes up, where its turn comes."""
        if not _is_folder(name, folder):
            os.unlink(name, dir_fd=folder)
            return
        with contextlib.suppress(OSError):  # a folder that may not be written to may not be moved either
            os.close(_open(name, folder))
        self.moved += 1
        aside = f".{self.moved}-{os.urandom(8).hex()}"
        os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=self.top)
        self.names.append(aside)


def _is_folder(name: str, parent: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _open(name: str, parent: Optional[int] = None) -> int:
    """A folder, made readable and writable for its owner. Raises OSError, also for a link."""
    try:
        number = os.open(name, os.O_RDONLY | _FOLDER, dir_fd=parent)
    except PermissionError:
        number = os.open(name, os.O_PATH | _FOLDER, dir_fd=parent)
        try:  # by its number: between two looks a name may become a link
            os.chmod(f"/proc/self/fd/{number}", stat.S_IRWXU)  # noqa: PTH101
            return os.open(f"/proc/self/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(number)
    if os.fstat(number).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        with contextlib.suppress(OSError):
            os.fchmod(number, stat.S_IRWXU)
    return number
