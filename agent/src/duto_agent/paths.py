"""Guards for paths that come over the wire: nothing leaves the folder it was meant for."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from duto.spec.filenames import leads_out, unescaped_path
from duto.spec.sentences import said
from duto_agent.worded import Worded


class BadPath(Worded):
    """A path that points out of its folder, or is none."""


def inside(folder: Path, relative: str) -> Path:
    """`folder/relative`, if it stays in the folder by its text and through every link on the way.

    `relative` is the text of a path (`duto.spec.filenames`), as it stands in specs and manifests.
    """
    return Inside(folder).path(relative)


class Inside:
    """`inside` for many paths of one folder in which nothing changes meanwhile: links on the way are looked at once a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._real = folder, folder.resolve()
        self._good: set[Path] = set()

    def path(self, relative: str) -> Path:
        """Raises BadPath."""
        pure = PurePosixPath(unescaped_path(relative))
        if not relative or leads_out(relative) or leads_out(str(pure)):
            raise BadPath(said("no_inner_path", path=relative))
        if pure == PurePosixPath("."):
            raise BadPath(said("names_no_file", path=relative))
        path = self._folder / pure
        if path.parent not in self._good:
            if not path.parent.resolve().is_relative_to(self._real):
                raise BadPath(said("leads_out_by_link", path=relative))
            self._good.add(path.parent)
        return path


def plain_name(name: str) -> str:
    """The name of an input or output as the name of one folder."""
    if not re.fullmatch(r"[^/\\\0]{1,255}", name) or name in (".", ".."):
        raise BadPath(said("no_folder_name", name=name))
    return name


def stays_inside(folder: Path, path: Path) -> bool:
    """Whether the thing itself, links followed, lies in the folder."""
    try:
        return path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False
