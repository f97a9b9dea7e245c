"""Reading published pipelines."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core.clock import iso
from core.errors import NotFound
from core.ids import as_key
from pipelines.models import PublishedPipeline
from workspaces.models import Workspace
from workspaces.queries import RESOURCE_GROUP, SUBSCRIPTION


def published_in(workspace: Workspace, status: str = "") -> QuerySet[PublishedPipeline]:
    found = PublishedPipeline.objects.filter(workspace=workspace).select_related("published_by", "workspace")
    return found.filter(status=status) if status else found


def one(workspace: Workspace, pipeline_id: object) -> PublishedPipeline:
    """A published pipeline by its id. Raises NotFound."""
    found = published_in(workspace).filter(pk=as_key(pipeline_id)).first()
    if found is None:
        raise NotFound(
            _("There is no published pipeline %(pipeline_id)s in workspace '%(workspace)s'.")
            % {"pipeline_id": pipeline_id, "workspace": workspace.name}
        )
    return found


def endpoint_of(pipeline: PublishedPipeline, url: str = "") -> str:
    """The address that runs it. Its shape is Azure ML's: programs have written it down, and edit it as text."""
    return (
        f"{url or settings.DUTO.url}/api/v1/pipelines/v1.0/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{pipeline.workspace.name}"
        f"/PipelineRuns/PipelineSubmit/{pipeline.pk}"
    )


def document(pipeline: PublishedPipeline, *, with_graph: bool = False) -> dict[str, Any]:
    """A published pipeline as REST shows it."""
    found: dict[str, Any] = {
        "id": str(pipeline.pk),
        "name": pipeline.name,
        "description": pipeline.description,
        "version": pipeline.version,
        "status": pipeline.status,
        "endpoint": endpoint_of(pipeline),
        "url": f"{settings.DUTO.url}/w/{pipeline.workspace.name}/pipelines/{pipeline.pk}/",
        "graph_id": pipeline.graph_digest,
        "parameters": pipeline.graph.get("parameters", []),
        "total_run_steps": len(pipeline.graph.get("steps", [])),
        "continue_on_step_failure": pipeline.continue_on_step_failure,
        "source_run_id": str(pipeline.source_run_id) if pipeline.source_run_id else None,
        "published_by": pipeline.published_by.get_username() if pipeline.published_by else None,
        "created_at": iso(pipeline.created_at),
        "last_run_id": str(pipeline.last_run_id) if pipeline.last_run_id else None,
        "last_run_at": iso(pipeline.last_run_at),
    }
    if with_graph:
        found["graph"] = pipeline.graph
    return found
