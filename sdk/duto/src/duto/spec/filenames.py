"""Names of files as text: what stands in manifests, rows and addresses for names that are any bytes on a disk.

A path that is UTF-8 is its own text. In a name that is not, each byte that belongs to no letter becomes `%` with two
hex digits, and each `%` of that name becomes `%25`. A name that is UTF-8 but reads like such a spelling is spelled as
well, so that no two names share a text: `bad\\xff.txt` is `bad%FF.txt`, and a file really named `bad%FF.txt` is
`bad%25FF.txt`. `a%20b.txt` stays as it is.
"""

from __future__ import annotations

import re
from typing import Optional
from urllib.parse import unquote_to_bytes

from duto.spec.sentences import said

# What a path may have below its root: characters and bytes in all, and bytes in each name.
LONGEST, LONGEST_BYTES, LONGEST_NAME = 1024, 3072, 255
# Of the folder that an output is kept in, so that any file of the output has room below it.
LONGEST_DESTINATION = 255

_ESCAPED = re.compile("[%\udc80-\udcff]")
_PLACE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]")


def spelled(path: str) -> str:
    """The text of a path, given as `os.fsdecode` gives it; `/` separates names."""
    if "%" not in path and _is_text(path):
        return path
    return "/".join(_spelled(name) for name in path.split("/"))


def unescaped_path(text: str) -> str:
    """The path of a text, as `os.fsencode` takes it: `unescaped_path(spelled(path)) == path`."""
    return "/".join(map(_unescaped_name, text.split("/"))) if "%" in text else text


def leads_out(path: str) -> bool:
    """Whether a path could leave the folder that it is joined to, on any system: it is absolute, or has `..` between
    slashes of either kind."""
    return path.startswith("/") or "\0" in path or (".." in path and ".." in re.split(r"[/\\]", path))


def is_elsewhere(path: str) -> bool:
    """Whether a path that stands alone is a drive, a share or an address rather than a name below some folder."""
    return path.startswith("\\\\") or _PLACE.match(path) is not None


def place_on(path: str) -> str:
    """A path below a root as it is kept: slashes before, after and beside others mean nothing, and neither does `.`."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def placed(path: Optional[str]) -> Optional[str]:
    """The same of a path that may not be given. One that is the root itself stays a slash: it was given."""
    return path and (place_on(path) or "/")


def why_no_place(path: str) -> str:
    """Why a path that `place_on` gave cannot be one below a root; empty where it can."""
    if "\0" in path:
        return "it has a NUL in it"
    if is_elsewhere(path):
        return "it is a drive, a share or an address; name the path below the datastore alone"
    if leads_out(path):
        return "'..' leads out of the datastore"
    return too_long(unescaped_path(path))


def too_long(path: str) -> str:
    """Why a path below its root, as `os.fsdecode` gives it, is longer than what can be kept; empty where it is not."""
    if any(len(name.encode("utf-8", "surrogateescape")) > LONGEST_NAME for name in path.split("/")):
        return said("long_name", most=LONGEST_NAME)
    if len(spelled(path)) > LONGEST:
        return said("long_path", most=f"{LONGEST:,}")
    if len(path.encode("utf-8", "surrogateescape")) > LONGEST_BYTES:
        return said("long_path_bytes", most=f"{LONGEST_BYTES:,}")
    return ""


def _is_text(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _spelled(name: str) -> str:
    if not _needs_spelling(name):
        return name
    return _ESCAPED.sub(lambda found: "%%%02X" % (ord(found[0]) & 0xFF), name)


def _unescaped_name(name: str) -> str:
    found = unquote_to_bytes(name).decode("utf-8", "surrogateescape") if "%" in name else name
    return found if found != name and _needs_spelling(found) else name


def _needs_spelling(name: str) -> bool:
    """Whether it is no text, or is what the spelling of such a name looks like, at any depth."""
    while "/" not in name and "\0" not in name:
        if not _is_text(name):
            return True
        shorter = unquote_to_bytes(name).decode("utf-8", "surrogateescape")
        if shorter == name:
            return False
        name = shorter
    return False
