"""What published pipelines and modules ask of runs, which stand above them: publishing needs snapshots and runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.hooks import Provider
from pipelines.models import PublishedPipeline
from workspaces.access import WorkspaceContext
from workspaces.models import Workspace

publish: Provider[[WorkspaceContext, Mapping[str, Any]], PublishedPipeline] = Provider(
    "publish a graph or that of a run"
)
snapshot_files: Provider[[Workspace, str], frozenset[str] | None] = Provider("the files of a snapshot")
