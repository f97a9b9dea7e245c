"""Environments with conda packages, as text: their lock, what micromamba is told, and what a host says that cannot. Pure.

Such a lock is what micromamba takes as an explicit list (`@EXPLICIT`, then addresses with their digests), and after the
line `@PIP` what uv puts on top.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from duto.spec import pythons
from duto.spec.sentences import Said, said

EXPLICIT, PIP = "@EXPLICIT", "@PIP"
OLDEST = (3, 8)  # what the program at the entry of every step needs
PACKAGE = re.compile(r"/(?P<name>[^/#]+)-(?P<version>[^-/#]+)-[^-/#]+\.(?:conda|tar\.bz2)(?:#\S*)?$")
# "nosuch =* * does not exist (perhaps a typo or a missing channel)", "nothing provides nosuch"
MISSING = re.compile(
    r"(?:[└├]─ |package )([\w.-]+)[^()└├]{0,200}? does not exist|nothing provides (?:requested )?([\w.-]+)"
)
UNSOLVED = "Could not solve for environment specs"


def is_lock(lock: str) -> bool:
    """Whether this lock has a part of conda's."""
    return lock.startswith(EXPLICIT)


def join(exported: str, before: str, after: str) -> str:
    """The lock of what micromamba exported as an explicit list, in its order, and of what uv then changed.

    `before` and `after` are what `uv pip freeze` printed of the same prefix: what micromamba has put there is in both.
    """
    urls = [line.strip() for line in exported.splitlines() if "://" in line and not line.startswith("#")]
    own = sorted(_lines(after) - _lines(before), key=str.lower)
    return "".join(f"{line}\n" for line in (EXPLICIT, *urls, PIP, *own))


def split(lock: str) -> tuple[str, str]:
    """The explicit list, and the requirements for uv."""
    head, _, tail = lock.partition(f"{PIP}\n")
    return head, tail


def python_of(lock: str) -> str:
    """The version of the Python that the lock brings; empty if it brings none."""
    found = (PACKAGE.search(line.strip()) for line in lock.splitlines())
    return next((match["version"] for match in found if match and match["name"] == "python"), "")


def specs(packages: Iterable[str], python: str | None) -> list[str]:
    """What micromamba is asked for: always with a Python, since that is what runs the step."""
    version = python or f">={'.'.join(map(str, OLDEST))}"
    return [f"python={version}" if version[0].isdigit() else f"python{version}", *packages]


def is_too_old(python: str | None) -> bool:
    """Whether a step could not begin in this Python."""
    if not python:
        return False
    return not any((3, minor) >= OLDEST for minor in pythons.minors(python))


def asked(section: Mapping[str, Any], python: str | None) -> str:
    """Channels and packages of a recipe as the words `$@` of a shell; nothing of them is anything else there."""
    channels = [word for each in section.get("channels") or () for word in ("-c", str(each))]
    packages = specs([str(each) for each in section.get("packages") or ()], python)
    return f"set -- {' '.join(shlex.quote(word) for word in ('--override-channels', *channels, *packages))}\n"


def explain(log: str) -> Said | None:
    """The one sentence for the page, where it was micromamba that gave up over a package."""
    flat = re.sub(r"\s+", " ", log)
    if found := MISSING.search(flat):
        name = next(each for each in found.groups() if each)
        return said("no_conda_package", name=name)
    if UNSOLVED in flat:
        reason = flat.partition(UNSOLVED)[2].replace(UNSOLVED, "").removesuffix("critical libmamba ").strip()
        return said("no_conda_solution", reason=reason[:400] or said("log_says_more"))
    return None


def _lines(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if line.strip()}
