"""What published pipelines, drafts and modules ask of runs, which stand above them: publishing needs snapshots and runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.hooks import Hook, Provider
from pipelines.models import PipelineEndpoint, PublishedPipeline
from workspaces.access import WorkspaceContext
from workspaces.models import Workspace

publish: Provider[[WorkspaceContext, Mapping[str, Any]], PublishedPipeline] = Provider(
    "publish a graph or that of a run"
)
# A published pipeline, or an endpoint, is about to be disabled or archived: whoever needs it raises Conflict.
pipeline_leaves: Hook[[PublishedPipeline], None] = Hook()
endpoint_leaves: Hook[[PipelineEndpoint], None] = Hook()
# An endpoint is about to run another pipeline by default: whoever needs that to be possible raises Conflict.
default_chosen: Hook[[PipelineEndpoint, PublishedPipeline], None] = Hook()
snapshot_files: Provider[[Workspace, str], frozenset[str] | None] = Provider("the files of a snapshot")
# The fields of a draft that is a copy of this run. Raises NotFound, Forbidden for a step, Invalid for a run without a graph.
copy_of_run: Provider[[WorkspaceContext, object], dict[str, Any]] = Provider("what a draft takes over of a run")
