"""Endpoints of published pipelines: list, make, add versions, change. What triggers them lies with the runs."""

from __future__ import annotations

from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.addresses import studio_address
from core.errors import Conflict, NotFound
from pipelines import openapi, queries
from pipelines.api import serializers as s
from pipelines.models import PipelineEndpoint, PipelineEndpointVersion
from pipelines.services import endpoint_access, endpoints
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import ApiToken, Role
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
    conditional = frozenset({"patch"})

    @extend_schema(responses=s.EndpointOut)
    def get(self, request: Request, id: UUID) -> Response:
        """One pipeline endpoint."""
        return self._shown(queries.endpoint(self.context.workspace, id))

    @extend_schema(request=s.EndpointChange, responses=s.EndpointOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change name, description, default version, and whether it may be triggered."""
        found = queries.endpoint(self.context.workspace, id)
        return self._shown(endpoints.change(self.context, found, self.asked(s.EndpointChange), seen=self.seen))

    def _shown(self, found: PipelineEndpoint) -> Response:
        return self.tagged(queries.endpoint_document(found), endpoints.state(found))


class EndpointOpenAPIView(WorkspaceView):
    needs = {"get": Role.READER}
    for_endpoint_tokens = frozenset({"get"})

    @extend_schema(
        operation_id="endpoint_openapi",
        parameters=[OpenApiParameter("pipelineVersion", description="Left out: the default.")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, id: UUID) -> Response:
        """The OpenAPI document of its address, with the parameters of a version, for generators of clients."""
        found = queries.endpoint(self.context.workspace, id)
        asked = request.query_params.get("pipelineVersion", "")
        endpoint_access.require_scope(self.context, found, asked)
        version = queries.endpoint_version(found, asked)
        address = queries.address_of(found, studio_address(request)) + (f"/{version.version}" if asked else "")
        graph = version.pipeline.graph
        return Response(openapi.document(address, found.name, found.description, str(version.version), graph))


class EndpointTokensView(WorkspaceView):
    needs = {"get": Role.CONTRIBUTOR, "post": Role.CONTRIBUTOR}
    acts = {"get": Act.MANAGE, "post": Act.MANAGE}

    @extend_schema(responses=listed(s.EndpointTokenOut))
    def get(self, request: Request, id: UUID) -> Response:
        """The tokens that start it, also those that have ended; never their text."""
        found = queries.endpoint(self.context.workspace, id)
        return self.paged(endpoint_access.tokens_of(found), s.EndpointTokenOut)

    @extend_schema(request=s.EndpointTokenIn, responses={201: s.EndpointMintedOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Make a token that starts this endpoint and sees the runs that it started. Its text is told here and never again."""
        found = queries.endpoint(self.context.workspace, id)
        minted = endpoint_access.create_token(self.context, found, **self.asked(s.EndpointTokenIn))
        return Response({**s.EndpointTokenOut(minted.token).data, "token": minted.text}, status=201)

    def repeated(self, made: ApiToken) -> Response:
        text = _(
            "This request has made the token '%(name)s' before, and its text is shown once. Revoke it and make another."
        )
        raise Conflict(text % {"name": made.name}, code="shown_once", id=str(made.pk))


class EndpointTokenView(WorkspaceView):
    needs = {"delete": Role.CONTRIBUTOR}
    acts = {"delete": Act.MANAGE}
    in_archive = frozenset({"delete"})

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: UUID, token: UUID) -> Response:
        """Revoke a token of one's own; an owner revokes anybody's. What it started goes on."""
        endpoint_access.revoke_token(self.context, queries.endpoint(self.context.workspace, id), token)
        return Response(status=204)


class EndpointFormView(WorkspaceView):
    needs = {"get": Role.CONTRIBUTOR, "post": Role.OWNER, "delete": Role.OWNER}
    acts = {"get": Act.MANAGE, "post": Act.MANAGE, "delete": Act.MANAGE}
    in_archive = frozenset({"delete"})

    @extend_schema(operation_id="endpoint_form", responses=s.EndpointFormOut)
    def get(self, request: Request, id: UUID) -> Response:
        """The link of its form, without its address; 404 `no_form` where it is off."""
        found = queries.endpoint(self.context.workspace, id)
        link = endpoint_access.form_of(found)
        if link is None:
            text = _("The endpoint '%(name)s' has no form by link: it is off.")
            raise NotFound(text % {"name": found.name}, code="no_form")
        return Response(s.EndpointFormOut(link).data)

    @extend_schema(operation_id="endpoint_form_open", request=s.EndpointFormIn, responses={201: s.EndpointFormOpened})
    def post(self, request: Request, id: UUID) -> Response:
        """Let anyone with the link run the default version. A link that is out there ends: it is renewed."""
        found = queries.endpoint(self.context.workspace, id)
        minted = endpoint_access.open_form(self.context, found, **self.asked(s.EndpointFormIn))
        url = f"{studio_address(request)}{reverse('endpoint-form', args=[minted.text])}"
        return Response({**s.EndpointFormOut(minted.token).data, "url": url}, status=201)

    def repeated(self, made: ApiToken) -> Response:
        text = _("This request has made the link before, and it is shown once. Renew it.")
        raise Conflict(text, code="shown_once", id=str(made.pk))

    @extend_schema(operation_id="endpoint_form_close", responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Switch the link off. The runs that it started go on."""
        endpoint_access.close_form(self.context, queries.endpoint(self.context.workspace, id))
        return Response(status=204)


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
