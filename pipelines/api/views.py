"""Published pipelines: list, publish, look at, enable and disable. What triggers them lies with the runs."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.addresses import studio_address
from pipelines import openapi, queries
from pipelines.api import serializers as s
from pipelines.models import PublishedPipeline
from pipelines.services import published
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class PipelinesView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.PUBLISH}

    @extend_schema(responses=listed(s.PipelineOut))
    def get(self, request: Request) -> Response:
        """The published pipelines."""
        found = queries.published_in(self.context.workspace, request.query_params.get("status", ""))
        return self.paged(found, queries.document)

    @extend_schema(request=s.PipelineIn, responses={201: s.PipelineOut})
    def post(self, request: Request) -> Response:
        """Publish a pipeline: of a run, or of a graph. Who has sent a graph is not sent it back."""
        return self.repeated(published.publish(self.context, self.asked(s.PipelineIn)))

    def repeated(self, made: PublishedPipeline) -> Response:
        return Response(queries.document(made), status=201)


class PipelineOpenAPIView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="pipeline_openapi", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, id: UUID) -> Response:
        """The OpenAPI document of its address, with its own parameters, for generators of clients."""
        found = queries.one(self.context.workspace, id)
        address = queries.endpoint_of(found, studio_address(request))
        return Response(openapi.document(address, found.name, found.description, found.version, found.graph))


class PipelineView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.CONTRIBUTOR}
    acts = {"patch": Act.OWN}

    @extend_schema(responses=s.PipelineDetail)
    def get(self, request: Request, id: UUID) -> Response:
        """One published pipeline with its graph."""
        return Response(queries.document(queries.one(self.context.workspace, id), with_graph=True))

    @extend_schema(request=s.PipelineChange, responses=s.PipelineOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change name, description and whether it may be triggered."""
        pipeline = queries.one(self.context.workspace, id)
        changed = published.set_status(self.context, pipeline, self.asked(s.PipelineChange)["status"])
        return Response(queries.document(changed))
