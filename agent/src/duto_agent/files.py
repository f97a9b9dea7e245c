"""Small actions with files that several modules need."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from duto.spec import trees

LARGEST_JSON = 64 << 20
PIECE = 1 << 20
# What is being removed: no attempt and no environment has this name, and housekeeping finishes what was cut off.
GONE = ".tmp.gone"


def write_json(path: Path, value: Any) -> None:
    """All or nothing: a reader sees the old file or the new one."""
    write_text(path, json.dumps(value, separators=(",", ":")))


def write_text(path: Path, text: str) -> None:
    """All or nothing. A script may write beside the file: a link that lies in wait is removed, never followed."""
    new = path.with_name(f"{path.name}.{threading.get_ident()}.new")
    new.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644), "w") as file:
            file.write(text)
        new.replace(path)
    except OSError:  # half of it would only take the room away
        new.unlink(missing_ok=True)
        raise


def read_json(path: Path, own: bool = False, most: int = LARGEST_JSON) -> Any:
    """The file's value, or None where there is none, it is not JSON or has more than `most` bytes. `own`: only if this
    user wrote it."""
    try:
        with open_plain(path) as file:
            if own and not is_own(path):
                return None
            data = file.read(most + 1)
        return json.loads(data) if len(data) <= most else None
    except (OSError, ValueError, RecursionError):
        return None


def is_own(path: Path) -> bool:
    """Whether a file is there and this user wrote it: a script may put files of its own beside it."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid()


def open_plain(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """A regular file and nothing else: a script may have left a link to another's file, or a pipe, in its place.

    Raises OSError, FileNotFoundError for what is no file.
    """
    number = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise FileNotFoundError(f"{path} is no regular file")
    return os.fdopen(number, "rb" if flags == os.O_RDONLY else "rb+", buffering=0)


def digest_of(path: Path, check: Callable[[], None]) -> str:
    """sha256 of a file, in one pass; `check` is asked after each piece whether to go on."""
    total = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            total.update(piece)
            check()
    return total.hexdigest()


def now() -> str:
    """This moment as the wire writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def remove_tree(path: Path) -> None:
    """Remove a tree, however deep, although folders in it are read-only; never follows a link. Raises OSError."""
    trees.remove(path)


def put_away(path: Path) -> None:
    """Remove a folder that means something: it loses its name first, so that half of it is never taken for the whole.

    Raises OSError; what then stays goes by housekeeping.
    """
    aside = path.with_name(f"{path.name}.{os.urandom(4).hex()}{GONE}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    remove_tree(aside)
