"""Environments, their versions and their builds."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from environments import queries
from environments.api import serializers as s
from environments.services import logs
from environments.services import versions as service
from workspaces.api.base import RawAnswers, WorkspaceView, listed
from workspaces.api.loglines import QUERY, WINDOW_OF, Matches, found_lines, read_log
from workspaces.models import Role
from workspaces.scopes import Act


class EnvironmentsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.REGISTER}

    @extend_schema(responses=listed(s.EnvironmentOut))
    def get(self, request: Request) -> Response:
        """The environments of the workspace with their newest version."""
        return self.paged(queries.environments_in(self.context.workspace), s.EnvironmentOut)

    @extend_schema(request=s.DefinitionIn, responses={201: s.EnvironmentVersionOut})
    def post(self, request: Request) -> Response:
        """Register an environment. The same definition makes no new version."""
        version = service.register(self.context, self.asked(s.DefinitionIn))
        return Response(s.EnvironmentVersionOut(version).data, status=201)


class VersionsView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=listed(s.EnvironmentVersionRow))
    def get(self, request: Request, name: str) -> Response:
        """The versions, newest first."""
        found = queries.versions_of(self.context.workspace, name)
        if not found.exists():
            service.find(self.context.workspace, name)  # says that there is none
        return self.paged(found, s.EnvironmentVersionRow)


class VersionView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=s.EnvironmentVersionOut)
    def get(self, request: Request, name: str, version: str = "latest") -> Response:
        """One version."""
        found = service.find(self.context.workspace, name, version)
        return Response(s.EnvironmentVersionOut(found, context={"asked": name}).data)


class VersionBuildView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.REGISTER}
    keeps_keys = False

    @extend_schema(request=None, responses={202: s.EnvironmentVersionOut})
    def post(self, request: Request, name: str, version: str) -> Response:
        """Build it now, or once more where the last build failed."""
        found = service.find(self.context.workspace, name, version)
        return Response(s.EnvironmentVersionOut(service.with_build(found)).data, status=202)


class BuildView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=s.BuildDetail)
    def get(self, request: Request, id: UUID) -> Response:
        """One build with its lock and its warnings."""
        return Response(s.BuildDetail(queries.build_in(self.context.workspace, id)).data)


class BuildLogView(RawAnswers, WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(parameters=WINDOW_OF, responses={(200, "text/plain"): OpenApiTypes.BINARY})
    def get(self, request: Request, id: UUID) -> HttpResponseBase:
        """The log of the build by byte offset."""
        build = queries.build_in(self.context.workspace, id)
        return read_log(
            self, partial(logs.window, build), partial(logs.reader, build), build.log_size, f"build-{id}.txt"
        )


class BuildLogSearchView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(parameters=QUERY, responses=Matches)
    def get(self, request: Request, id: UUID) -> Response:
        """Lines that hold a text, or with which errors begin, by number and offset. `next` is where to go on."""
        build = queries.build_in(self.context.workspace, id)
        return found_lines(self, partial(logs.search_log, build), partial(logs.errors_of_log, build))
