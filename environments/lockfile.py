"""What a host says a recipe resolved to, read with care: it names exact versions of what was asked for, and nothing else.

A lock is installed by every workspace that asks for the same packages. A line that is an option or an address of its
own would let the host that resolved it choose where all of them fetch from. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from core.text import cleaned
from environments import stored_messages

EXPLICIT, PIP = "@EXPLICIT", "@PIP"
LARGEST = 1 << 20
CONDA_FILES = (".conda", ".tar.bz2")
_PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[\w.,\s-]*\])?==(?P<version>[\w.!+-]+)(?:\s*;[^\n]*)?(?:\s+--hash=sha256:[0-9a-f]{64})*"
)
_PLACED = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[\w.,\s-]*\])?\s*@\s*(?P<url>\S+)(?:\s*;[^\n]*)?")
_REPOSITORY = re.compile(
    r"(?P<repository>git\+[a-z]+://(?:[^/@#\s]*@)?[^@#\s]+)(?:@(?P<revision>[^#\s]+))?(?P<rest>#\S+)?"
)
_COMMIT = re.compile(r"(?P<repository>git\+[a-z]+://(?:[^/@#\s]*@)?[^@#\s]+)@[0-9a-f]{40}(?P<rest>#\S+)?")
_ADDRESS = re.compile(r"(?:https?|file)://[^\s]+")
_PYTHON = re.compile(r"\d{1,2}\.\d{1,3}(?:\.\d{1,3}[\w.+-]{0,20})?")


class BadLock(ValueError):
    """Why this cannot be what the recipe resolves to; a clause for people, by a code of `told`."""

    def __init__(self, code: str, /, **facts: Any) -> None:
        self.why = stored_messages.say(code, **facts)
        super().__init__(self.why["text"])


def digest_of(lock: str) -> str:
    """What an environment is known by, on every host."""
    return sha256(lock.encode()).hexdigest()


def checked(lock: object, python: object, recipe: Mapping[str, Any]) -> tuple[str, str]:
    """(lock, Python's version). Raises BadLock."""
    if not isinstance(lock, str) or len(lock) > LARGEST or cleaned(lock) != lock:
        raise BadLock("lock_unclean")
    if not isinstance(python, str) or not _PYTHON.fullmatch(python):
        raise BadLock("lock_python", python=repr(str(python)[:40]))
    known = (recipe.get("locks") or {}).get(".".join(python.split(".")[:2]))
    if known is not None:
        if lock != known:
            raise BadLock("lock_other")
        return lock, python
    lines = [line.strip() for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    pins = dict(_pins(_without_conda(lines, recipe), recipe))
    if not recipe.get("conda"):  # which may have brought what pip was asked for
        _compare(pins, recipe.get("packages") or ())
    return lock, python


def _without_conda(lines: list[str], recipe: Mapping[str, Any]) -> list[str]:
    """The part that pip takes; that of conda names files by their addresses, which only channels know."""
    if bool(recipe.get("conda")) != (lines[:1] == [EXPLICIT]):
        raise BadLock("lock_conda")
    if not recipe.get("conda"):
        return lines
    end = lines.index(PIP) if PIP in lines else len(lines)
    for line in lines[1:end]:
        if not _ADDRESS.fullmatch(line):
            raise BadLock("lock_address", line=repr(line[:80]))
    return lines[end + 1 :]


def _pins(lines: Iterable[str], recipe: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """(name, version) of each line; no version for an address that the recipe names itself."""
    places = {_place(str(each).strip()) for each in recipe.get("packages") or ()}
    repositories = {_repository(found) for each in places if (found := _REPOSITORY.fullmatch(each))}
    for line in lines:
        if pinned := _PINNED.fullmatch(line):
            yield canonicalize_name(pinned["name"]), pinned["version"]
        elif (placed := _PLACED.fullmatch(line)) and (
            placed["url"] in places or _is_commit_of(placed["url"], repositories)
        ):
            yield canonicalize_name(placed["name"]), None
        else:
            raise BadLock("lock_line", line=repr(line[:80]))


def _place(line: str) -> str:
    """The address of a package that was asked for by one, with or without its name; another line is none."""
    return placed["url"] if (placed := _PLACED.fullmatch(line)) else line.split(" ;")[0].strip()


def _repository(found: re.Match[str]) -> tuple[str, str]:
    return found["repository"], found["rest"] or ""


def _is_commit_of(url: str, repositories: Collection[tuple[str, str]]) -> bool:
    """Whether this is the commit that a branch, a tag or nothing meant in a repository that was asked for."""
    commit = _COMMIT.fullmatch(url)
    return commit is not None and _repository(commit) in repositories


def _compare(pins: Mapping[str, str | None], packages: Iterable[Any]) -> None:
    for text in packages:
        try:
            wanted = Requirement(str(text))
        except InvalidRequirement:
            continue  # the studio has taken it, so that it is the resolver's affair
        name = canonicalize_name(wanted.name)
        if wanted.marker is not None:
            continue
        if name not in pins:
            raise BadLock("lock_lacks", name=wanted.name)
        if (version := pins[name]) is not None and not _fits(version, wanted):
            raise BadLock("lock_version", wanted=str(wanted), version=str(version))


def _fits(version: str, wanted: Requirement) -> bool:
    try:
        return wanted.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def pinned(lock: str) -> list[str]:
    """The pinned packages of a lock, without hashes and comments; of conda packages the names of their files."""
    lines = [line.split(" ")[0].split(";")[0].rstrip("\\").strip() for line in lock.splitlines()]
    found = (_of_conda(line) for line in lines if not line.startswith(("#", "-")))
    return [line for line in found if "==" in line]


def _of_conda(line: str) -> str:
    """`…/python-3.11.4-hab00c5b_0.conda#…` as `python==3.11.4 (hab00c5b_0)`; what is no such address as it is."""
    file = line.partition("#")[0].rpartition("/")[2]
    ending = next((each for each in CONDA_FILES if file.endswith(each)), None)
    parts = file.removesuffix(ending).rsplit("-", 2) if ending else []
    return f"{parts[0]}=={parts[1]} ({parts[2]})" if len(parts) == 3 else line
