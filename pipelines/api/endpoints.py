"""Endpoints of published pipelines: list, make, add versions, change. What triggers them lies with the runs."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.addresses import studio_address
from pipelines import openapi, queries
from pipelines.api import serializers as s
from pipelines.models import PipelineEndpoint, PipelineEndpointVersion
from pipelines.services import endpoints
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class EndpointsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.PUBLISH}

    @extend_schema(
        parameters=[
            OpenApiParameter("status", enum=PipelineEndpoint.Status.values, description="Left out: all but archived."),
            OpenApiParameter("name", description="The one of this name."),
        ],
        responses=listed(s.EndpointOut),
    )
    def get(self, request: Request) -> Response:
        """The pipeline endpoints."""
        query = request.query_params
        found = queries.endpoints_in(self.context.workspace, query.get("status", ""), query.get("name", ""))
        return self.paged(found, queries.endpoint_document)

    @extend_schema(request=s.EndpointIn, responses={201: s.EndpointOut})
    def post(self, request: Request) -> Response:
        """Make an endpoint of a published pipeline."""
        asked = self.asked(s.EndpointIn)
        pipeline = queries.one(self.context.workspace, asked["pipeline"])
        return self.repeated(endpoints.create(self.context, asked["name"], pipeline, asked["description"] or ""))

    def repeated(self, made: PipelineEndpoint) -> Response:
        return Response(queries.endpoint_document(made), status=201)


class EndpointView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.CONTRIBUTOR}
    acts = {"patch": Act.OWN}

    @extend_schema(responses=s.EndpointOut)
    def get(self, request: Request, id: UUID) -> Response:
        """One pipeline endpoint."""
        return Response(queries.endpoint_document(queries.endpoint(self.context.workspace, id)))

    @extend_schema(request=s.EndpointChange, responses=s.EndpointOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change name, description, default version, and whether it may be triggered."""
        found = queries.endpoint(self.context.workspace, id)
        return Response(queries.endpoint_document(endpoints.change(self.context, found, self.asked(s.EndpointChange))))


class EndpointOpenAPIView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(
        operation_id="endpoint_openapi",
        parameters=[OpenApiParameter("pipelineVersion", description="Left out: the default.")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, id: UUID) -> Response:
        """The OpenAPI document of its address, with the parameters of a version, for generators of clients."""
        found = queries.endpoint(self.context.workspace, id)
        asked = request.query_params.get("pipelineVersion", "")
        version = queries.endpoint_version(found, asked)
        address = queries.address_of(found, studio_address(request)) + (f"/{version.version}" if asked else "")
        graph = version.pipeline.graph
        return Response(openapi.document(address, found.name, found.description, str(version.version), graph))


class EndpointVersionsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.PUBLISH}

    @extend_schema(responses=listed(s.EndpointVersionOut))
    def get(self, request: Request, id: UUID) -> Response:
        """Its versions, newest first."""
        rows = queries.endpoint_versions(queries.endpoint(self.context.workspace, id))
        return self.paged(rows, queries.endpoint_version_document, keys=("-version",))

    @extend_schema(request=s.EndpointVersionIn, responses={201: s.EndpointVersionOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Add a published pipeline as its next version. One that it has keeps its number."""
        asked = self.asked(s.EndpointVersionIn)
        found = queries.endpoint(self.context.workspace, id)
        pipeline = queries.one(self.context.workspace, asked["pipeline"])
        return self.repeated(endpoints.add(self.context, found, pipeline, is_default=asked["is_default"]))

    def repeated(self, made: PipelineEndpointVersion) -> Response:
        found = queries.endpoint_versions(made.endpoint).get(pk=made.pk)
        return Response(queries.endpoint_version_document(found), status=201)


class EndpointVersionView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=s.EndpointVersionOut)
    def get(self, request: Request, id: UUID, version: str) -> Response:
        """One version of an endpoint, by its number."""
        found = queries.endpoint(self.context.workspace, id)
        return Response(queries.endpoint_version_document(queries.endpoint_version(found, version)))
