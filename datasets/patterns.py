"""Paths with wildcards: `*` and `?` within one folder, `**` across folders, `[...]` one of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MAGIC = re.compile(r"[*?\[]")


def has_wildcard(path: str) -> bool:
    return _MAGIC.search(path) is not None


def fixed_part(path: str) -> str:
    """The folder above the first wildcard."""
    kept = []
    for part in path.split("/"):
        if has_wildcard(part):
            break
        kept.append(part)
    return "/".join(kept)


def compile_pattern(path: str) -> re.Pattern[str]:
    """What matches whole paths as this pattern does."""
    parts = [part for part in path.split("/") if part]
    text = ""
    for place, part in enumerate(parts):
        is_last = place == len(parts) - 1
        if part == "**":
            text += ".+" if is_last else "(?:[^/]+/)*"
        else:
            text += _segment(part) + ("" if is_last else "/")
    return re.compile(text)


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


def _segment(part: str) -> str:
    text, place = "", 0
    while place < len(part):
        char = part[place]
        if char == "*":
            text += "[^/]*"
        elif char == "?":
            text += "[^/]"
        elif char == "[" and (end := part.find("]", place + 2)) > 0:
            inner = part[place + 1 : end].replace("\\", r"\\")
            text += f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
            place = end
        else:
            text += re.escape(char)
        place += 1
    return text
