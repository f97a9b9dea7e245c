"""What a step leaves: its outputs and artifacts as lists of files with digests."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from duto_agent.bindings import Bound
from duto_agent.files import digest_of, remove_tree
from duto_agent.launchers.ownership import keep
from duto_agent.paths import stays_inside
from duto_agent.room import DiskFull
from duto_agent.transfers import copy

ARTIFACTS = ("outputs", "logs", "user_logs")
Upload = Callable[[str, str, Path], None]


@dataclass
class Collected:
    """The manifests of a finished report."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    # What did not fit on the disk and is therefore in none of the lists: a sentence for each.
    too_large: list[str] = field(default_factory=list)


def collect(directory: Path, spec: Mapping[str, Any], bound: Bound, ended_well: bool) -> Collected:
    """Manifests of everything below the declared outputs and the watched folders, as far as the disk has room for it."""
    found = Collected()
    for given in spec.get("outputs") or ():
        found.outputs.append(_output(directory, given, bound, ended_well, found))
    for name in ARTIFACTS:
        folder = directory / "work" / name
        if folder.is_dir() and not folder.is_symlink():
            for file in manifest(folder, directory, found):
                found.artifacts.append({**file, "path": f"{name}/{file['path']}"})
    return found


def send(directory: Path, spec: Mapping[str, Any], found: Collected, upload: Upload) -> None:
    """Every file over HTTP, for a host that does not share the studio's disk."""
    puts = {given["name"]: given.get("put") for given in spec.get("outputs") or ()}
    for output in found.outputs:
        put, place = puts.get(output["name"]), directory / "outputs" / output["name"]
        for file in output["files"] if put else ():
            if output["is_directory"]:
                upload(str(put), file["path"], place / file["path"])
            else:  # a single file stands at the output's own address
                upload(str(put).rstrip("/"), "", place)
    put = (spec.get("artifacts") or {}).get("put")
    for file in found.artifacts if put else ():
        upload(str(put), file["path"], directory / "work" / file["path"])


def _output(
    directory: Path, given: Mapping[str, Any], bound: Bound, ended_well: bool, found: Collected
) -> dict[str, Any]:
    name = str(given["name"])
    place, usual, whole = Path(bound.outputs[name]), directory / "outputs" / name, len(found.too_large)
    if place != usual and not is_below(place, directory):
        found.warnings.append(
            f"The output '{name}' was left out: a link on the way to it leads out of the step's folder."
        )
    elif place != usual and (place.exists() or place.is_symlink()):
        remove_tree(usual)
        place.rename(usual)
    settle(usual, directory, found)
    if usual.is_dir():
        return {"name": name, "is_directory": True, "files": manifest(usual, directory, found), "missing": False}
    if usual.is_file():
        return {"name": name, "is_directory": False, "files": [_entry(usual, name)], "missing": False}
    if ended_well and len(found.too_large) == whole:
        found.warnings.append(f"The script ended without writing its output '{name}'.")
    return {"name": name, "is_directory": bool(given.get("is_directory")), "files": [], "missing": True}


def is_below(place: Path, directory: Path) -> bool:
    """Whether the folder of a place that the program chose is still the one that it was given."""
    return not place.parent.exists() or stays_inside(directory / "work", place.parent)


def manifest(folder: Path, directory: Path, found: Collected) -> list[dict[str, Any]]:
    """Every file below, by its path in the folder."""
    return [_entry(file, file.relative_to(folder).as_posix()) for file in sorted(_files(folder, directory, found))]


def _files(folder: Path, directory: Path, found: Collected) -> Iterator[Path]:
    for path in list(folder.iterdir()):
        settle(path, directory, found)
        if path.is_dir():
            yield from _files(path, directory, found)
        elif path.is_file():
            yield path


def settle(path: Path, directory: Path, found: Collected) -> None:
    """Only files and folders travel. A link inside the attempt becomes what it points to; any other goes.

    The studio takes whole folders by renaming them: a link that stayed would let it read what the step
    pointed at.
    """
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
        keep(path, kind)
        return
    label = path.relative_to(directory).as_posix()
    inner = [directory / name for name in ("work", "outputs", "tmp")]
    if stat.S_ISLNK(kind) and any(stays_inside(place, path) for place in inner):
        target = path.resolve()
        if target.is_file():
            path.unlink()
            try:
                copy(target, path, label)
            except DiskFull as full:
                found.too_large.append(str(full))
            return
    path.unlink()
    what = "a link that leads out of it" if stat.S_ISLNK(kind) else "neither a file nor a folder"
    found.warnings.append(f"'{label}' was left out: it is {what}.")


def _entry(file: Path, path: str) -> dict[str, Any]:
    return {"path": path, "size": file.stat().st_size, "digest": digest_of(file)}
