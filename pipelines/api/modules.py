"""Modules and their versions: list, make, publish, look at, change."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import queries
from pipelines.api import serializers as s
from pipelines.models import Module, ModuleVersion
from pipelines.services import modules
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class ModulesView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.PUBLISH}

    @extend_schema(
        parameters=[OpenApiParameter("name", str, description="Only the module of this name.")],
        responses=listed(s.ModuleOut),
    )
    def get(self, request: Request) -> Response:
        """The modules, newest first."""
        found = queries.modules_in(self.context.workspace, request.query_params.get("name", ""))
        return self.paged(found, queries.module_document)

    @extend_schema(request=s.ModuleIn, responses={201: s.ModuleOut})
    def post(self, request: Request) -> Response:
        """A new module, which has no version yet."""
        return self.repeated(modules.create(self.context, **self.asked(s.ModuleIn)))

    def repeated(self, made: Module) -> Response:
        return Response(queries.module_document(made), status=201)


class ModuleView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.CONTRIBUTOR}
    acts = {"patch": Act.OWN}
    conditional = frozenset({"patch"})

    @extend_schema(responses=s.ModuleOut)
    def get(self, request: Request, id: UUID) -> Response:
        """One module."""
        return self._shown(queries.module(self.context.workspace, id))

    @extend_schema(request=s.ModuleChange, responses=s.ModuleOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change name, description, status or default version; what is left out stays."""
        module = queries.module(self.context.workspace, id)
        return self._shown(modules.change(self.context, module, self.asked(s.ModuleChange), seen=self.seen))

    def _shown(self, found: Module) -> Response:
        return self.tagged(queries.module_document(found), modules.state(found))


class ModuleVersionsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.PUBLISH}

    @extend_schema(responses=listed(s.ModuleVersionOut))
    def get(self, request: Request, id: UUID) -> Response:
        """The versions of a module, newest first."""
        module = queries.module(self.context.workspace, id)
        return self.paged(queries.versions_of(module), queries.version_document)

    @extend_schema(request=s.ModuleVersionIn, responses={201: s.ModuleVersionOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Publish a version."""
        module = queries.module(self.context.workspace, id)
        return self.repeated(modules.publish(self.context, module, **self.asked(s.ModuleVersionIn)))

    def repeated(self, made: ModuleVersion) -> Response:
        return Response(queries.version_document(made), status=201)


class ModuleVersionView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.CONTRIBUTOR}
    acts = {"patch": Act.OWN}
    conditional = frozenset({"patch"})

    @extend_schema(responses=s.ModuleVersionOut)
    def get(self, request: Request, id: UUID) -> Response:
        """One version of a module."""
        return self._shown(queries.module_version(self.context.workspace, id))

    @extend_schema(request=s.ModuleVersionChange, responses=s.ModuleVersionOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change description and status; what is left out stays."""
        version = queries.module_version(self.context.workspace, id)
        return self._shown(
            modules.change_version(self.context, version, self.asked(s.ModuleVersionChange), seen=self.seen)
        )

    def _shown(self, found: ModuleVersion) -> Response:
        return self.tagged(queries.version_document(found), modules.version_state(found))
