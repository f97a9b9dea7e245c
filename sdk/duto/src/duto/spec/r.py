"""The R section of an environment: which packages a library of R is made of. Pure.

`{"version": "4.2", "packages": [{"name", "version", "repository"}], "sources": ["https://…/x.tar.gz"]}`. A package without
a version is the one that CRAN has when the library is made, `repository` null is the studio's CRAN.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, Mapping, Optional

from duto.spec.errors import Problem, SpecError
from duto.spec.sentences import Said, said

MOST = 500
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.]*[A-Za-z0-9]")
_VERSION = re.compile(r"\d+([.-]\d+)*")
_ADDRESS = re.compile(r"https?://[^\s|]+")


def section(given: Any) -> Dict[str, Any]:
    """A section in its normal form. Raises `SpecError` that names all that is wrong with it (`bad_requirement`)."""
    problems: List[str] = []
    if not isinstance(given, Mapping):
        raise _refused(["'r' of an environment is an object with 'version', 'packages' and 'sources'."])
    version = _text(given.get("version"))
    if version is not None and not _VERSION.fullmatch(version):
        problems.append(f"{version!r} is no version of R, such as 4.2.")
    packages, sources = (_list(given, name, problems) for name in ("packages", "sources"))
    found = {
        "version": version,
        "packages": [each for item in packages if (each := _package(item, problems)) is not None],
        "sources": [_address(item, problems) for item in sources],
    }
    if problems:
        raise _refused(problems)
    return found


def package_of(text: str) -> Dict[str, Optional[str]]:
    """`name`, `name==version` or `name=version` as a package; what is no name or version is refused later."""
    name, _, version = text.partition("=")
    return {"name": name.strip(), "version": version.lstrip("=").strip() or None, "repository": None}


def refusal() -> Said:
    """What to say of a step that needs R where no host has it."""
    return said("no_r_hosts")


def shown(given: Optional[Mapping[str, Any]]) -> List[str]:
    """What a section asks for, a line each; nothing where there is none."""
    if given is None:
        return []
    packages = [each["name"] + (f"=={each['version']}" if each["version"] else "") for each in given["packages"]]
    return [f"R {given['version'] or ''}".strip(), *(f"{each} (R)" for each in (*packages, *given["sources"]))]


def _list(given: Mapping[str, Any], name: str, problems: List[str]) -> List[Any]:
    found = given.get(name) or []
    if isinstance(found, list) and len(found) <= MOST:
        return found
    problems.append(f"'{name}' of an environment's R is a list of {MOST} at most.")
    return []


def _package(item: Any, problems: List[str]) -> Optional[Dict[str, Optional[str]]]:
    item = package_of(item) if isinstance(item, str) else item
    name = item.get("name") if isinstance(item, Mapping) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problems.append(f"{name if isinstance(name, str) else item!r} is no name of an R package.")
        return None
    version, repository = _text(item.get("version")), _text(item.get("repository"))
    if version is not None and not _VERSION.fullmatch(version):
        problems.append(
            f"{version!r} is no version of the R package '{name}': one exact version is asked for, or none."
        )
    if repository is not None:
        _address(repository, problems)
    return {"name": name, "version": version, "repository": repository}


def _address(item: Any, problems: List[str]) -> str:
    if not isinstance(item, str) or not _ADDRESS.fullmatch(item):
        problems.append(f"{item!r} is no address of R packages: it begins with http:// or https://.")
    return str(item)


def _text(value: Any) -> Optional[str]:
    return None if value is None or value == "" else str(value)


def _refused(problems: Iterable[str]) -> SpecError:
    return SpecError([Problem("bad_requirement", each) for each in problems])
