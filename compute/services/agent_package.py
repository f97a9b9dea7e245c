"""What a new host needs of this checkout: the agent's and the SDK's sources, and the versions of what others wrote."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

SOURCES = ("agent/src/duto_agent", "protocol/src/duto_protocol", "sdk/duto/src/duto", "sdk/azureml/src/azureml")
ROOT_PACKAGE = "duto-agent"
# Of its extras, what is of use on some hosts and small enough for all.
EXTRAS = ("fuse",)
INSTALLER = "agent/install.py"


@dataclass(frozen=True)
class Package:
    """A gzipped tar, and the digest by which a host tells whether it has it already."""

    data: bytes
    digest: str


@cache
def package() -> Package:
    """`src/` with the packages, and `requirements.txt`. The same checkout gives the same bytes."""
    root = Path(settings.BASE_DIR)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in sorted(_files(root)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    data = gzip.compress(plain.getvalue(), mtime=0)
    return Package(data, hashlib.sha256(data).hexdigest())


def installer(studio: str) -> str:
    """The script of `agent/install.py` with this studio's address in it."""
    text = (Path(settings.BASE_DIR) / INSTALLER).read_text()
    return text.replace('STUDIO = ""', f"STUDIO = {studio!r}", 1)


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    for source in SOURCES:
        folder = root / source
        for path in folder.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"src/{path.relative_to(folder.parent).as_posix()}", path.read_bytes()
    lock = tomllib.loads((root / "uv.lock").read_text())
    yield "requirements.txt", requirements(lock).encode()


def requirements(lock: Mapping[str, Any], start: str = ROOT_PACKAGE, extras: tuple[str, ...] = EXTRAS) -> str:
    """What `start` needs of others by the lock, with these of its extras, one exact version a line; our own packages travel as sources.

    A package that is wanted under several conditions is wanted when one of them holds.
    """
    packages = {each["name"]: each for each in lock["package"]}
    wanted: dict[str, set[str]] = {}
    todo: list[tuple[str, tuple[str, ...], str]] = [(start, extras, "")]
    seen = set()
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        name, extras, marker = here
        found = packages[name]
        if "registry" in found.get("source", {}):
            wanted.setdefault(name, set()).add(marker)
        edges = list(found.get("dependencies", ()))
        for extra in extras:
            edges += found.get("optional-dependencies", {}).get(extra, ())
        todo += [(edge["name"], tuple(edge.get("extra", ())), _both(marker, edge.get("marker", ""))) for edge in edges]
    return "".join(f"{name}=={packages[name]['version']}{_when(wanted[name])}\n" for name in sorted(wanted))


def _both(one: str, other: str) -> str:
    return f"({one}) and ({other})" if one and other and one != other else one or other


def _when(markers: set[str]) -> str:
    return "" if "" in markers else " ; " + " or ".join(f"({each})" for each in sorted(markers))
