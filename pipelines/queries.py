"""Reading published pipelines and modules."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core.clock import iso
from core.errors import NotFound
from core.ids import as_key
from pipelines.models import Module, ModuleVersion, PublishedPipeline
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


def modules_in(workspace: Workspace, name: str = "") -> QuerySet[Module]:
    """All modules, or the one of this name."""
    found = Module.objects.filter(workspace=workspace).select_related("created_by", "workspace")
    return found.filter(name=name) if name else found


def module(workspace: Workspace, module_id: object) -> Module:
    """A module by its id. Raises NotFound."""
    found = modules_in(workspace).filter(pk=as_key(module_id)).first()
    if found is None:
        raise NotFound(
            _("There is no module %(module_id)s in workspace '%(workspace)s'.")
            % {"module_id": module_id, "workspace": workspace.name}
        )
    return found


def versions_of(found: Module) -> QuerySet[ModuleVersion]:
    return ModuleVersion.objects.filter(module=found).select_related("created_by", "module")


def module_version(workspace: Workspace, version_id: object) -> ModuleVersion:
    """A version of a module by its id. Raises NotFound."""
    rows = ModuleVersion.objects.filter(module__workspace=workspace).select_related("created_by", "module")
    found = rows.filter(pk=as_key(version_id)).first()
    if found is None:
        raise NotFound(
            _("There is no version %(version_id)s of a module in workspace '%(workspace)s'.")
            % {"version_id": version_id, "workspace": workspace.name}
        )
    return found


def default_of(found: Module) -> ModuleVersion | None:
    """The version that is meant where none is named: the chosen one, else the newest that is active."""
    rows = versions_of(found)
    if found.default_version:
        return rows.filter(version=found.default_version).first()
    return rows.filter(status=Module.Status.ACTIVE).order_by("-id").first()


def module_document(found: Module) -> dict[str, Any]:
    """A module as REST shows it."""
    return {
        "id": str(found.pk),
        "name": found.name,
        "description": found.description,
        "status": found.status,
        "default_version": found.default_version,
        "url": f"{settings.DUTO.url}/w/{found.workspace.name}/modules/{found.pk}/",
        "created_by": found.created_by.get_username() if found.created_by else None,
        "created_at": iso(found.created_at),
    }


def version_document(found: ModuleVersion) -> dict[str, Any]:
    """A version of a module as REST shows it."""
    return {
        "id": str(found.pk),
        "module": str(found.module_id),
        "name": found.module.name,
        "version": found.version,
        "description": found.description,
        "status": found.status,
        "definition": found.definition,
        "created_by": found.created_by.get_username() if found.created_by else None,
        "created_at": iso(found.created_at),
    }
