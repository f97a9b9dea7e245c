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
# What each is asked for; the locks say which versions that means.
PACKAGES = {"AzureML-Tutorial": ["matplotlib", "pandas", "scikit-learn"]}


def locks(folder: Path = FOLDER) -> dict[str, dict[str, str]]:
    """name → Python version → lock, as they are committed."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("*.txt")):
        if match := _FILE.fullmatch(path.name):
            found.setdefault(match["name"], {})[match["python"]] = path.read_text()
    return found


@transaction.atomic
def furnish(workspace: Workspace) -> None:
    """Give the workspace the curated environments; a release with other locks adds a version."""
    for name, by_python in locks().items():
        packages = PACKAGES.get(name, [])
        definition = definitions.read({"name": name, "python": {"packages": packages}}, by_python)
        environment, _ = Environment.objects.get_or_create(
            workspace=workspace, name=name, defaults={"is_curated": True}
        )
        known = EnvironmentVersion.objects.filter(
            environment=environment, digest=definition.digest, recipe_digest=definition.recipe_digest
        )
        if environment.is_curated and not known.exists():
            add_version(workspace, environment, definition)
