"""What the owner of a host asks for, and what is here: which launcher runs its steps, and what stands between them."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from duto_agent.launchers import bubblewrap
from duto_agent.launchers.bubblewrap import Bubblewrap
from duto_agent.launchers.cgroups import Cgroups
from duto_agent.launchers.users import BadRange, Range, range_of
from duto_protocol import messages

log = logging.getLogger("duto.agent")
CHOICES = ("auto", "off", "required")
LAUNCHERS = ("process", "docker", "auto", "slurm")
VARIABLES = {
    "launcher": "DUTO_LAUNCHER",
    "engine": "DUTO_ENGINE",
    "base_image": "DUTO_BASE_IMAGE",
    "registry": "DUTO_REGISTRY",
    "conda_image": "DUTO_CONDA_IMAGE",
    "build_cache": "DUTO_BUILD_CACHE",
}


class Unprotected(Exception):
    """What is required is not to be had on this host; the message says what to do."""


@dataclass(frozen=True)
class Identity:
    """Whose containers these are: several installations, and several hosts of one, may share an engine."""

    installation: str
    host: str
    studio: str


@dataclass(frozen=True)
class ContainerOptions:
    """What the owner of a host asks for: containers at any rate, or where the engine answers; the engine's socket, an
    image, a registry, folders that every step sees, an image with micromamba, the most bytes of what builds leave."""

    is_required: bool
    engine: str | None
    base_image: str | None
    registry: str | None = None
    folders: tuple[Path, ...] = ()
    conda_image: str | None = None
    build_cache: int | None = None


def container_options(given: Mapping[str, str | None]) -> ContainerOptions | None:
    """None for a host of processes or jobs. `given`: `launcher`, `engine` (a socket's path), `base_image`, `registry`,
    `conda_image`, `build_cache` and `folders` of host.json.

    Raises Unprotected for another word, a folder or a size that is none.
    """
    chosen = {name: os.environ.get(variable) or given.get(name) for name, variable in VARIABLES.items()}
    launcher, base = chosen["launcher"] or "process", chosen["base_image"]
    if launcher not in LAUNCHERS:
        raise Unprotected(f"DUTO_LAUNCHER is one of {', '.join(LAUNCHERS)}, not {launcher!r}.")
    if launcher in ("process", "slurm") or (launcher == "auto" and not base):
        return None
    folders = tuple(shared_folders(given.get("folders")))
    cache = _size(chosen["build_cache"])
    return ContainerOptions(
        launcher == "docker", chosen["engine"], base, chosen["registry"], folders, chosen["conda_image"], cache
    )


def is_of_slurm(given: Mapping[str, str | None]) -> bool:
    """Whether the steps of this host are jobs of Slurm's."""
    return (os.environ.get(VARIABLES["launcher"]) or given.get("launcher")) == "slurm"


@dataclass(frozen=True)
class Isolation:
    """What the process launcher works with."""

    sandbox: Bubblewrap | None
    cgroups: Cgroups | None
    limits_required: bool = False

    def facts(self) -> messages.Isolation:
        """For the studio (docs/wire.md, `isolation`)."""
        version = None if self.cgroups is None else self.cgroups.version
        return messages.Isolation(
            bwrap=self.sandbox is not None,
            cgroup=None if version is None else "v1" if version == 1 else "v2",
            root=os.geteuid() == 0,
        )


def isolate(home: Path, data_dir: str | None, wanted: Mapping[str, str | None]) -> Isolation:
    """Find out, once, when the agent starts. `wanted`: `bwrap` and `limits`, each `auto`, `off` or `required`; `folders`, `users`.

    Raises Unprotected.
    """
    chosen = {name: choice_of(name, wanted.get(name)) for name in ("bwrap", "limits")}
    program = bubblewrap.find() if chosen["bwrap"] != "off" else None
    if program is None and chosen["bwrap"] == "required":
        raise Unprotected(
            "DUTO_BWRAP is 'required', and bubblewrap is not here or may not make namespaces: install it, and for an"
            " agent that is root setpriv too (util-linux)."
        )
    cgroups = Cgroups.find() if chosen["limits"] != "off" else None
    if cgroups is None and chosen["limits"] == "required":
        raise Unprotected(
            "DUTO_STEP_LIMITS is 'required', and this agent may not make control groups: start it as root, or as a"
            " service with Delegate=yes."
        )
    folders, users = shared_folders(wanted.get("folders")), step_users(wanted.get("users"))
    if program and users is not None:
        tell_unwritable(folders, users.first)
    hidden = [Path.home(), *([Path(data_dir)] if data_dir else [])]
    sandbox = Bubblewrap(program, home, hidden, folders, users) if program else None
    return Isolation(sandbox, cgroups, chosen["limits"] == "required")


def tell_unwritable(folders: list[Path], group: int) -> None:
    """Every step may write there, it is said; as another user it can only where permissions let it."""
    for folder in folders:
        facts = folder.stat()
        if not (facts.st_mode & stat.S_IWOTH or (facts.st_gid == group and facts.st_mode & stat.S_IWGRP)):
            log.warning("steps can only read '%s': let the group %d, or everybody, write there", folder, group)


def step_users(given: str | None) -> Range | None:
    """Who steps run as where the agent is root; None where it is not. Raises Unprotected for what is no range of users."""
    if os.geteuid() != 0:
        return None
    try:
        return range_of(os.environ.get("DUTO_STEP_USERS") or given)
    except BadRange as error:
        raise Unprotected(f"DUTO_STEP_USERS cannot be used: {error}.") from error


def shared_folders(given: str | None) -> list[Path]:
    """Folders of this host that every step may read and write, separated by colons; for data that lie beside the studio.

    Raises Unprotected for one that is not there.
    """
    named = os.environ.get("DUTO_STEP_FOLDERS") or given or ""
    found = [Path(part) for part in named.split(":") if part]
    for folder in found:
        if not folder.is_absolute() or not folder.is_dir():
            raise Unprotected(f"DUTO_STEP_FOLDERS names '{folder}', which is no folder of this host.")
    return found


def choice_of(name: str, given: str | None) -> str:
    """The variable of the agent's surroundings, then host.json, then `auto`. Raises Unprotected for another word."""
    variable = {"bwrap": "DUTO_BWRAP", "limits": "DUTO_STEP_LIMITS"}[name]
    choice = os.environ.get(variable) or given or "auto"
    if choice not in CHOICES:
        raise Unprotected(f"{variable} is one of {', '.join(CHOICES)}, not {choice!r}.")
    return choice


def file_cache(given: str | None) -> int | None:
    """The most that this host keeps of files it has fetched, in bytes. Raises Unprotected."""
    return _size(os.environ.get("DUTO_FILE_CACHE") or given, "DUTO_FILE_CACHE")


def mounts_by_fuse(given: str | None) -> bool:
    """Whether this host mounts data that lie elsewhere, as far as it can. Raises Unprotected."""
    choice = os.environ.get("DUTO_FUSE") or given or "auto"
    if choice not in ("auto", "off"):
        raise Unprotected(f"DUTO_FUSE is 'auto' or 'off', not {choice!r}.")
    return choice == "auto"


def _size(given: str | None, variable: str = "DUTO_BUILD_CACHE") -> int | None:
    from duto_agent.launchers.container import size_of

    if not given:
        return None
    try:
        return size_of(given)
    except ValueError as error:
        raise Unprotected(f"{variable} cannot be {given!r}: {error}.") from error
