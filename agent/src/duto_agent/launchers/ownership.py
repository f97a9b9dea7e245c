"""Hands the folders of an attempt to the user that its script runs as, and keeps the agent's own files from it."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from duto_agent.launchers.base import Bind

FOLDERS = ("work", "inputs", "outputs", "tmp")
# Beside them: inputs that are links to what the host keeps for other steps, too.
HELD = "held"
SPOOL, LEDGER = "spool.jsonl", "ledger.jsonl"
# Beside its folders: what a step tells of itself line by line. Only some kinds of steps have a ledger.
TOLD = (SPOOL, LEDGER)
FILES = (SPOOL, "log.data")
NOTES = "shim"  # what a shim writes that is the script's user, as in containers


def hand_over(directory: Path, user: int) -> None:
    """To a container whose shim is that user, too. Before it starts, never later: what a script could have put there
    must not be followed.

    In its four folders the script may make what it likes, but it can neither move nor replace them (sticky) or the agent's
    files, which lie beside them. What lies in the folders becomes its own; mounted inputs stay as they are.
    """
    directory.parent.chmod(0o700)
    directory.chmod(0o755)
    _give(directory, (*FILES, LEDGER), user, user)
    os.chown(directory / NOTES, user, user, follow_symlinks=False)
    for name in FOLDERS:
        with contextlib.suppress(FileNotFoundError):
            (directory / name).chmod(0o1777)


def prepare(directory: Path) -> None:
    """What a container's step and its shim write is there before it is made: it can make nothing beside that. Raises OSError."""
    (directory / NOTES).mkdir(exist_ok=True)
    for name in FILES:
        os.close(os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))


def writable(directory: Path) -> list[Bind]:
    """The directory with what a step in a container may write of it, where its user could write all."""
    names = [name for name in (*FOLDERS, *FILES, LEDGER, NOTES) if (directory / name).exists()]
    return [Bind(directory, directory), *(Bind(directory / name, directory / name, read_only=False) for name in names)]


def hand_over_work(directory: Path, user: int, group: int) -> None:
    """To a local process whose shim stays outside: all else in the attempt's directory is the agent's alone."""
    directory.parent.chmod(0o700)
    directory.chmod(0o755)
    _give(directory, TOLD, user, group)
    for name in FOLDERS:
        with contextlib.suppress(FileNotFoundError):
            os.chown(directory / name, user, group, follow_symlinks=False)
            (directory / name).chmod(0o755)


def _keep_from(path: str) -> None:
    """What is mounted stays the agent's, which suffices: without its own write permission a copy of it could not be written."""
    pending = [path]
    while pending:
        path = pending.pop()
        is_folder = Path(path).is_dir()
        Path(path).chmod(0o755 if is_folder else 0o644)
        if is_folder:
            pending += [entry.path for entry in os.scandir(path) if not entry.is_symlink()]


def undo_swaps(directory: Path) -> None:
    """Before anything is collected: where a script put a link, or anything else, in the place of one of its folders, there
    is an empty folder again. Nothing may run any more."""
    for name in FOLDERS:
        path = directory / name
        try:
            if stat.S_ISDIR(path.lstat().st_mode):
                continue
            path.unlink()
        except FileNotFoundError:
            continue
        path.mkdir()


def keep(path: Path, mode: int) -> None:
    """What is collected belongs to the agent from now on, and others may read it, but not write: the next step that gets it is
    another user.

    Without the bits by which a program becomes somebody else. `mode` is that of the file or folder itself, no link.
    """
    permissions = stat.S_IMODE(mode)
    wanted = permissions & 0o777 | stat.S_IRUSR | (stat.S_IXUSR if stat.S_ISDIR(mode) else 0)
    if os.geteuid() == 0:
        os.chown(path, 0, 0, follow_symlinks=False)
        wanted = wanted & 0o755 | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH
        wanted |= stat.S_IXGRP | stat.S_IXOTH if wanted & stat.S_IXUSR else 0
    if wanted != permissions:
        path.chmod(wanted)


def _give(directory: Path, files: tuple[str, ...], user: int, group: int) -> None:
    # As `_keep_from` says of folders; the files there are the host's.
    for folder, _folders, _files in os.walk(directory / HELD):
        Path(folder).chmod(0o755)
    for name in files:
        with contextlib.suppress(FileNotFoundError):
            os.chown(directory / name, user, group, follow_symlinks=False)
    folders = [directory / name for name in FOLDERS if (directory / name).is_dir()]
    while folders:
        for entry in os.scandir(folders.pop()):
            kind = entry.stat(follow_symlinks=False).st_mode
            if not (stat.S_ISLNK(kind) or kind & stat.S_IWUSR):
                _keep_from(entry.path)
                continue
            os.chown(entry.path, user, group, follow_symlinks=False)
            if stat.S_ISDIR(kind):
                folders.append(Path(entry.path))
