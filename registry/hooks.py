"""What registered models ask of runs, which stand above them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO
from uuid import UUID

from django.db.models import QuerySet

from core.hooks import Hook, Provider
from registry.models import ModelVersion
from workspaces.access import WorkspaceContext
from workspaces.models import Workspace

# Where a file goes inside the model, and what opens it.
Source = tuple[str, Callable[[], BinaryIO]]


@dataclass(frozen=True)
class RunFiles:
    """What a run gives to a model: its files, and where it stands."""

    files: list[Source]
    experiment_name: str = ""


run_files: Provider[[Workspace, UUID, str], RunFiles] = Provider("the artifacts at a path of a run")
runs_below: Provider[[Workspace, UUID], QuerySet[Any, Any]] = Provider("the ids of all runs below one, as a query")
# A model has a new version, in the transaction in which it appears.
version_made: Hook[[WorkspaceContext, ModelVersion], None] = Hook()
