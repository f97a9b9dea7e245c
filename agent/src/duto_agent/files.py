"""Small deeds with files that several modules need."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any) -> None:
    """All or nothing: a reader sees the old file or the new one."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(value, separators=(",", ":")), encoding="utf-8")
    new.replace(path)


def read_json(path: Path) -> Any:
    """The file's value, or None where there is none or it is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def digest_of(path: Path) -> str:
    """sha256 of a file, in one pass."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def now() -> str:
    """This moment as the wire writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def remove_tree(path: Path) -> None:
    """Remove a tree although folders in it are read-only; never follows a link."""
    if path.is_symlink() or not path.exists():
        path.unlink(missing_ok=True)
        return

    def unlock(function: Any, name: str, _: BaseException) -> None:
        try:
            os.chmod(Path(name).parent, 0o700)  # noqa: PTH101
            if Path(name).is_dir() and not Path(name).is_symlink():
                os.chmod(name, 0o700)  # noqa: PTH101
            function(name)
        except OSError:
            pass

    for _ in range(2):  # the first pass may only have unlocked a folder
        shutil.rmtree(path, onerror=lambda function, name, info: unlock(function, name, info[1]))
        if not path.exists():
            return
