"""Published pipelines as programs call them: publish, and the trigger in the shape that existing callers expect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Invalid
from pipelines import queries
from pipelines.models import PipelineEndpoint
from pipelines.services import endpoint_access
from runs.api import serializers as s
from runs.models import Run
from runs.queries.documents import url_of
from runs.services.submission import publish
from workspaces.api.base import WorkspaceView
from workspaces.models import Role
from workspaces.scopes import Act

VERSION = OpenApiParameter("pipelineVersion", description="Left out: the default.")


class _TriggerView(WorkspaceView):
    """Takes the body that callers of Azure ML send."""

    is_lenient = True
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}

    def words(self) -> dict[str, Any]:
        """What the body says, as `publish.trigger` takes it."""
        return asked_of(self.asked(s.TriggerIn))

    def run(self, endpoint: PipelineEndpoint, version: str) -> Response:
        return self.repeated(publish.trigger_endpoint(self.context, endpoint, version=version, **self.words()))

    def repeated(self, made: Run) -> Response:
        return Response(
            {"Id": str(made.pk), "RunUrl": url_of(made, self.context.workspace.name), "Status": made.status}
        )


class TriggerView(_TriggerView):
    @extend_schema(operation_id="pipeline_trigger", request=s.TriggerIn, responses=s.TriggerOut)
    def post(self, request: Request, subscription: str, group: str, id: UUID) -> Response:
        """Run a published pipeline. `Id` is the run's. Parameters that it does not declare are left aside, with a warning on
        the run."""
        pipeline = publish.get_published(self.context, id)
        return self.repeated(publish.trigger(self.context, pipeline, source="rest", **self.words()))


class EndpointTriggerView(_TriggerView):
    for_endpoint_tokens = frozenset({"post"})

    @extend_schema(operation_id="endpoint_trigger", parameters=[VERSION], request=s.TriggerIn, responses=s.TriggerOut)
    def post(self, request: Request, subscription: str, group: str, id: UUID) -> Response:
        """Run the default version of an endpoint, or the one that `pipelineVersion` names."""
        return self.run(queries.endpoint(self.context.workspace, id), version_of(request))


class EndpointVersionTriggerView(_TriggerView):
    for_endpoint_tokens = frozenset({"post"})

    @extend_schema(operation_id="endpoint_version_trigger", request=s.TriggerIn, responses=s.TriggerOut)
    def post(self, request: Request, subscription: str, group: str, id: UUID, version: str) -> Response:
        """Run this version of an endpoint."""
        return self.run(queries.endpoint(self.context.workspace, id), version)


class NamedEndpointTriggerView(_TriggerView):
    for_endpoint_tokens = frozenset({"post"})

    @extend_schema(
        operation_id="named_endpoint_trigger",
        parameters=[
            OpenApiParameter("name", required=True, description="The endpoint's."),
            VERSION,
        ],
        request=s.TriggerIn,
        responses=s.TriggerOut,
    )
    def post(self, request: Request, subscription: str, group: str) -> Response:
        """Run an endpoint by its name."""
        name = request.query_params.get("name", "")
        if not name:
            raise Invalid(_("Say which endpoint: '?name=' is missing."), code="no_name")
        return self.run(endpoint_access.named(self.context, name), version_of(request))


def version_of(request: Request) -> str:
    return str(request.query_params.get("pipelineVersion", ""))


def asked_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a body of this kind asks for, as `publish.trigger` takes it."""
    return {
        "experiment": asked["ExperimentName"] or "",
        "parameters": parameters_of(asked),
        "tags": asked["Tags"] or {},
        "description": asked["Description"] or "",
        "continue_on_step_failure": asked["ContinueRunOnStepFailure"],
        "is_lenient": True,
    }


def parameters_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values, data paths and datasets stand apart in this request; a run has one set of parameters."""
    values = dict(asked["ParameterAssignments"] or {})
    for name, place in (asked["DataPathAssignments"] or {}).items():
        values[name] = _data_path(place)
    for name, dataset in (asked["DataSetDefinitionValueAssignments"] or {}).items():
        values[name] = _dataset(dataset)
    return values


def _data_path(place: Any) -> Any:
    if not isinstance(place, Mapping):
        return place
    inner = place.get("LiteralDataPath") or place
    if not isinstance(inner, Mapping):
        return inner
    return {
        "datastore": inner.get("DataStoreName") or inner.get("datastore"),
        "path": inner.get("RelativePath") or inner.get("path"),
    }


def _dataset(definition: Any) -> Any:
    """`{"SavedDataSetReference": {"Id": ...}}`, or the id by itself."""
    reference = definition.get("SavedDataSetReference") if isinstance(definition, Mapping) else definition
    return reference.get("Id") if isinstance(reference, Mapping) else reference
