"""Reading published pipelines, endpoints, drafts and modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Func, IntegerField, QuerySet
from django.db.models.fields.json import KeyTransform
from django.db.models.sql.compiler import SQLCompiler
from django.utils.translation import gettext as _

from core import pairs
from core.clock import iso
from core.errors import NotFound
from core.ids import as_key
from pipelines.models import (
    Module,
    ModuleVersion,
    PipelineDraft,
    PipelineEndpoint,
    PipelineEndpointVersion,
    PublishedPipeline,
)
from workspaces.models import Workspace
from workspaces.queries import RESOURCE_GROUP, SUBSCRIPTION

VERSIONS_NAMED = 10


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
    return f"{_callable_of(pipeline.workspace, url)}/PipelineSubmit/{pipeline.pk}"


def _callable_of(workspace: Workspace, url: str = "") -> str:
    return (
        f"{url or settings.DUTO.url}/api/v1/pipelines/v1.0/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace.name}/PipelineRuns"
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


def endpoints_in(workspace: Workspace, status: str = "", name: str = "") -> QuerySet[PipelineEndpoint]:
    """Endpoints of this status; without one those that are not archived."""
    found = PipelineEndpoint.objects.filter(workspace=workspace).select_related("created_by", "workspace")
    found = found.filter(status=status) if status else found.exclude(status=PipelineEndpoint.Status.ARCHIVED)
    return found.filter(name=name) if name else found


def endpoint(workspace: Workspace, endpoint_id: object) -> PipelineEndpoint:
    """An endpoint by its id, also an archived one. Raises NotFound."""
    rows = PipelineEndpoint.objects.filter(workspace=workspace).select_related("created_by", "workspace")
    found = rows.filter(pk=as_key(endpoint_id)).first()
    if found is None:
        raise NotFound(
            _("There is no pipeline endpoint %(endpoint_id)s in workspace '%(workspace)s'.")
            % {"endpoint_id": endpoint_id, "workspace": workspace.name}
        )
    return found


def endpoint_named(workspace: Workspace, name: str) -> PipelineEndpoint:
    """An endpoint by its name. Raises NotFound."""
    found = endpoints_in(workspace, name=name).first()
    if found is None:
        raise NotFound(
            _("There is no pipeline endpoint '%(name)s' in workspace '%(workspace)s'.")
            % {"name": name, "workspace": workspace.name}
        )
    return found


def endpoint_versions(found: PipelineEndpoint) -> QuerySet[PipelineEndpointVersion]:
    rows = PipelineEndpointVersion.objects.filter(endpoint=found)
    return rows.select_related("endpoint", "pipeline__workspace", "pipeline__published_by", "created_by")


def endpoint_version(found: PipelineEndpoint, version: str = "") -> PipelineEndpointVersion:
    """A version by its number as text; without one the default. Raises NotFound."""
    text = version.strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    wanted = found.default_version if not text else number
    rows = endpoint_versions(found)
    row = rows.filter(version=wanted).first() if wanted is not None else None
    if row is None:
        there = rows.order_by("-version").values_list("version", flat=True)[:VERSIONS_NAMED]
        facts = {"name": found.name, "version": text[:40], "there": ", ".join(str(each) for each in there) or "–"}
        raise NotFound(
            _("The endpoint '%(name)s' has no version '%(version)s'. Its newest: %(there)s.") % facts, **facts
        )
    return row


def address_of(found: PipelineEndpoint, url: str = "") -> str:
    """The address that runs it. Programs append `/<version>`, or cut it at `Id` and ask by `Name?name=` instead."""
    return f"{_callable_of(found.workspace, url)}/PipelineEndpointSubmit/Id/{found.pk}"


def address_by_name(found: PipelineEndpoint, url: str = "", version: str = "") -> str:
    """The address that asks for it by its name."""
    words = {"name": found.name, **({"pipelineVersion": version} if version else {})}
    return f"{_callable_of(found.workspace, url)}/PipelineEndpointSubmit/Name?{urlencode(words)}"


def endpoint_document(found: PipelineEndpoint) -> dict[str, Any]:
    """An endpoint as REST shows it."""
    return {
        "id": str(found.pk),
        "name": found.name,
        "description": found.description,
        "status": found.status,
        "default_version": str(found.default_version),
        "endpoint": address_of(found),
        "url": f"{settings.DUTO.url}/w/{found.workspace.name}/endpoints/{found.pk}/",
        "created_by": found.created_by.get_username() if found.created_by else None,
        "created_at": iso(found.created_at),
    }


def endpoint_version_document(found: PipelineEndpointVersion) -> dict[str, Any]:
    """A version of an endpoint as REST shows it."""
    return {
        "version": str(found.version),
        "is_default": found.version == found.endpoint.default_version,
        "pipeline": document(found.pipeline),
        "created_by": found.created_by.get_username() if found.created_by else None,
        "created_at": iso(found.created_at),
    }


def drafts_in(workspace: Workspace, tags: Mapping[str, str | None] | None = None) -> QuerySet[PipelineDraft]:
    """All drafts, or those with these tags; None: whatever the tag's value is."""
    found = PipelineDraft.objects.filter(workspace=workspace).select_related("created_by", "changed_by", "workspace")
    return pairs.narrowed(found, "tags", tags or {})


class _Length(Func):
    """How long an array of JSON is."""

    function = "jsonb_array_length"
    output_field = IntegerField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **more: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, function="json_array_length", **more)


def listed_drafts(workspace: Workspace, tags: Mapping[str, str | None] | None = None) -> QuerySet[PipelineDraft]:
    """The same for a list: of its graph, which may be of megabytes, each has what a list shows of it."""
    return (
        drafts_in(workspace, tags)
        .defer("graph")
        .annotate(
            step_count=_Length(KeyTransform("steps", "graph")),
            goes_on=KeyTransform("continue_on_step_failure", "graph"),
        )
    )


def draft(workspace: Workspace, draft_id: object) -> PipelineDraft:
    """A draft by its id. Raises NotFound."""
    found = drafts_in(workspace).filter(pk=as_key(draft_id)).first()
    if found is None:
        raise NotFound(
            _("There is no pipeline draft %(draft_id)s in workspace '%(workspace)s'.")
            % {"draft_id": draft_id, "workspace": workspace.name}
        )
    return found


def draft_document(found: PipelineDraft, *, with_graph: bool = False) -> dict[str, Any]:
    """A draft as REST shows it."""
    ids = ("of_run_id", "of_pipeline_id", "of_draft_id", "last_run_id")
    listed = vars(found)  # of one of `listed_drafts`, whose graph is left where it is
    is_listed = "step_count" in listed
    document: dict[str, Any] = {
        "id": str(found.pk),
        "name": found.name,
        "description": found.description,
        "experiment": found.experiment,
        "kind": found.kind,
        "parameters": found.parameters,
        "continue_on_step_failure": listed["goes_on"] if is_listed else found.graph["continue_on_step_failure"],
        "priority": found.priority,
        "tags": found.tags,
        "properties": found.properties,
        "version": found.version,
        "total_run_steps": listed["step_count"] if is_listed else len(found.graph["steps"]),
        "url": f"{settings.DUTO.url}/w/{found.workspace.name}/drafts/{found.pk}/",
        **{name: str(key) if (key := getattr(found, name)) else None for name in ids},
        "created_by": found.created_by.get_username() if found.created_by else None,
        "created_at": iso(found.created_at),
        "changed_by": found.changed_by.get_username() if found.changed_by else None,
        "changed_at": iso(found.changed_at),
    }
    if with_graph:
        document["graph"] = found.graph
    return document


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
