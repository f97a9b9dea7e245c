"""Hands the folders of an attempt to the user that its container runs as, and keeps the agent's own files from it."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

FOLDERS = ("work", "inputs", "outputs", "tmp")
FILES = ("spool.jsonl", "log.data", "log.idx")


def hand_over(directory: Path, user: int) -> None:
    """Before the container starts, never later: what a script could have put there must not be followed.

    In the attempt's directory and its four folders the script may make what it likes, but it can neither move nor
    replace them or the agent's files (sticky). What lies in the folders becomes its own; mounted inputs stay as they are.
    """
    directory.parent.chmod(0o700)
    directory.chmod(0o1777)
    for name in FILES:
        with contextlib.suppress(FileNotFoundError):
            os.chown(directory / name, user, user, follow_symlinks=False)
    for name in FOLDERS:
        with contextlib.suppress(FileNotFoundError):
            _give(directory / name, user)


def _give(folder: Path, user: int) -> None:
    for entry in os.scandir(folder):
        kind = entry.stat(follow_symlinks=False).st_mode
        if not (stat.S_ISDIR(kind) and not kind & stat.S_IWUSR):
            os.chown(entry.path, user, user, follow_symlinks=False)
            if stat.S_ISDIR(kind):
                _own(entry.path, user)
    folder.chmod(0o1777)


def _own(folder: str, user: int) -> None:
    for entry in os.scandir(folder):
        os.chown(entry.path, user, user, follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            _own(entry.path, user)
