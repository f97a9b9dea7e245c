"""The environments that every workspace has from its first moment, each with a lock per Python version."""

from __future__ import annotations

import re
from pathlib import Path

from django.db import transaction

from environments import definitions
from environments.models import Environment, EnvironmentVersion
from environments.services.versions import add_version
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


@transaction.atomic
def add_curated(workspace: Workspace) -> None:
    """Give the workspace the curated environments; a release with other locks adds a version.

    One with a lock for a single Python asks for that one: its packages are too old for others, and a host without it
    says so.
    """
    for name, by_python in locks().items():
        python = {"packages": asked_for(name), "version": next(iter(by_python)) if len(by_python) == 1 else None}
        definition = definitions.read({"name": name, "python": python}, by_python)
        environment, _ = Environment.objects.get_or_create(
            workspace=workspace, name=name, defaults={"is_curated": True}
        )
        known = EnvironmentVersion.objects.filter(
            environment=environment, digest=definition.digest, recipe_digest=definition.recipe_digest
        )
        if environment.is_curated and not known.exists():
            add_version(workspace, environment, definition)
