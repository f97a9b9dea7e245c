"""The SDK as wheels of the version that runs here, made without any tool of packaging, and the lines that install them."""

from __future__ import annotations

import base64
import hashlib
import io
import ipaddress
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

# Where the `pyproject.toml` of each is, and the package that it holds.
SOURCES = {"duto": ("sdk/duto", "duto"), "duto-azureml": ("sdk/azureml", "azureml")}
# The same files give the same bytes.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)
WHEEL = "Wheel-Version: 1.0\nGenerator: duto-studio\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True)
class Wheel:
    """One distribution as pip takes it."""

    project: str
    version: str
    requires_python: str
    data: bytes

    @property
    def filename(self) -> str:
        return f"{self.project.replace('-', '_')}-{self.version}-py3-none-any.whl"

    @property
    def sha256(self) -> str:
        """sha256 in hex."""
        return hashlib.sha256(self.data).hexdigest()


@cache
def wheels() -> Mapping[str, Wheel]:
    """The wheel of each distribution, by its name. Made once a process, from the files as they are then.

    Each version ends with a digest of all files (`0.1.0+d…`), and they ask for each other in exactly that version: no
    public index takes such versions, so the other half of the SDK comes from nowhere else, and fits.
    """
    root = Path(settings.BASE_DIR)
    projects = {
        name: tomllib.loads((root / folder / "pyproject.toml").read_text())["project"]
        for name, (folder, _package) in SOURCES.items()
    }
    files = {name: dict(_files(root / folder / "src", package)) for name, (folder, package) in SOURCES.items()}
    release = _digest(projects, files)
    licence = (root / "LICENSE").read_bytes()
    return {name: _wheel(projects[name], files[name], licence, release) for name in SOURCES}


def install_command(studio: str, what: str = "duto-azureml") -> str:
    """The line that installs `what` from the studio at this address."""
    words = [
        "pip",
        "install",
        f'"{what}"' if "[" in what else what,
        "--extra-index-url",
        f"{studio.rstrip('/')}/simple/",
    ]
    if not _is_secure(studio):
        words += ["--trusted-host", urlsplit(studio).netloc]
    return " ".join(words)


def _is_secure(studio: str) -> bool:
    """Whether pip fetches from there unasked: it leaves an index on plain http of another machine aside."""
    found = urlsplit(studio)
    host = found.hostname or ""
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    return found.scheme == "https" or is_here


def _files(folder: Path, package: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted((folder / package).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _digest(projects: Mapping[str, Mapping[str, Any]], files: Mapping[str, Mapping[str, bytes]]) -> str:
    seen = hashlib.sha256(repr(projects).encode())
    for contents in files.values():
        for name, data in contents.items():
            seen.update(f"{name}\0{hashlib.sha256(data).hexdigest()}\0".encode())
    return seen.hexdigest()[:12]


def _wheel(project: Mapping[str, Any], files: Mapping[str, bytes], licence: bytes, release: str) -> Wheel:
    # The letter keeps a digest of digits alone from being read as a number, without its zeros.
    version = f"{project['version']}+d{release}"
    info = f"{project['name'].replace('-', '_')}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/licenses/LICENSE": licence,
        f"{info}/METADATA": _metadata(project, version).encode(),
        f"{info}/WHEEL": WHEEL.encode(),
    }
    if scripts := project.get("scripts"):
        lines = [f"{name} = {target}\n" for name, target in scripts.items()]
        contents[f"{info}/entry_points.txt"] = "".join(["[console_scripts]\n", *lines]).encode()
    contents[f"{info}/RECORD"] = _record(contents, f"{info}/RECORD").encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, TIMESTAMP)
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return Wheel(project["name"], version, project["requires-python"], packed.getvalue())


def _metadata(project: Mapping[str, Any], version: str) -> str:
    """What pip reads of a distribution, as pips of any age understand it."""
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Summary: {project['description']}",
        f"License: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
        *_requirements(project.get("dependencies", ()), version),
    ]
    for extra, needed in project.get("optional-dependencies", {}).items():
        lines += [f"Provides-Extra: {extra}", *_requirements(needed, version, f' ; extra == "{extra}"')]
    return "\n".join(lines) + "\n"


def _requirements(needed: Iterable[str], version: str, condition: str = "") -> Iterator[str]:
    for text in needed:
        each = Requirement(text)
        if canonicalize_name(each.name) in SOURCES:
            each.specifier = SpecifierSet(f"=={version}")
        yield f"Requires-Dist: {each}{condition}"


def _record(contents: Mapping[str, bytes], own: str) -> str:
    """Every file with its digest and size; the list itself without."""
    lines = []
    for name, data in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{own},,\n"])
