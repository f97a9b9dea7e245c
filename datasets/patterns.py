"""What a path with wildcards is seen from, and what its files are called. Pure; they are matched by `duto.spec.globs`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MAGIC = re.compile(r"[*?\[]")


def has_wildcard(path: str) -> bool:
    return _MAGIC.search(path) is not None


def relative(key: str, root: str) -> str:
    """The key as seen from the folder `root`; a file that is the root itself keeps its name."""
    if root and key.startswith(root + "/"):
        return key[len(root) + 1 :]
    return key.rsplit("/", 1)[-1] if key == root else key


def common_folder(folders: Sequence[str]) -> str:
    """The deepest folder that all of them lie in."""
    split = [folder.split("/") if folder else [] for folder in folders]
    kept = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        kept.append(parts[0])
    return "/".join(kept)


def unique(names: Iterable[str]) -> list[str]:
    """The names, later ones of a kind numbered: `a.csv`, `a-2.csv`."""
    seen: set[str] = set()
    made = []
    for name in names:
        stem, dot, suffix = name.rpartition(".") if "." in name.rsplit("/", 1)[-1] else (name, "", "")
        candidate, number = name, 2
        while candidate in seen:
            candidate, number = f"{stem}-{number}{dot}{suffix}", number + 1
        seen.add(candidate)
        made.append(candidate)
    return made
