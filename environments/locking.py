"""From what a resolver wrote (PEP 751) to the lock of a curated environment: exact versions for Linux, each with the digests of
the files that a host may install. Pure.

The file says where each package was fetched from; a lock does not, so that every host asks its own index.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from packaging.markers import Marker
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

MACHINES = ("x86_64", "aarch64")
# The C libraries of hosts, newest first: those of distributions from 2014 to long after this release.
_GLIBC = [f"manylinux_2_{minor}" for minor in range(60, 4, -1)] + [
    "manylinux2014",
    "manylinux2010",
    "manylinux1",
    "linux",
]


def lock_of(text: str, python: str) -> str:
    """The lines `name==version --hash=…`, sorted by name.

    A package for one kind of machine alone keeps its condition; one for other systems is left out.
    """
    found = [_line(each, python) for each in tomllib.loads(text)["packages"]]
    return "".join(f"{line}\n" for line in sorted(filter(None, found), key=str.lower))


def _line(package: Mapping[str, Any], python: str) -> str:
    serves = [machine for machine in MACHINES if _is_for(package.get("marker"), python, machine)]
    if not serves:
        return ""
    condition = "" if len(serves) == len(MACHINES) else f" ; platform_machine == '{serves[0]}'"
    hashes = sorted({f" --hash=sha256:{digest}" for digest in _digests(package, python, serves)})
    if not hashes:
        raise ValueError(f"{package['name']} {package['version']} has no file that a host could install")
    return f"{package['name']}=={package['version']}{condition}{''.join(hashes)}"


def _is_for(marker: str | None, python: str, machine: str) -> bool:
    if marker is None:
        return True
    where = {
        "python_version": python, "python_full_version": f"{python}.0", "implementation_name": "cpython",
        "platform_python_implementation": "CPython", "os_name": "posix", "sys_platform": "linux",
        "platform_system": "Linux", "platform_machine": machine,
    }  # fmt: skip
    return Marker(marker).evaluate(where)


def _digests(package: Mapping[str, Any], python: str, machines: list[str]) -> Iterator[str]:
    numbers = tuple(int(part) for part in python.split("."))
    platforms = [f"{start}_{machine}" for machine in machines for start in _GLIBC]
    usable = {*cpython_tags(numbers, platforms=platforms), *compatible_tags(numbers, platforms=platforms)}
    if source := package.get("sdist"):
        yield source["hashes"]["sha256"]
    for wheel in package.get("wheels", ()):
        name = unquote(wheel.get("name") or wheel["url"].partition("#")[0].rpartition("/")[2])
        if parse_wheel_filename(name)[3] & usable:
            yield wheel["hashes"]["sha256"]
