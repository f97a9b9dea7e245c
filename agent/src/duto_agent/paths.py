"""Guards for paths that come over the wire: nothing leaves the folder it was meant for."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from duto.spec.filenames import leads_out, unspelled


class BadPath(Exception):
    """A path that points out of its folder, or is none."""


def inside(folder: Path, relative: str) -> Path:
    """`folder/relative`, if it stays in the folder by its text and through every link on the way.

    `relative` is the text of a path (`duto.spec.filenames`), as it stands in specs and manifests.
    """
    pure = PurePosixPath(unspelled(relative))
    if not relative or leads_out(relative) or leads_out(str(pure)):
        raise BadPath(f"'{relative}' is not a path inside its folder.")
    if pure == PurePosixPath("."):
        raise BadPath(f"'{relative}' names no file.")
    path = folder / pure
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise BadPath(f"'{relative}' leads out of its folder through a link.")
    return path


def plain_name(name: str) -> str:
    """The name of an input or output as the name of one folder."""
    if not re.fullmatch(r"[^/\\\0]{1,255}", name) or name in (".", ".."):
        raise BadPath(f"'{name}' cannot name a folder.")
    return name


def stays_inside(folder: Path, path: Path) -> bool:
    """Whether the thing itself, links followed, lies in the folder."""
    try:
        return path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False
