"""Where an attempt left its files, and moving them from there without being led astray by links."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import Invalid
from core.storage import data_dir, safe
from duto.spec import trees
from duto.spec.filenames import spelled, unspelled
from runs.models import Attempt
from runs.services.results.transfers import staging


def left_at(attempt: Attempt, report: Mapping[str, Any]) -> Path:
    """The attempt's directory: the agent's, when it shares the studio's disk, else the staging folder.

    Raises Invalid when the report names a folder that is not this attempt's.
    """
    named = report.get("left_at")
    if not named:
        return staging(attempt)
    home = data_dir().resolve()
    path = (home / safe(str(named))).resolve()
    if not path.is_relative_to(home) or not path.name.startswith(str(attempt.pk)):
        raise Invalid("The report names a folder that is not this attempt's.", code="unsafe_path")
    return path


def cut_links(path: Path) -> list[str]:
    """Remove symbolic links that lead out of `path`; their names. What is served must lie where it seems to."""
    if path.is_symlink():
        path.unlink()
        return [path.name]
    cut: list[str] = []
    home = path.resolve()
    for folder, entries in trees.walk(path):
        for each in entries:
            if each.is_symlink() and not Path(each.path).resolve().is_relative_to(home):
                Path(each.path).unlink()
                cut.append(spelled(f"{folder}/{each.name}".lstrip("/")))
    return cut


def below(base: Path, name: str) -> Path:
    """A path below an attempt's directory, by a name that a report gave. Raises Invalid."""
    return base / unspelled(safe(name))
