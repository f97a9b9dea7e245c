"""The environments that every workspace has from its first moment, each with a lock per Python version."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from django.db import transaction

from core import outbox
from environments import definitions
from environments.definitions import Definition
from environments.models import Environment, EnvironmentVersion
from environments.services.versions import add_version, new_version
from workspaces.models import Workspace

FOLDER = Path(__file__).resolve().parent.parent / "curated"
_FILE = re.compile(r"(?P<name>.+)-(?P<python>3\.\d+)\.txt")


def locks(folder: Path = FOLDER) -> dict[str, dict[str, str]]:
    """name → Python version → lock, as they are committed (`manage.py lock-curated`)."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("*.txt")):
        if match := _FILE.fullmatch(path.name):
            found.setdefault(match["name"], {})[match["python"]] = path.read_text()
    return found


def asked_for(name: str, folder: Path = FOLDER) -> list[str]:
    """What its locks are made of, and what hosts with another Python resolve."""
    return (folder / f"{name}.in").read_text().split("\n")[:-1]


@cache
def of_this_release() -> tuple[Definition, ...]:
    """All of them, read once a process.

    One with a lock for a single Python asks for that one: its packages are too old for others, and a host without it
    says so.
    """
    found = []
    for name, by_python in locks().items():
        python = {"packages": asked_for(name), "version": next(iter(by_python)) if len(by_python) == 1 else None}
        found.append(definitions.read({"name": name, "python": python}, by_python))
    return tuple(found)


@transaction.atomic
def add_curated(workspace: Workspace) -> None:
    """Give the workspace the curated environments; a release with other locks adds a version."""
    wanted = {each.document["name"]: each for each in of_this_release()}
    there = {each.name: each for each in Environment.objects.filter(workspace=workspace, name__in=wanted)}
    made = [
        Environment(workspace=workspace, name=name, is_curated=True, latest_version=1)
        for name in wanted
        if name not in there
    ]
    if made:
        Environment.objects.bulk_create(made)
        EnvironmentVersion.objects.bulk_create(
            new_version(workspace, each, each.latest_version, wanted[each.name]) for each in made
        )
        outbox.hint(f"list:{workspace.name}:environments")
    for name, environment in there.items():
        if environment.is_curated:
            add_version(workspace, environment, wanted[name])
