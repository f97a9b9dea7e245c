"""Which launcher runs the steps of this host: what its owner asks for, and what is here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from duto_agent.context import Tell
from duto_agent.host.isolation import Unprotected, shared_folders
from duto_agent.images.image_builds import unheard

if TYPE_CHECKING:
    from duto_agent.host.containers import Containers

CHOICES = ("process", "docker", "auto")
VARIABLES = {
    "launcher": "DUTO_LAUNCHER",
    "engine": "DUTO_ENGINE",
    "base_image": "DUTO_BASE_IMAGE",
    "registry": "DUTO_REGISTRY",
    "conda_image": "DUTO_CONDA_IMAGE",
    "build_cache": "DUTO_BUILD_CACHE",
}


@dataclass(frozen=True)
class Identity:
    """Whose containers these are: several installations, and several hosts of one, may share an engine."""

    installation: str
    host: str
    studio: str


@dataclass(frozen=True)
class Wanted:
    """What the owner of a host asks for: the engine's socket, an image, a registry, folders that every step sees, an
    image with micromamba, the most bytes of what builds leave."""

    engine: str | None
    base_image: str | None
    registry: str | None = None
    folders: tuple[Path, ...] = ()
    conda_image: str | None = None
    build_cache: int | None = None


def containers_of(
    home: Path, identity: Identity, given: Mapping[str, str | None], bell: str | None, tell: Tell = unheard
) -> Containers | None:
    """None for a host of processes. `given`: `launcher`, `engine` (a socket's path), `base_image`, `registry`,
    `conda_image`, `build_cache` and `folders` of host.json.

    `auto` takes containers if the engine answers now and a base image is named. Raises Unprotected for another word, a folder or a size that is none.
    """
    chosen = {name: os.environ.get(variable) or given.get(name) for name, variable in VARIABLES.items()}
    word, base = chosen["launcher"] or "process", chosen["base_image"]
    if word not in CHOICES:
        raise Unprotected(f"DUTO_LAUNCHER is one of {', '.join(CHOICES)}, not {word!r}.")
    if word == "process":
        return None
    from duto_agent.host.containers import Containers  # its library takes long to load; hosts of processes do without

    folders = tuple(shared_folders(given.get("folders")))
    cache = _size(chosen["build_cache"])
    wanted = Wanted(chosen["engine"], base, chosen["registry"], folders, chosen["conda_image"], cache)
    found = Containers(home, identity, wanted, bell, tell)
    return found if word == "docker" or (base and found.answers()) else None


def _size(given: str | None) -> int | None:
    from duto_agent.launchers.container import size_of

    if not given:
        return None
    try:
        return size_of(given)
    except ValueError as error:
        raise Unprotected(f"DUTO_BUILD_CACHE cannot be {given!r}: {error}.") from error
